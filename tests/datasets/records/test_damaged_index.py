"""An index that does not fit its records is made again; nothing that it says is believed."""

import zipfile

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import small_builds as builds
from wss.datasets.prepared import Prepared
from wss.datasets.records import index as record_index

NAMES = ['a', 'b', 'c']


@pytest.fixture
def build(tmp_path):
    """A build of three records, with its index; returns its folder and that of the data."""
    shards = [[builds.record('a', 0), builds.record('b', 1)], [builds.record('c', 2)]]
    folder = builds.write_build(tmp_path, {'train': shards})
    record_index.read(folder, 'train')
    return folder, tmp_path


def read_all(data_dir):
    examples = Prepared('voc_seg/2012', str(data_dir)).examples('train')
    read = list(tf.data.Dataset.range(len(examples)).map(examples.load).as_numpy_iterator())
    return [example['id'].decode() for example in read], [e['image'][0, 0, 0] for e in read]


def is_whole(data_dir):
    return read_all(data_dir) == (NAMES, [0, 10, 20])


def change(folder, **columns):
    path = f'{folder}/index-train.npz'
    content = dict(np.load(path))
    for name, value in columns.items():
        content[name] = value(content[name]) if callable(value) else value
    np.savez_compressed(path, **content)


def at_first(value):
    def replace(column):
        column = column.copy()
        column[0] = value
        return column

    return replace


HUGE = [2**60, 2**63 - 1, -1, -(2**63), 10**5]


@pytest.mark.parametrize('value', HUGE)
@pytest.mark.parametrize('name', ['shard', 'offset', 'length', 'size'])
def test_numbers_outside_of_the_files_are_not_believed(build, name, value):
    folder, data_dir = build
    if (name, value) == ('size', 10**5):
        value = 10**7
    change(folder, **{name: at_first(value)})
    assert is_whole(data_dir)


@pytest.mark.parametrize(
    'columns',
    [
        {'length': np.array([5, 5])},
        {'length': np.array([5.0, 5.0, 5.0])},
        {'offset': lambda column: column.astype(np.int32)},
        {'offset': lambda column: column.astype(np.uint64)},
        {'ids': np.array([1, 2, 3])},
        {'ids': np.array([b'a', b'b', b'c'])},
        {'ids': np.array([['a', 'b', 'c']])},
        {'size': np.ones((3, 3), np.int64)},
        {'has_label': np.array([1, 1, 1])},
        {'mask_classes': np.zeros((3, 1), np.uint8)},
        {'image_classes': np.zeros((2, 32), np.uint8)},
        {'files': np.array('[' * 10**5)},
        {'files': np.array('3')},
        {'more': np.zeros(3)},
        {name: np.zeros((0, 2) if name == 'size' else 0, np.int64) for name in ('size', 'shard')},
    ],
)
def test_columns_of_another_kind_are_not_believed(build, columns):
    folder, data_dir = build
    change(folder, **columns)
    assert is_whole(data_dir)


def test_an_index_that_unpacks_to_far_more_than_its_records_is_not_unpacked(build):
    folder, data_dir = build
    with zipfile.ZipFile(f'{folder}/index-train.npz', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('ids.npy', bytes(2**26))
    assert is_whole(data_dir)


def test_a_mutated_index_is_made_again(build):
    folder, data_dir = build
    files = [f'{folder}/voc_seg-train.tfrecord-0000{i}-of-00002' for i in range(2)]
    for _ in mutations(f'{folder}/index-train.npz', 60, seed=0):
        index = record_index.read(folder, 'train')
        assert index.ids.tolist() == NAMES and index.files == tuple(files)
    assert is_whole(data_dir)


def test_mutated_records_are_named(build):
    folder, data_dir = build
    path = f'{folder}/voc_seg-train.tfrecord-00000-of-00002'
    for _ in mutations(path, 40, seed=1):
        try:
            names, _ = read_all(data_dir)
            assert set(names) <= set(NAMES)
        except tf.errors.InvalidArgumentError as error:
            assert 'ValueError: Example ' in str(error) and path in str(error)
        except ValueError as error:
            assert 'wss.prepare' in str(error) and len(str(error).splitlines()) == 1


def mutations(path, count, seed):
    """Mutates a file `count` times, each time from its first content, and yields after each."""
    with open(path, 'rb') as file:
        good = file.read()
    random = np.random.default_rng(seed)
    for _ in range(count):
        with open(path, 'wb') as file:
            file.write(mutated(good, random))
        yield


def mutated(content, random):
    """Changes a few bytes, cuts the end off, or doubles a piece."""
    content = bytearray(content)
    kind = random.integers(3)
    if kind == 0:
        for at in random.integers(len(content), size=random.integers(1, 4)):
            content[at] = random.integers(256)
    elif kind == 1:
        del content[random.integers(len(content)) :]
    else:
        at = random.integers(len(content))
        content[at:at] = content[at : at + random.integers(1, 99)]
    return bytes(content)


def test_the_size_of_an_image_in_a_record_is_not_believed_either(tmp_path):
    message = tf.train.Example.FromString(builds.record('a', 0))
    message.features.feature['height'].int64_list.value[0] = 2**62
    folder = builds.write_build(tmp_path, {'train': [[message.SerializeToString()]]})
    with pytest.raises(ValueError, match=r'record 0 .* is not a record of wss\.prepare'):
        record_index.read(folder, 'train')
