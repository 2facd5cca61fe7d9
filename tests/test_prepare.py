"""The preparation of datasets: its messages, how it resumes, and what it leaves behind."""

import dataclasses
import errno
import logging
import os
import pathlib
import signal
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow_datasets.core import file_adapters

from tests.datasets import small_archives
from tests.test_commands import ROOT, start
from wss.datasets.preparation import archives, build, disk, lookup
from wss.datasets.preparation import cost as preparation_cost
from wss.datasets.preparation.builders import voc
from wss.datasets.preparation.cost import Records

ALL = ['main', 'train', 'train_aug', 'trainval', 'val']


@pytest.fixture
def manual(tmp_path):
    """A folder with unpacked files of VOC and SBD."""
    for files in (small_archives.voc_files(), small_archives.sbd_files()):
        small_archives.unpack(tmp_path / 'manual', files)
    return str(tmp_path / 'manual')


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """The same as archives, which are taken for the official ones, whatever their size."""
    for name, files in (
        ('TRAINVAL', small_archives.voc_files()),
        ('SBD', small_archives.sbd_files()),
    ):
        changes = {'size': None, 'sha256': None, 'md5': None, 'urls': ()}
        archive = dataclasses.replace(getattr(voc, name), **changes)
        monkeypatch.setattr(voc, name, archive)
        small_archives.pack(tmp_path / 'packed' / archive.name, files)
    return str(tmp_path / 'packed')


def prepared(tmp_path, manual_dir):
    """Prepares VOC and returns the names of the splits that are there."""
    folder = build.prepare('voc_seg', str(tmp_path / 'data'), manual_dir)
    assert folder == str(tmp_path / 'data' / 'voc_seg' / '2012' / '1.0.0')
    names = {path.name for path in pathlib.Path(folder).glob('*.tfrecord*')}
    return sorted(name.split('-')[1].split('.')[0] for name in names)


def built(tmp_path):
    """What lies where the folder of the version belongs."""
    return sorted(path.name for path in (tmp_path / 'data' / 'voc_seg' / '2012').glob('*'))


def test_the_command(tmp_path, manual):
    arguments = ('--dataset', 'voc_seg', '--data_dir', 'data', '--manual_dir', 'manual')
    result = start(tmp_path, 'prepare', *arguments)
    assert result.returncode == 0, result.stderr
    said = result.stdout
    before, after = said.split('Using the unpacked VOCtrainval', 1)
    assert f'benchmark.tgz: unpacked in {manual.rsplit("/", 1)[1]}' in before
    assert '0.0 GB of downloads, 0.0 GB of unpacked files and about 3.1 GB of records' in before
    assert 'Time: about 3 minutes, if' in before
    assert 'is ready in data/voc_seg/2012/1.0.0' in after
    assert 'train_aug: 5' in after
    again = start(tmp_path, 'prepare', *arguments)
    assert again.returncode == 0
    assert 'voc_seg/2012 is built already, in data/voc_seg/2012/1.0.0' in again.stdout
    assert 'train_aug: 5' in again.stdout
    assert 'Preparing' not in again.stdout
    assert again.stderr == ''
    folder = tmp_path / 'data' / 'voc_seg' / '2012' / '1.0.0'
    assert sorted(path.name for path in folder.glob('index*')) == [f'index-{s}.npz' for s in ALL]


def test_the_command_says_what_is_missing_in_one_line(tmp_path, manual):
    (pathlib.Path(manual) / 'VOCdevkit/VOC2012/JPEGImages/2008_000004.jpg').unlink()
    result = start(
        tmp_path, 'prepare', '--dataset', 'voc_seg', '--data_dir', 'data', '--manual_dir', manual
    )
    assert result.returncode == 1
    assert 'Traceback' not in result.stderr
    assert '2008_000004.jpg. Unpack or download' in result.stderr.strip().splitlines()[-1]


def test_names(tmp_path):
    with pytest.raises(ValueError, match=r"no dataset 'voc_sge' \(did you mean voc_seg\?\); there"):
        build.prepare('voc_sge', str(tmp_path))
    with pytest.raises(
        ValueError, match=r'one of them: coco_seg/2017, coco_seg/2014, coco_seg/unl'
    ):
        build.prepare('coco_seg', str(tmp_path))
    with pytest.raises(ValueError, match=r"'voc_seg/2007' \(did you mean voc_seg/2012\?\)"):
        build.prepare('voc_seg/2007', str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'manual_dir .*nowhere is not a folder'):
        build.prepare('voc_seg', str(tmp_path), str(tmp_path / 'nowhere'))
    assert not list(tmp_path.iterdir())
    small_archives.unpack(tmp_path / 'mine', {'voc2012.tar': b'', 'sbd.tgz': b''})
    with pytest.raises(FileNotFoundError, match='expected files: VOCtrainval_11') as caught:
        build.prepare('voc_seg', str(tmp_path / 'data'), str(tmp_path / 'mine'))
    assert 'It holds sbd.tgz, voc2012.tar. Give files their official names' in str(caught.value)
    assert built(tmp_path) == []


def test_folders_that_cannot_be(tmp_path, manual, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for folder, said in {
        '': 'data_dir is empty; name a folder',
        'ftp://server/data': 'data_dir ftp://server/data is neither a local folder nor one on gs:/',
    }.items():
        with pytest.raises(ValueError, match=said):
            build.prepare('voc_seg', folder, manual)
    with pytest.raises(ValueError, match='manual_dir is empty'):
        build.prepare('voc_seg', 'data', '')
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / 'file').write_text('mine')
    for folder in ('file', 'file/data', '/proc/data'):
        with pytest.raises(OSError, match=f'data_dir {folder} cannot be used: .*Name a folder'):
            build.prepare('voc_seg', folder, manual)
    assert (tmp_path / 'file').read_text() == 'mine'


def test_archives_are_unpacked_and_counted(tmp_path, packed, caplog):
    with caplog.at_level(logging.INFO, logger='wss'):
        assert prepared(tmp_path, packed) == ALL
    assert f'VOCtrainval_11-May-2012.tar: 0.0 GB in {packed}\n' in caplog.text
    assert 'Unpacked benchmark.tgz: 18 files' in caplog.text


def test_missing_archives_behind_a_login_are_named_first(tmp_path, packed):
    (pathlib.Path(packed) / 'benchmark.tgz').rename(pathlib.Path(packed) / 'benchmark(1).tgz')
    with pytest.raises(
        FileNotFoundError, match=r'lacks .*benchmark\.tgz .*, benchmark\(1\)\.tgz\.'
    ):
        build.prepare('voc_seg', str(tmp_path / 'data'), packed)
    with pytest.raises(FileNotFoundError, match='folder and give it as manual_dir'):
        build.prepare('voc_seg', str(tmp_path / 'data'))
    assert built(tmp_path) == []
    assert not (tmp_path / 'data' / 'downloads').exists()


def test_the_usual_place_for_archives_needs_no_flag(tmp_path, packed):
    (tmp_path / 'data' / 'downloads').mkdir(parents=True)
    pathlib.Path(packed).rename(tmp_path / 'data' / 'downloads' / 'manual')
    assert prepared(tmp_path, None) == ALL


def test_a_truncated_archive_leaves_nothing(tmp_path, packed):
    path = pathlib.Path(packed) / 'benchmark.tgz'
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match=r'benchmark\.tgz is damaged or cut off'):
        build.prepare('voc_seg', str(tmp_path / 'data'), packed)
    assert built(tmp_path) == []
    small_archives.pack(path, small_archives.sbd_files())
    assert prepared(tmp_path, packed) == ALL


def interrupt(monkeypatch, error, after=4):
    """Raises an error as a record is made, some records after the first."""
    made, real = [], voc.builder_records.example

    def example(*args, **kwargs):
        made.append(args)
        if len(made) > after:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(voc.builder_records, 'example', example)


def test_an_interrupted_preparation_resumes(tmp_path, packed, caplog):
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO, logger='wss'):
        interrupt(patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            prepared(tmp_path, packed)
    assert 'Run the same command again to resume' in caplog.text
    assert built(tmp_path) == []
    caplog.clear()
    with caplog.at_level(logging.INFO, logger='wss'):
        assert prepared(tmp_path, packed) == ALL
    assert 'benchmark.tgz was unpacked before' in caplog.text
    assert f'benchmark.tgz: 0.0 GB in {packed}, unpacked' in caplog.text


def test_a_killed_preparation_resumes(tmp_path, manual, caplog):
    code = (
        'import os, sys\n'
        'from wss.datasets.preparation import build\n'
        'from wss.datasets.preparation.builders import voc\n'
        'voc.builder_records.example = lambda *_, **__: os.kill(os.getpid(), 9)\n'
        'build.prepare("voc_seg", "data", "manual")\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(ROOT), 'HOME': str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert result.returncode == -signal.SIGKILL
    left = built(tmp_path)
    assert len(left) == 1 and left[0].startswith('incomplete.')
    with caplog.at_level(logging.INFO, logger='wss'):
        assert prepared(tmp_path, manual) == ALL
    assert f'Deleting half-written records of an earlier attempt: {tmp_path}' in caplog.text
    assert built(tmp_path) == ['1.0.0']


@pytest.mark.parametrize(
    'error',
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'x'),
        tf.errors.ResourceExhaustedError(None, None, 'x; No space left on device'),
    ],
)
def test_a_disk_that_fills_up_is_a_sentence_and_leaves_nothing(tmp_path, manual, error):
    def full(*_):
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_adapters.TfRecordFileAdapter, 'write_examples', full)
        with pytest.raises(OSError, match=r'^The disk is full: .*voc_seg/2012 cannot be written'):
            prepared(tmp_path, manual)
    assert built(tmp_path) == []
    assert prepared(tmp_path, manual) == ALL


def test_a_disk_that_is_too_small_is_found_before_anything_is_done(tmp_path, manual, monkeypatch):
    monkeypatch.setattr(disk.shutil, 'disk_usage', lambda _: space(free=2.7e9))
    with pytest.raises(OSError, match=r'about 3\.1 GB are needed and 2\.7 GB are free'):
        prepared(tmp_path, manual)
    assert built(tmp_path) == []
    # Estimates are not exact: what may suffice is tried.
    monkeypatch.setattr(disk.shutil, 'disk_usage', lambda _: space(free=2.9e9))
    assert prepared(tmp_path, manual) == ALL


def test_a_folder_that_is_not_whole_is_not_taken_for_a_build(tmp_path, manual):
    prepared(tmp_path, manual)
    (tmp_path / 'data/voc_seg/2012/1.0.0/dataset_info.json').unlink()
    with pytest.raises(ValueError, match=r'1\.0\.0 exists, but it lacks .* Delete the folder'):
        prepared(tmp_path, manual)


@pytest.mark.parametrize('content', ['', '{"name": ', '{}', '{"name": "other"}'])
def test_a_damaged_description_of_a_build_is_named(tmp_path, manual, content):
    prepared(tmp_path, manual)
    folder = tmp_path / 'data/voc_seg/2012/1.0.0'
    (folder / 'dataset_info.json').write_text(content)
    files = sorted(folder.iterdir())
    with pytest.raises(
        ValueError, match=r'dataset_info\.json in .*1\.0\.0 is damaged.* Delete that'
    ):
        prepared(tmp_path, manual)
    assert sorted(folder.iterdir()) == files


def test_records_that_are_gone_are_named(tmp_path, manual):
    prepared(tmp_path, manual)
    (tmp_path / 'data/voc_seg/2012/1.0.0/voc_seg-val.tfrecord-00000-of-00001').unlink()
    with pytest.raises(ValueError, match=r'^The files of val are missing in .*; delete the folder'):
        prepared(tmp_path, manual)


@pytest.mark.parametrize('path', ['', ' '])
def test_an_empty_name_is_no_folder(path):
    with pytest.raises(ValueError, match=r'^data_dir is empty; name a folder'):
        build.prepare('voc_seg', path)
    with pytest.raises(ValueError, match=r'^manual_dir is empty; name a folder'):
        build.prepare('voc_seg', 'data', path)


@pytest.mark.parametrize('path', ['file', 'file/data'])
def test_a_data_dir_that_cannot_be_made_is_named(tmp_path, manual, path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(OSError, match=rf'^data_dir .*{path} cannot be used: .*\. Name a folder'):
        build.prepare('voc_seg', str(tmp_path / path), manual)
    assert (tmp_path / 'file').read_text() == 'mine'


def space(free):
    return type('', (), {'free': free})


def test_two_processes_do_not_disturb_each_other(tmp_path, manual):
    with (
        build._only_one(str(tmp_path / 'data'), 'voc_seg'),
        pytest.raises(OSError, match='Another process is preparing voc_seg in'),
    ):
        prepared(tmp_path, manual)
    assert prepared(tmp_path, manual) == ALL


def test_the_cost_by_hand(tmp_path):
    gone = archives.Archive('gone.zip', ('gone',), size=4_000_000_000)
    here = archives.Archive('here.zip', ('here',), size=999, unpacked=2_000_000_000)
    made = archives.Archive('made.zip', ('made',), size=5)
    small_archives.unpack(tmp_path / 'manual', {'here.zip': bytes(300), 'made/x': b''})
    records = Records(count=6_000, size=500_000, rate=100)
    cost = preparation_cost.estimate(
        [gone, here, made], records, str(tmp_path / 'a' / 'b'), str(tmp_path / 'manual'), 'x'
    )
    assert cost.to_download == 4_000_000_000
    assert cost.to_unpack == 6_000_000_000
    assert cost.to_write == 3_000_000_000
    assert cost.seconds == 200 + 60 + 60  # At 20 and 100 MB, and at 100 records a second.
    text = cost.text()
    assert f'gone.zip: 4.0 GB to download; {tmp_path}/manual does not hold gone.zip (or' in text
    assert f'here.zip: 0.0 GB in {tmp_path}/manual\n' in text
    assert f'made.zip: unpacked in {tmp_path}/manual\n' in text
    assert '4.0 GB of downloads, 6.0 GB of unpacked files and about 3.0 GB of records, 13.0' in text
    assert 'Time: about 5 minutes' in text
    assert preparation_cost.estimate([], records, 'gs://bucket/data', None, 'x').free is None


def test_every_dataset_has_its_cost():
    for builder in lookup.packaged().values():
        assert set(builder.COST) == {config.name for config in builder.BUILDER_CONFIGS}
        for records in builder.COST.values():
            assert records.count > 1000 and records.size > 1000 and records.rate > 1


def test_ctrl_c_does_not_wait_for_a_download(tmp_path):
    code = (
        'import threading\n'
        'from wss.configuration import binary\n'
        'def main():\n'
        '    threading.Thread(target=threading.Event().wait).start()\n'
        '    raise KeyboardInterrupt\n'
        'binary.run_main(main, [], wait_for_threads=False)\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (130, '\nStopped.\n')
