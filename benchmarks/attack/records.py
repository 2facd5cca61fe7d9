"""Damaged TFRecord files, prepared datasets and their indices."""

import io
import pathlib
import random
import shutil

import numpy as np
import tensorflow as tf
from PIL import Image

from attack import mutations, outcomes
from wss.datasets.files import whole
from wss.datasets.prepared import Prepared
from wss.datasets.records import index as record_index
from wss.datasets.tfrecord import TFRecord

_CLASSES = ('background', 'leaf', 'stem')
_TRIES = 600
_EXTREMES = (-1, 0, 1, 2**31, 2**60, -(2**62), 2**63 - 1)


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""
    ways = (_damaged_file, _damaged_example, _damaged_build, _damaged_index, _false_index)
    good = [_loaded(_tfrecord(folder / 'good', _written(_examples('image/'))))]
    build = _build(folder / 'good_build')
    good.append(_loaded(_prepared(build)))

    def attempt(number):
        chance = random.Random(f'records {seed} {number}')
        place = folder / 'damaged'
        shutil.rmtree(place, ignore_errors=True)
        return ways[number % len(ways)](place, build, good, chance)

    return _TRIES, attempt


def _damaged_file(place, build, good, chance):
    """Other bytes in a file of records: its checksums must notice."""
    del build
    content = mutations.mutated(_written(_examples('image/')), chance)
    return _same_or_refused(lambda: _tfrecord(place, content), good[0])


def _damaged_example(place, build, good, chance):
    """Records of right checksums whose content is not what it should be."""
    del build, good
    records = _examples('image/')
    way = chance.randrange(3)
    if way == 0:
        records[1] = mutations.mutated(records[1], chance)
    else:
        message = tf.train.Example.FromString(records[1])
        feature = message.features.feature[chance.choice(sorted(message.features.feature))]
        kind = chance.choice(('bytes_list', 'int64_list', 'float_list', 'Clear', 'two'))
        if kind == 'two':
            feature.bytes_list.value.extend([b'one', b'two'])
        elif kind == 'Clear':
            feature.Clear()
        else:
            value = {'bytes_list': b'\xff\xfe', 'int64_list': 2**62, 'float_list': 1e30}[kind]
            feature.Clear()
            getattr(feature, kind).value.append(value)
        records[1] = message.SerializeToString()
    dataset = _tfrecord(place, _written(records))
    examples, sentence = outcomes.result_or_sentence(lambda: dataset.examples('train'))
    if sentence:
        return 'refused'
    for i in range(len(examples)):
        outcomes.result_or_sentence(lambda i=i: _load(examples, i))
    return 'read'


def _damaged_build(place, build, good, chance):
    """Other bytes in the records of a prepared dataset that has an index."""
    shutil.copytree(build.parents[1], place)
    shard = chance.choice(sorted(place.rglob('*.tfrecord-*')))
    shard.write_bytes(mutations.mutated(shard.read_bytes(), chance))
    return _same_or_refused(lambda: _prepared(place / build.parent.name / build.name), good[1])


def _damaged_index(place, build, good, chance):
    """Other bytes in an index: it must be made again."""
    shutil.copytree(build.parents[1], place)
    index = next(place.rglob('index-train.npz'))
    index.write_bytes(mutations.mutated(index.read_bytes(), chance))
    return _same_or_refused(lambda: _prepared(place / build.parent.name / build.name), good[1])


def _false_index(place, build, good, chance):
    """A whole index with false numbers, under its right checksum."""
    shutil.copytree(build.parents[1], place)
    index = next(place.rglob('index-train.npz'))
    columns = dict(np.load(io.BytesIO(whole.read(str(index)))))
    name = chance.choice(['shard', 'offset', 'length', 'size'])
    column = columns[name].astype(np.int64)
    column.flat[chance.randrange(column.size)] = chance.choice((*_EXTREMES, chance.getrandbits(12)))
    columns[name] = column
    if chance.random() < 0.3:
        name = chance.choice(sorted(set(columns) - {'files'}))
        columns[name] = columns[name][: chance.randrange(2)]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)
    whole.write(str(index), buffer.getvalue())
    return _same_or_refused(lambda: _prepared(place / build.parent.name / build.name), good[1])


def _same_or_refused(make, good):
    """Reads a dataset: it must be refused, or all that it returns must be the original."""
    examples, sentence = outcomes.result_or_sentence(lambda: make().examples('train'))
    if sentence:
        return 'refused'
    for i in range(len(examples)):
        loaded, sentence = outcomes.result_or_sentence(lambda i=i: _load(examples, i))
        if sentence:
            return 'refused while it was read'
        image, label = good[loaded['id']]
        same = np.array_equal(loaded['image'], image) and np.array_equal(loaded['label'], label)
        outcomes.require(same, f'Example {loaded["id"]} is not what was written.')
    return 'read'


def _load(examples, position):
    dataset = tf.data.Dataset.from_tensors(tf.constant(position, tf.int64)).map(examples.load)
    return next(iter(dataset.as_numpy_iterator()))


def _loaded(dataset):
    examples = dataset.examples('train')
    loaded = [_load(examples, i) for i in range(len(examples))]
    return {example['id']: (example['image'], example['label']) for example in loaded}


def _tfrecord(place, content):
    place.mkdir(parents=True, exist_ok=True)
    (place / 'train').write_bytes(content)
    return TFRecord({'train': str(place / 'train')}, _CLASSES)


def _prepared(folder):
    return Prepared('voc_seg/2012', str(folder.parents[1]))


def _build(top):
    """Writes a prepared dataset of two files, with its index; returns its folder."""
    folder = top / 'voc_seg' / '2012' / '1.0.0'
    folder.mkdir(parents=True, exist_ok=True)
    records = _examples('')
    for number, part in enumerate((records[:2], records[2:])):
        path = folder / f'voc_seg-train.tfrecord-{number:05d}-of-00002'
        path.write_bytes(_written(part))
    (folder / 'dataset_info.json').write_text('{}', encoding='utf-8')
    record_index.read(str(folder), 'train')
    return folder.parent


def _written(records):
    """Returns the bytes of a TFRecord file."""
    frames = io.BytesIO()
    for data in records:
        head = len(data).to_bytes(8, 'little')
        for part in (head, data):
            frames.write(part + _checksum(part))
    return frames.getvalue()


def _checksum(data):
    from wss.datasets.records import frames

    return frames.checksum(data).to_bytes(4, 'little')


def _examples(prefix):
    """Serialises three examples: in the format of the DeepLab tools, or of `wss.prepare`."""
    records = []
    for i in range(3):
        image, label = np.full((6, 8, 3), 10 * i, np.uint8), np.zeros((6, 8), np.uint8)
        image[:3], label[2:4] = 200, 1 + i % 2
        texts = {'id': f'image{i}'.encode(), 'image': _png(image), 'label': _png(label)}
        numbers = {'height': [6], 'width': [8]}
        if prefix:
            names = {'id': 'filename', 'image': 'encoded', 'label': 'segmentation/class/encoded'}
            texts = {prefix + names[key]: value for key, value in texts.items()}
            numbers = {prefix + key: value for key, value in numbers.items()}
        else:
            numbers |= {'has_label': [1], 'mask_classes': [0, 1 + i % 2]}
            numbers |= {'has_image_label': [0], 'image_classes': []}
        message = tf.train.Example()
        for key, value in texts.items():
            message.features.feature[key].bytes_list.value.append(value)
        for key, values in numbers.items():
            message.features.feature[key].int64_list.value.extend(values)
        records.append(message.SerializeToString())
    return records


def _png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, 'PNG')
    return file.getvalue()
