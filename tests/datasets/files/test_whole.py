"""Files are written whole or not at all."""

import os

import pytest
import tensorflow as tf

from wss.datasets.files import whole


def test_text_bytes_and_json(tmp_path):
    path = tmp_path / 'file'
    whole.write(path, 'ä')
    assert whole.read(path) == b'\xc3\xa4'
    whole.write(path, b'\x00')
    assert whole.read(path) == b'\x00'
    whole.write_json(path, {'a': [1]})
    assert whole.read_json(path) == {'a': [1]}
    assert os.listdir(tmp_path) == ['file']
    # `printf abc | sha256sum`
    expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert whole.sha256(b'abc') == expected


def test_damaged_and_missing_json_is_none(tmp_path):
    assert whole.read_json(tmp_path / 'missing') is None
    (tmp_path / 'damaged').write_bytes(b'{"a": \xff')
    assert whole.read_json(tmp_path / 'damaged') is None


def test_a_failure_leaves_the_file_that_was_there_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / 'file'
    path.write_text('before')

    def fail(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

    monkeypatch.setattr(tf.io.gfile, 'rename', fail)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        whole.write(path, 'after')
    assert path.read_text() == 'before'
    assert os.listdir(tmp_path) == ['file']


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path):
    (tmp_path / 'file').write_text('before')
    (tmp_path / 'link').symlink_to('file')
    whole.write(tmp_path / 'link', 'after')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'file').read_text() == 'after'
    os.mkfifo(tmp_path / 'pipe')
    reader = os.open(tmp_path / 'pipe', os.O_RDONLY | os.O_NONBLOCK)
    whole.write(tmp_path / 'pipe', 'through')
    assert os.read(reader, 100) == b'through'
    os.close(reader)


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(whole, 'sync', lambda path: synced.append(os.path.basename(path)))
    whole.write(tmp_path / 'a.json', '{}')
    assert synced == [f'a.json.{os.getpid()}.part', tmp_path.name]


def test_a_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert whole.expanded('~/runs') == f'{tmp_path}/runs'
    assert whole.expanded(tmp_path / 'a~b') == f'{tmp_path}/a~b'
    assert whole.expanded('gs://bucket/~') == 'gs://bucket/~'


@pytest.mark.parametrize('name', ['n' * 255, '\u00e9' * 127, 'b\udce9'])
def test_names_of_any_length_and_bytes(tmp_path, name):
    path = os.path.join(tmp_path, name)
    for content in (b'before', b'after'):
        whole.write(path, content)
        with open(path, 'rb') as file:
            assert file.read() == content
    assert os.listdir(tmp_path) == [name]
