"""Pictures of validation images, with a stand-in for a method whose predictions are known."""

import contextlib
import types

import numpy as np
import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.results import pictures
from wss.training.validation_pictures import ValidationPictures

INFO = DatasetInfo('test', ('ground', 'red'), ((0, 0, 0), (200, 0, 0)))


def make_method(entered):
    """Predicts class 1 where an image is bright."""

    @contextlib.contextmanager
    def averaged():
        entered.append('averages')
        yield

    return types.SimpleNamespace(
        averaged=averaged,
        distribute_strategy=tf.distribute.get_strategy(),
        info=INFO,
        predict_labels=lambda images: tf.cast(images[..., 0] > 100, tf.int32),
    )


def make_batches(context, with_valid=True):
    """Two batches of one image and one that only fills; the first image is 10 of 16 pixels wide."""
    assert context is None
    for name, width in ((b'a', 10), (b'b', 16)):
        image = np.zeros([2, 8, 16, 3], np.float32)
        image[0, :, :width] = 250
        label = np.full([2, 8, 16], 255, np.int32)
        label[0, :, :width] = 1
        valid = (label != 255).astype(np.float32)
        batch = {'image': image, 'label': label, 'id': np.array([name, b''])}
        yield batch | ({'valid': valid} if with_valid else {})


def dataset(**settings):
    def make(context):
        signature = tf.nest.map_structure(
            lambda values: tf.TensorSpec(values.shape, tf.as_dtype(values.dtype)),
            next(make_batches(None, **settings)),
        )
        signature['id'] = tf.TensorSpec([2], tf.string)
        return tf.data.Dataset.from_generator(
            lambda: make_batches(context, **settings), output_signature=signature
        )

    return make


def test_images_are_shown_without_padding_and_without_what_fills_a_batch():
    entered = []
    sheet = ValidationPictures(make_method(entered), dataset()).draw()
    expected = []
    for width in (10, 16):
        ones = np.ones([8, width], np.int32)
        expected.append((np.full([8, width, 3], 250.0), ones, ones))
    np.testing.assert_array_equal(sheet, pictures.validation_panel(expected, INFO))
    assert entered == ['averages']


def test_no_more_images_than_asked_for_and_no_mask_of_the_padding():
    method = make_method([])
    sheet = ValidationPictures(method, dataset(with_valid=False), rows=1).draw()
    image, label, predicted = np.zeros([8, 16, 3]), np.full([8, 16], 255), np.zeros([8, 16], int)
    image[:, :10], label[:, :10], predicted[:, :10] = 250, 1, 1
    expected = pictures.validation_panel([(image, label, predicted)], INFO)
    np.testing.assert_array_equal(sheet, expected)
