"""Pictures of validation images, with a stand-in for a method whose predictions are known."""

import contextlib
import types

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame
from wss.results import pictures
from wss.training.validation_pictures import ValidationPictures

INFO = DatasetInfo('test', ('ground', 'red'), ((0, 0, 0), (200, 0, 0)))
SIZES = ((20, 30), (20, 18), (17, 17))  # Padded to 25x33, 25x25 and 17x17.


def make_method(entered):
    """Predicts class 1 where an image is bright, and on padding."""

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


def make_batches(long_side=None, **options):
    """Images that are dark above and bright below; so are their masks, class 0 and class 1."""

    def load(index):
        height, width = tf.unstack(tf.gather(tf.constant(SIZES), index), num=2)
        is_below = tf.cast(tf.range(height) >= height // 2, tf.int32)
        label = tf.repeat(is_below[:, None], width, axis=1)
        image = tf.repeat(tf.cast(250 * label, tf.uint8)[..., None], 3, axis=-1)
        return {'image': image, 'label': label, 'id': tf.constant('an id')}

    examples = Examples(('a', 'b', 'c'), load, True, (20, 30), INFO, sizes=np.array(SIZES))
    return WholeImages(examples, Frame(8, (200.0, 200.0, 200.0), None, long_side), 2, **options)


def expected(size, mask_size=None):
    def rows(size):
        return np.repeat(np.arange(size[0])[:, None] >= size[0] // 2, size[1], axis=1)

    image = 250 * np.repeat(rows(size)[..., None], 3, axis=-1).astype(np.uint8)
    return image, rows(mask_size or size).astype(int), rows(size).astype(int)


@pytest.mark.parametrize('fill', [False, True])
def test_images_are_shown_without_padding_and_without_what_fills_a_batch(fill):
    entered = []
    sheet = ValidationPictures(make_method(entered), make_batches(fill=fill)).draw()
    shown = pictures.validation_panel([expected(size) for size in SIZES], INFO)
    np.testing.assert_array_equal(sheet, shown)
    assert entered == ['averages']


def test_no_more_images_than_asked_for():
    sheet = ValidationPictures(make_method([]), make_batches(), rows=1).draw()
    np.testing.assert_array_equal(sheet, pictures.validation_panel([expected(SIZES[0])], INFO))


def test_a_scaled_image_is_shown_beside_its_whole_mask():
    sheet = ValidationPictures(make_method([]), make_batches(long_side=18), rows=1).draw()
    # The image and its prediction are 12 x 18 pixels, padded to 17 x 25; the mask is 20 x 30.
    shown = pictures.validation_panel([expected((12, 18), SIZES[0])], INFO)
    assert sheet.shape == shown.shape
    assert (sheet != shown).mean() < 0.05  # Scaling mixes the rows at the border.
