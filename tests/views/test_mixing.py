"""CutMix: boxes within their bounds, and what they show, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from wss.networks import resize
from wss.views import mixing

CROP = (97, 161)


@pytest.fixture(scope='module')
def boxes():
    seeds = tf.stack([tf.zeros([4000], tf.int64), tf.range(4000, dtype=tf.int64)], axis=1)
    sample = tf.function(lambda seed: mixing.sample_box(CROP, 0.5, seed))
    return tf.map_fn(sample, seeds, fn_output_signature=tf.int32).numpy()


def test_half_of_the_views_have_a_box(boxes):
    share = (boxes[:, 2] > 0).mean()
    assert abs(share - 0.5) < 0.03  # Four standard deviations of 4000 coins.
    assert not boxes[boxes[:, 2] == 0].any()


def test_boxes_are_within_their_bounds(boxes):
    top, left, bottom, right = boxes[boxes[:, 2] > 0].T
    assert top.min() >= 0 and left.min() >= 0
    assert bottom.max() <= CROP[0] and right.max() <= CROP[1]
    height, width = bottom - top, right - left
    area = height * width / (CROP[0] * CROP[1])
    # Sides are rounded to whole pixels: half a pixel of each, of a side of 14 pixels or more.
    assert 0.018 < area.min() < 0.025 and 0.39 < area.max() < 0.41
    # Uniform in 2..40 %: the mean is 21 %, of 2000 values with a standard deviation of 11 %.
    assert abs(area.mean() - 0.21) < 0.01
    aspect = height / width
    assert 0.28 < aspect.min() < 0.35 and aspect.max() < 3.6
    # Every place is equally likely, so boxes are in the middle on the mean.
    assert abs(np.mean(top + bottom) / 2 - CROP[0] / 2) < 1.5
    assert abs(np.mean(left + right) / 2 - CROP[1] / 2) < 2.5


@pytest.mark.parametrize(
    ('aspect', 'box'),
    [
        # 21 % of 100 x 200 pixels are 4200: sqrt(4200 * 1.05) = 66.4 high, 4200 / 66.4 = 63.2 wide.
        # Half of the 35 places in the height, a quarter of the 138 in the width.
        (1.05, [17, 34, 83, 97]),
        # sqrt(4200 * 3) = 112.2 is more than the crop is high: 100, and 42 wide.
        (3.0, [0, 39, 100, 81]),
    ],
)
def test_a_box_by_hand(monkeypatch, aspect, box):
    share = (aspect - 0.3) / (1 / 0.3 - 0.3)
    numbers = iter([0.1, 0.5, share, 0.5, 0.25])  # Chosen, area, aspect, row, column.
    monkeypatch.setattr(tf.random, 'stateless_uniform', lambda shape, seed: next(numbers))
    assert mixing.sample_box((100, 200), 0.5, tf.constant([0, 1])).numpy().tolist() == box


def test_a_box_follows_from_its_seed():
    seeds = [tf.constant([3, i], tf.int64) for i in (1, 1, 2)]
    one, again, other = (mixing.sample_box(CROP, 1.0, seed).numpy().tolist() for seed in seeds)
    assert one == again != other


def test_a_side_longer_than_the_crop_keeps_the_area():
    """On a crop of 20 x 500, large boxes are as high as the crop, and longer for it."""
    seeds = [tf.constant([5, i], tf.int64) for i in range(200)]
    found = np.array([mixing.sample_box((20, 500), 1.0, seed).numpy() for seed in seeds])
    height, width = found[:, 2] - found[:, 0], found[:, 3] - found[:, 1]
    assert (height <= 20).all() and (found[:, 2] <= 20).all()
    area = height * width / 10000
    assert area.min() > 0.015 and area.max() < 0.41 and abs(area.mean() - 0.21) < 0.04


def test_images_labels_and_masks_are_mixed_alike():
    # Three images of 3 x 4 pixels, full of their number.
    values = tf.constant(np.arange(3)[:, None, None] * np.ones((3, 3, 4)), tf.float32)
    boxes = tf.constant([[0, 0, 2, 1], [0, 0, 0, 0], [1, 2, 3, 4]])
    expected = np.array(
        [
            [[2, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]],  # The first shows the last.
            [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]],
            [[2, 2, 2, 2], [2, 2, 1, 1], [2, 2, 1, 1]],
        ]
    )
    np.testing.assert_array_equal(mixing.mix(values, boxes, (3, 4)), expected)
    whole = tf.cast(values, tf.int32)
    np.testing.assert_array_equal(mixing.mix(whole, boxes, (3, 4)), expected)
    images = values[..., tf.newaxis] * tf.constant([1.0, 10.0])
    mixed = mixing.mix(images, boxes, (3, 4)).numpy()
    np.testing.assert_array_equal(mixed, expected[..., None] * [1, 10])


@pytest.mark.parametrize('size', [(9, 9), (5, 7)])
def test_small_maps_are_mixed_as_their_mask_of_valid_pixels_is(size):
    """What is resized and then mixed is what is mixed and then resized."""
    random = np.random.default_rng(0)
    values = tf.constant(random.integers(0, 2, (4, 33, 33)), tf.float32)
    seeds = [tf.constant([1, i], tf.int64) for i in range(4)]
    boxes = tf.stack([mixing.sample_box((33, 33), 1.0, seed) for seed in seeds])
    small_then_mixed = mixing.mix(resize.nearest(values, size), boxes, (33, 33))
    mixed_then_small = resize.nearest(mixing.mix(values, boxes, (33, 33)), size)
    np.testing.assert_array_equal(small_then_mixed, mixed_then_small)


def test_without_boxes_nothing_is_mixed():
    values = tf.ones([2, 3, 3])
    assert mixing.mix_all([values], None, (3, 3))[0] is values
    unlabelled = {'strong': tf.ones([2, 3, 3, 3])}
    assert mixing.strong_view(unlabelled) is unlabelled['strong']
