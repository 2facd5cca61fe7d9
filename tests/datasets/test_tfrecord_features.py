"""Features of a record that have the wrong type, no value or several."""

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets.small_builds import png
from wss.datasets.tfrecord import TFRecord

MASK = 'image/segmentation/class/encoded'
GOOD = {
    'image/encoded': [png(np.full((4, 6, 3), 9))],
    'image/filename': [b'a.jpg'],
    'image/height': [4],
    'image/width': [6],
    MASK: [png(np.eye(4, 6))],
}


def make(tmp_path, *changes):
    path = str(tmp_path / 'some.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for i, change in enumerate(changes):
            message = tf.train.Example()
            for key, values in ({**GOOD, 'image/filename': [b'a%d' % i]} | change).items():
                feature = message.features.feature[key]
                kinds = {bytes: feature.bytes_list, int: feature.int64_list}
                for value in values:
                    kinds.get(type(value), feature.float_list).value.append(value)
            writer.write(message.SerializeToString())
    return TFRecord({'train': path, 'val': path}, ('background', 'car'))


@pytest.mark.parametrize('labels', ['required', 'available'])
@pytest.mark.parametrize('values', [[7], [0.5], [png(np.eye(4, 6))] * 2, [1, 2]])
@pytest.mark.parametrize('key', ['image/encoded', 'image/filename', MASK])
def test_features_that_are_not_one_text_are_named(tmp_path, key, values, labels):
    with pytest.raises(ValueError, match=f'has no {key} that can be read: it holds') as caught:
        make(tmp_path, {}, {key: values}).examples('train', labels)
    assert 'record 1 (from 0) of ' + str(tmp_path) in str(caught.value)
    assert ('one of type bytes is needed') in str(caught.value)


@pytest.mark.parametrize('values', [[b'4'], [4.0], [4, 4]])
@pytest.mark.parametrize('key', ['image/height', 'image/width'])
def test_sizes_that_are_not_one_integer_are_named(tmp_path, key, values):
    with pytest.raises(ValueError, match=rf'record 1 .* has no {key} that .* type int64 is needed'):
        make(tmp_path, {}, {key: values}).examples('train')


@pytest.mark.parametrize('values', [[0], [-4], [2**62]])
def test_a_wrong_height_is_named_without_a_width(tmp_path, values):
    with pytest.raises(ValueError, match=r'is 6x4 pixels .* image/height of its record are None'):
        make(tmp_path, {'image/height': values, 'image/width': []}).examples('train')


@pytest.mark.parametrize('values', [[], [b'']])
def test_a_mask_without_a_value_is_no_mask(tmp_path, values):
    dataset = make(tmp_path, {}, {MASK: values})
    assert len(dataset.examples('train', 'available')) == 2
    with pytest.raises(FileNotFoundError, match=r'1 of its records have no mask: a1\.'):
        dataset.examples('train')


def test_ids_are_known_without_decoding(tmp_path):
    dataset = make(tmp_path, {'image/encoded': [b'no image']}, {'image/filename': [7]}, {})
    assert dataset.split_ids('val') == ('a0', 'a2')
    assert dataset.split_names == ('train', 'val')


def test_lines_of_lists_are_matched_before_records_are_decoded(tmp_path):
    dataset = make(tmp_path, {}, {'image/encoded': [b'no image']}, {})
    examples = dataset.examples('train', ids=('images/a2.jpg masks/a2.png', 'a0.jpg'))
    assert examples.ids == ('a2', 'a0')
