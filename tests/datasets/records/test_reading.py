"""Records are read without Python, and what is wrong with them is said all the same."""

import os
import pathlib
import subprocess
import sys
import types

import pytest
import tensorflow as tf

from tests.datasets.small_builds import record, write_build
from wss.configuration import sentences
from wss.datasets.prepared import Prepared
from wss.datasets.shapes import Shapes
from wss.devices import tpu_input
from wss.pipeline import batches
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame
from wss.views.views import Views

HERE = pathlib.Path(__file__).parent
VIEWS = Views(crop_size=(9, 9), cutout_half_size=2)
GREY = (1.0, 2.0, 3.0)


def name(i):
    return f'2007_{i:06d}'


def write(folder, names):
    shard = os.path.join(folder, 'voc_seg-train.tfrecord-00000-of-00001')
    with tf.io.TFRecordWriter(shard) as writer:
        for i in names:
            writer.write(record(name(i), i))
    return pathlib.Path(shard)


@pytest.fixture
def build(tmp_path):
    """Three images in one file, in a folder whose name has quotes and brackets."""
    data_dir = tmp_path / "a 'ü] [b"
    folder = write_build(data_dir, {'train': [[record(name(i), i) for i in range(3)]]})
    return Prepared('voc_seg/2012', data_dir), folder


def training(examples, cache_bytes=0):
    streams = {'labelled': batches.Stream(examples, 2)}
    return batches.training_batches(
        streams, VIEWS, GREY, seed=0, cache_bytes=cache_bytes, workers=2
    )


def sentence(load, position):
    """What a user is told where an example is read in a pipeline, and by itself."""
    said = []
    for read in (
        lambda: next(iter(tf.data.Dataset.range(position, 9).map(load, 2).batch(1))),
        lambda: load(tf.constant(position)),
    ):
        with pytest.raises(tf.errors.OpError) as caught:
            read()
        said.append(sentences.user_sentence(caught.value))
    assert said[0] == said[1]
    return said[0]


def flip_bit_of_the_id(file):
    content = bytearray(file.read_bytes())
    content[content.index(b'2007_000001') + 2] ^= 1
    file.write_bytes(content)


DAMAGE = {
    'a bit is wrong': flip_bit_of_the_id,
    'cut off within': lambda file: os.truncate(file, file.stat().st_size * 2 // 5),
    'cut off before': lambda file: os.truncate(file, 20),
    'empty': lambda file: os.truncate(file, 0),
    'another record there': lambda file: write(file.parent, [0, 2, 1]),
    'other records': lambda file: write(file.parent, [5]),
}


@pytest.mark.parametrize('change', DAMAGE.values(), ids=DAMAGE)
def test_records_that_are_not_as_they_were(build, change):
    dataset, folder = build
    load = dataset.examples('train').load
    file = pathlib.Path(folder, 'voc_seg-train.tfrecord-00000-of-00001')
    change(file)
    assert sentence(load, 1) == (
        f'Example 2007_000001 cannot be read: its record in {file} is damaged, cut off or '
        f'replaced. Delete {folder} and build it again with wss.prepare.'
    )


def test_damage_elsewhere_is_not_looked_at(build):
    dataset, folder = build
    flip_bit_of_the_id(pathlib.Path(folder, 'voc_seg-train.tfrecord-00000-of-00001'))
    load = dataset.examples('train').load
    assert [int(load(tf.constant(i))['image'][0, 0, 0]) for i in (2, 0)] == [20, 0]


def test_files_that_cannot_be_read(build):
    dataset, folder = build
    load = dataset.examples('train').load
    file = pathlib.Path(folder, 'voc_seg-train.tfrecord-00000-of-00001')
    file.unlink()
    end = 'Make it readable, or delete its folder and build it again with wss.prepare.'
    start = f'A file of a prepared dataset cannot be read: {file}; '
    assert sentence(load, 1) == f'{start}No such file or directory. {end}'
    file.mkdir()
    assert sentence(load, 1) == f'{start}Is a directory. {end}'


def test_batches_of_prepared_datasets_need_no_python(build):
    dataset, _ = build
    examples = dataset.examples('train')
    for cache_bytes in (0, 2**30):
        made = training(examples, cache_bytes=cache_bytes)
        assert not tpu_input.has_python_calls(made)
    whole = WholeImages(examples, Frame(8, GREY), 2)()
    assert not tpu_input.has_python_calls(whole)


class Pod(tf.distribute.TPUStrategy):
    """Only what is asked of it: where its machines are."""

    def __init__(self, job):
        self.extended = types.SimpleNamespace(
            worker_devices=(f'/job:{job}/replica:0/task:{i}/device:TPU:0' for i in range(2))
        )

    extended = None


def test_python_is_refused_where_other_machines_make_the_batches(build):
    scenes = Shapes(size=33)
    of_python = training(scenes.examples('val'))
    assert tpu_input.has_python_calls(of_python)
    with pytest.raises(ValueError, match=r'Use a dataset that wss\.prepare built'):
        tpu_input.check(Pod('worker'), of_python)
    tpu_input.check(Pod('localhost'), of_python)
    tpu_input.check(tf.distribute.get_strategy(), of_python)
    dataset, _ = build
    tpu_input.check(Pod('worker'), training(dataset.examples('train')))


def start(*arguments):
    environment = {'PYTHONPATH': str(HERE.parents[2]), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    return subprocess.Popen(
        [sys.executable, str(HERE / 'remote_program.py'), *map(str, arguments)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_server_elsewhere_makes_the_same_batches(tmp_path):
    folder = write_build(tmp_path, {'train': [[record(name(i), i) for i in range(5)]]})
    file = os.path.join(folder, 'voc_seg-train.tfrecord-00000-of-00001')
    with start('server') as server:
        client = start(server.stdout.readline().strip(), tmp_path)
        said, _ = client.communicate(timeout=300)
        server.kill()
    assert client.returncode == 0
    damaged, missing = said.splitlines()[-2:]
    assert damaged.startswith('Example 2007_')
    assert f' cannot be read: its record in {file} is damaged, cut off or replaced.' in damaged
    assert f'{file}; No such file or directory' in missing
