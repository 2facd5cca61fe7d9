"""Finding, checking, downloading and unpacking of official archives."""

import dataclasses
import errno
import hashlib
import io
import os
import pathlib
import tarfile
import tempfile
import urllib.error
import zipfile

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.download import checksums

from tests.datasets import small_archives
from wss.datasets.preparation import archives, downloads, unpacking
from wss.datasets.preparation.archives import Archive

FILES = {'top/a.txt': b'a\n', 'top/deep/b.txt': b'bb\n\n  c \n'}
KINDS = ['small.tar', 'small.tar.gz', 'small.tgz', 'small.zip']


def small(name='small.tar', **changes):
    return Archive(name, shows=('top/a.txt', 'top/deep'), **changes)


def manager(tmp_path, listed=()):
    """A download manager of tfds, with `manual` as manual_dir."""
    (tmp_path / 'manual').mkdir(exist_ok=True)
    return tfds.download.DownloadManager(
        download_dir=tmp_path / 'downloads',
        manual_dir=tmp_path / 'manual',
        manual_dir_instructions='Put it there.',
        url_infos=archives.url_infos(listed),
        dataset_name='small_set',
    )


def fetch(archive, dl_manager):
    """Returns the files of one archive."""
    return archives.fetch_all([archive], dl_manager)[0]


def content(source):
    folder = pathlib.Path(source.folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


@pytest.mark.parametrize('name', KINDS)
def test_an_archive_of_the_users_is_unpacked(tmp_path, name):
    path = small_archives.pack(tmp_path / 'manual' / name, FILES)
    archive = small_archives.described(small(name), path)
    source = fetch(archive, manager(tmp_path))
    assert source.official
    assert content(source) == FILES
    assert source.lines('top/deep/b.txt') == ['bb', 'c']
    assert source.names('top', '.txt') == ['a.txt']
    assert (source.folder / 'top/deep').exists()
    with pytest.raises(FileNotFoundError, match=r'no\.txt is missing'):
        source.read('top/no.txt')


def test_the_same_on_gs(monkeypatch):
    checksums.get_all_url_infos()  # Reads local files, which the imitation hides.
    stat = tf.io.gfile.stat
    with tfds.testing.MockFs() as bucket:
        monkeypatch.setattr(tf.io.gfile, 'stat', lambda path: stat(str(bucket._to_tmp(path))))
        path = epath.Path('gs://bucket/manual/small.tgz')
        bucket.add_file(path)
        path.write_bytes(b'cut')
        options = {
            'download_dir': 'gs://bucket/downloads',
            'manual_dir': 'gs://bucket/manual',
            'manual_dir_instructions': 'Put it there.',
        }
        with pytest.raises(ValueError, match=r'^gs://bucket/manual/small\.tgz is damaged'):
            fetch(small('small.tgz'), tfds.download.DownloadManager(**options))
        with tempfile.TemporaryDirectory() as local:
            path.write_bytes(small_archives.pack(f'{local}/small.tgz', FILES).read_bytes())
        for _ in range(2):
            dl_manager = tfds.download.DownloadManager(**options)
            source = fetch(small('small.tgz'), dl_manager)
            assert str(source.folder) == 'gs://bucket/downloads/extracted/small'
            assert source.lines('top/deep/b.txt') == ['bb', 'c']


@pytest.mark.parametrize('place', ['', 'small'])
def test_a_folder_that_the_user_unpacked_is_used_where_it_is(tmp_path, place):
    small_archives.unpack(tmp_path / 'manual' / place, FILES)
    source = fetch(small(sha256='0' * 64), manager(tmp_path))
    assert not source.official
    assert pathlib.Path(source.folder) == tmp_path / 'manual' / place
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())


def test_what_was_unpacked_is_used_again_but_not_for_another_archive(tmp_path):
    path = small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    source = fetch(small(), manager(tmp_path))
    mark = source.folder / 'top' / 'mark'
    mark.write_text('of the first time')
    fetch(small(), manager(tmp_path))
    assert mark.exists()
    small_archives.pack(path, FILES | {'top/more.txt': bytes(20000)})
    fetch(small(), manager(tmp_path))
    assert not mark.exists()
    assert (source.folder / 'top/more.txt').exists()


def test_what_was_deleted_of_the_unpacked_files_is_not_blamed_on_the_archive(tmp_path):
    small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    source = fetch(small(), manager(tmp_path))
    lost = next(name for name in FILES if name not in small().shows)
    (source.folder / lost).unlink()
    with pytest.raises(FileNotFoundError, match=f'missing. Delete the folder {source.folder} and'):
        source.read(lost)
    (source.folder / small().shows[0]).unlink()
    assert content(fetch(small(), manager(tmp_path))) == FILES


def test_members_that_cannot_be_written_are_a_sentence(tmp_path):
    files = {**FILES, 'top/same': b'', 'top/same/below': b''}
    small_archives.pack(tmp_path / 'manual' / 'small.tar', files)
    with pytest.raises(OSError, match=r'small\.tar cannot be unpacked: .*top/same: File exists\. '):
        fetch(small(), manager(tmp_path))
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())


def test_half_an_unpacking_is_not_taken_for_a_whole_one(tmp_path, monkeypatch):
    small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    folder = tmp_path / 'downloads' / 'extracted' / 'small'
    # As SIGKILL leaves it.
    small_archives.unpack(folder, {'top/a.txt': b'half', 'top/deep/other': b''})
    source = fetch(small(), manager(tmp_path))
    assert content(source) == FILES
    # As Ctrl-C leaves it.
    small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES | {'top/c': bytes(30000)})

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpacking.shutil, 'copyfileobj', interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(small(), manager(tmp_path))
    assert not folder.exists()
    assert not (folder.parent / 'small.complete').exists()
    assert content(fetch(small(), manager(tmp_path))) == FILES | {'top/c': bytes(30000)}


@pytest.mark.parametrize(
    'error',
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'x'),
        tf.errors.ResourceExhaustedError(None, None, 'x; No space left on device'),
    ],
)
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, error):
    small_archives.pack(tmp_path / 'manual' / 'small.zip', FILES)

    def full(*_):
        raise error

    monkeypatch.setattr(unpacking.shutil, 'copyfileobj', full)
    with pytest.raises(OSError, match=r'disk is full: .*small .*run the same command again'):
        fetch(small('small.zip'), manager(tmp_path))
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())


def test_too_little_room_is_found_before_unpacking(tmp_path, monkeypatch):
    small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    monkeypatch.setattr(unpacking.shutil, 'disk_usage', lambda _: type('', (), {'free': 5}))
    with pytest.raises(OSError, match='GB are free'):
        fetch(small(), manager(tmp_path))


@pytest.mark.parametrize('name', KINDS)
def test_a_truncated_archive_is_refused(tmp_path, name):
    many = {**FILES, **{f'top/deep/{i}': os.urandom(3000) for i in range(8)}}
    path = small_archives.pack(tmp_path / 'manual' / name, many)
    whole = path.read_bytes()
    described = small_archives.described(small(name), path)
    for length in (len(whole) // 2, len(whole) * 2 // 3, 3, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf'{name} is cut off: it has {length} bytes'):
            fetch(described, manager(tmp_path))
        # The same where nothing is published about it.
        with pytest.raises(ValueError, match=rf'{name} is damaged or cut off'):
            fetch(small(name), manager(tmp_path))
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())


def test_a_tar_file_cut_between_two_members_is_refused(tmp_path):
    path = small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    path.write_bytes(path.read_bytes()[:1024])  # Header and content of the first member.
    with pytest.raises(ValueError, match='cut off: the end is missing'):
        fetch(small(), manager(tmp_path))


@pytest.mark.parametrize(
    ('place', 'value'),
    [(10, 99), (6, 255), (42, 255)],
    ids=['compression', 'version', 'offset'],
)
def test_damage_in_the_table_of_a_zip_file_is_a_sentence(tmp_path, place, value):
    path = small_archives.pack(tmp_path / 'x.zip', {'a/b.txt': b'content'})
    content = bytearray(path.read_bytes())
    content[content.index(b'PK\x01\x02') + place] = value
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r'x\.zip is damaged or cut off: .*\. Delete it and get it'
    ):
        unpacking.unpack(path, 'x.zip', tmp_path / 'out')
    assert not (tmp_path / 'out' / 'x').exists()


def test_damage_inside_is_found(tmp_path):
    path = small_archives.pack(tmp_path / 'manual' / 'small.zip', FILES)
    spoiled = path.read_bytes().replace(b'bb\n\n', b'bx\n\n')
    path.write_bytes(spoiled)
    with pytest.raises(ValueError, match=r'small.zip is damaged or cut off: Bad CRC-32'):
        fetch(small('small.zip'), manager(tmp_path))
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())


@pytest.mark.parametrize('kind', ['sha256', 'md5'])
def test_another_file_under_the_official_name_is_refused(tmp_path, kind):
    path = small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    size = path.stat().st_size
    with pytest.raises(ValueError, match=f'not the official file: it has {size} bytes'):
        fetch(small(size=size - 1), manager(tmp_path))
    with pytest.raises(ValueError, match=rf'its {kind.upper()} is .*, that of .* unpack them'):
        fetch(small(size=size, **{kind: '0' * 32}), manager(tmp_path))
    small_archives.pack(path, {'other/a.txt': b''})
    with pytest.raises(ValueError, match=r'does not hold top/a\.txt and top/deep'):
        fetch(small(), manager(tmp_path))


def member(name, kind=tarfile.REGTYPE, target=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ('info', 'said'),
    [
        (member('/etc/evil'), "'/etc/evil' points outside"),
        (member('../evil'), "'../evil' points outside"),
        (member('top/../../evil'), "'top/../../evil' points outside"),
        (member('..\\evil'), 'points outside'),
        (member('C:\\evil'), 'points outside'),
        (member('top/way', tarfile.SYMTYPE, '../../evil'), "'top/way' is a link to '../evil'"),
        (member('top/way', tarfile.SYMTYPE, '/etc/passwd'), "is a link to '/etc/passwd'"),
        (member('top/way', tarfile.LNKTYPE, '../evil'), "is a link to '../evil'"),
        (member('top/way', tarfile.SYMTYPE, 'gone'), 'which is no file of the archive'),
        (member('top/pipe', tarfile.FIFOTYPE), "'top/pipe' is neither a file nor a folder"),
    ],
)
def test_members_that_leave_the_folder_are_refused_before_unpacking(tmp_path, info, said):
    path = tmp_path / 'manual' / 'small.tar'
    small_archives.pack(path, FILES)
    with tarfile.open(path, 'a') as archive:
        archive.addfile(info, io.BytesIO())
    with pytest.raises(ValueError) as caught:
        fetch(small(), manager(tmp_path))
    assert said in str(caught.value)
    assert 'small.tar is not unpacked' in str(caught.value)
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())
    assert not (tmp_path / 'downloads' / 'evil').exists()


@pytest.mark.parametrize(
    ('name', 'target'), [('../evil', None), ('/evil', None), ('top/way', '../../evil')]
)
def test_the_same_in_a_zip_file(tmp_path, name, target):
    path = small_archives.pack(tmp_path / 'manual' / 'small.zip', FILES)
    info = zipfile.ZipInfo(name)
    info.external_attr = (0o120777 if target else 0o100644) << 16
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr(info, target or 'x')
    with pytest.raises(ValueError, match='outside the folder it is unpacked in'):
        fetch(small('small.zip'), manager(tmp_path))
    assert not any((tmp_path / 'downloads' / 'extracted').iterdir())


def test_links_inside_become_copies(tmp_path):
    path = small_archives.pack(tmp_path / 'manual' / 'small.tar', FILES)
    with tarfile.open(path, 'a') as archive:
        archive.addfile(member('top/deep/soft', tarfile.SYMTYPE, '../a.txt'))
        archive.addfile(member('top/hard', tarfile.LNKTYPE, 'top/a.txt'))
    path = small_archives.pack(tmp_path / 'manual' / 'other.zip', FILES)
    info = zipfile.ZipInfo('top/deep/soft')
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr(info, '../a.txt')
    for name in ('small.tar', 'other.zip'):
        source = fetch(small(name), manager(tmp_path))
        assert source.read('top/deep/soft') == b'a\n'
        assert not os.path.islink(source.folder / 'top/deep/soft')
    assert not (source.folder / 'top/hard').exists()


def test_missing_archives_behind_a_login_are_named_with_what_is_there(tmp_path):
    wanted = [small(page='example.org'), Archive('b.zip', ('b',)), Archive('c.zip', ('c',))]
    small_archives.unpack(tmp_path / 'manual', {'smal.tar': b'', 'c/x': b''})
    with pytest.raises(FileNotFoundError) as caught:
        archives.fetch_all(wanted, manager(tmp_path))
    text = str(caught.value)
    assert f'manual_dir {tmp_path / "manual"} lacks files' in text
    assert 'small.tar (or, unpacked, top/a.txt and top/deep) from example.org; b.zip' in text
    assert 'c.zip' not in text
    assert text.endswith('It holds c, smal.tar.')
    with pytest.raises(FileNotFoundError, match='Put them into a folder and give it as manual_dir'):
        archives.check_present(wanted, None)
    with pytest.raises(FileNotFoundError, match='The folder does not exist'):
        archives.check_present(wanted, tmp_path / 'nowhere')


def test_a_folder_with_other_names_is_refused(tmp_path):
    small_archives.unpack(tmp_path, {'smal.tar': b''})
    with pytest.raises(FileNotFoundError, match=r'none of .*: small\.tar \(or, .* It holds smal\.'):
        archives.check_useful([small(), small('b.zip')], tmp_path)
    small_archives.unpack(tmp_path, {'b.zip': b''})
    archives.check_useful([small(), small('b.zip')], tmp_path)


def published(tmp_path, kind='sha256'):
    """A small archive that can be downloaded, from two addresses of which the first is dead."""
    path = small_archives.pack(tmp_path / 'server' / 'small.tgz', FILES)
    urls = (f'{tmp_path}/nowhere/small.tgz', str(path))
    archive = dataclasses.replace(small_archives.described(small('small.tgz'), path), urls=urls)
    if kind == 'md5':
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        archive = dataclasses.replace(archive, sha256=None, md5=md5)
    return archive, path


@pytest.mark.parametrize('kind', ['sha256', 'md5'])
def test_a_download_is_checked_and_kept(tmp_path, kind):
    archive, path = published(tmp_path, kind)
    assert downloads.find(archive, tmp_path / 'downloads', 'small_set') is None
    source = fetch(archive, manager(tmp_path, [archive]))
    assert source.official
    assert content(source) == FILES
    assert downloads.find(archive, tmp_path / 'downloads', 'small_set') is not None
    path.unlink()  # The server is not asked again.
    assert content(fetch(archive, manager(tmp_path, [archive]))) == FILES


@pytest.mark.parametrize('kind', ['sha256', 'md5'])
def test_a_download_of_another_file_is_refused_and_removed(tmp_path, kind):
    archive, path = published(tmp_path, kind)
    path.write_bytes(b'<html>moved</html>')
    left = tmp_path / 'downloads' / 'small_set'
    with pytest.raises(OSError, match=r'small\.tgz could not be downloaded') as caught:
        fetch(archive, manager(tmp_path, [archive]))
    assert 'wrong size or checksum' in str(caught.value)
    assert 'nowhere/small.tgz' in str(caught.value)
    assert not any(left.iterdir())


def test_a_server_that_does_not_answer_is_passed_over(tmp_path, monkeypatch, caplog):
    archive, _ = published(tmp_path)
    asked = []

    def silent(request, timeout):
        asked.append((request.full_url, request.method))
        raise urllib.error.URLError('timed out')

    monkeypatch.setattr(downloads.urllib.request, 'urlopen', silent)
    urls = ('http://example.org/small.tgz', archive.urls[1])
    archive = dataclasses.replace(archive, urls=urls)
    assert content(fetch(archive, manager(tmp_path, [archive]))) == FILES
    assert asked == [('http://example.org/small.tgz', 'HEAD')]
    assert 'failed: http://example.org/small.tgz: timed out.' in caplog.text


def test_an_address_needs_a_checksum():
    with pytest.raises(ValueError, match='no size and checksum'):
        Archive('a.zip', ('a',), urls=('http://example.org/a.zip',))


def test_nothing_is_downloaded_if_something_else_is_missing(tmp_path):
    archive, _ = published(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'lacks files .*b\.zip'):
        archives.fetch_all([archive, Archive('b.zip', ('b',))], manager(tmp_path, [archive]))
    assert not (tmp_path / 'downloads' / 'small_set').exists()
