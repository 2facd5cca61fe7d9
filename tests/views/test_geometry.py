import numpy as np
import pytest
import tensorflow as tf

from wss.views import geometry

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


def place(scaled_size, offset=(0, 0), flip=False):
    return geometry.Geometry(tf.constant(scaled_size), tf.constant(offset), tf.constant(flip))


def test_scaled_size_is_cut_down():
    sizes = [
        geometry.scaled_size(tf.constant([37, 53]), scale).numpy().tolist() for scale in SCALES
    ]
    expected = [[18, 26], [27, 39], [37, 53], [46, 66], [55, 79], [64, 92], [74, 106]]
    assert sizes == expected
    assert geometry.scaled_size(tf.constant([1, 3]), 0.5).numpy().tolist() == [1, 1]


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('offset', [(0, 0), (3, 7), (11, 2)])
def test_image_equals_resize_then_crop(scale, offset):
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3)).astype(np.uint8)
    scaled = geometry.scaled_size(tf.constant([37, 53]), scale)
    resized = tf.image.resize(image, scaled, antialias=True).numpy()
    y, x = offset
    expected = np.full((20, 20, 3), 9.0, np.float32)
    shown = resized[y : y + 20, x : x + 20]
    expected[: shown.shape[0], : shown.shape[1]] = shown
    crop = geometry.crop_image(image, place(scaled, offset), (20, 20), (9.0, 9.0, 9.0)).numpy()
    np.testing.assert_allclose(crop, expected, atol=1e-3)
    if scale == 1.0:
        np.testing.assert_array_equal(crop, expected)


def interpolated(image, scaled, offset, crop_size, axis):
    """Bilinear interpolation with half-pixel centres along one axis, in float64."""
    size, pixels = image.shape[axis], range(offset, min(offset + crop_size, scaled))
    position = (np.array(pixels) + 0.5) * size / scaled - 0.5
    below = np.floor(position).astype(int)
    share = (position - below).reshape([-1, 1, 1] if axis == 0 else [1, -1, 1])
    low = np.take(image, np.clip(below, 0, size - 1), axis)
    return low * (1 - share) + np.take(image, np.clip(below + 1, 0, size - 1), axis) * share


@pytest.mark.parametrize('scale', [1.25, 1.5, 2.0])
@pytest.mark.parametrize('flip', [False, True])
def test_large_images_are_interpolated_where_they_should_be(scale, flip):
    image = np.random.default_rng(0).integers(0, 256, (375, 500, 3)).astype(np.uint8)
    height, width = (int(side * scale) for side in (375, 500))
    y, x = max(0, height - 513) // 2, max(0, width - 513)
    expected = interpolated(interpolated(image / 1.0, height, y, 513, 0), width, x, 513, 1)
    crop = geometry.crop_image(image, place([height, width], (y, x), flip), (513, 513), (0.0,) * 3)
    crop = crop.numpy()[:, ::-1] if flip else crop.numpy()
    shown = crop[: expected.shape[0], : expected.shape[1]]
    # Positions near 500 are known to 3e-5 of a pixel in float32; neighbours differ by up to 255.
    np.testing.assert_allclose(shown, expected, atol=0.02)


@pytest.mark.parametrize('scale', [0.5, 0.75, 1.0])
def test_flip_mirrors_what_is_shown(scale):
    image = np.random.default_rng(1).integers(0, 256, (37, 53, 3)).astype(np.uint8)
    scaled = [int(37 * scale), int(53 * scale)]
    still, flipped = (
        geometry.crop_image(image, place(scaled, (0, 2), flip), (20, 20), (9.0, 8.0, 7.0)).numpy()
        for flip in (False, True)
    )
    np.testing.assert_array_equal(flipped[:, ::-1], still)


@pytest.mark.parametrize('size', [1, 2, 3, 4, 7, 10, 33, 375, 500])
def test_nearest_source_equals_tf1(size):
    for scale in SCALES:
        scaled = max(1, int(size * scale))
        expected = tf.compat.v1.image.resize(
            np.arange(size, dtype=np.int32)[:, None, None],
            (scaled, 1),
            method=tf.compat.v1.image.ResizeMethod.NEAREST_NEIGHBOR,
            align_corners=True,
        )
        source = geometry.nearest_source(tf.range(scaled), tf.constant(size), tf.constant(scaled))
        np.testing.assert_array_equal(source, expected[:, 0, 0])


def test_nearest_source_by_hand():
    source = geometry.nearest_source(tf.range(6), tf.constant(3), tf.constant(5))
    # Positions 0, 0.5, 1, 1.5, 2; the sixth pixel lies outside and takes the last one.
    assert source.numpy().tolist() == [0, 1, 1, 2, 2, 2]


def test_label_padding_offset_and_flip():
    label = tf.reshape(tf.range(12), [3, 4])
    crop = geometry.crop_label(label, place((3, 4), (1, 2)), (3, 3), 255)
    assert crop.numpy().tolist() == [[6, 7, 255], [10, 11, 255], [255, 255, 255]]
    crop = geometry.crop_label(label, place((3, 4), (1, 2), True), (3, 3), 255)
    assert crop.numpy().tolist() == [[255, 7, 6], [255, 11, 10], [255, 255, 255]]


def test_image_padding_and_flip():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    crop = geometry.crop_image(image, place((2, 2), flip=True), (2, 3), (7.0, 8.0, 9.0))
    assert crop.numpy()[0].tolist() == [[7, 8, 9], [3, 4, 5], [0, 1, 2]]
    inside = geometry.inside(place((2, 2), flip=True), (3, 3)).numpy()
    assert inside.astype(int).tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]


def test_unchanged_only_pads():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    crop = geometry.crop_image(image, geometry.unchanged(tf.constant([2, 2])), (3, 2), (1.0,) * 3)
    np.testing.assert_array_equal(crop[:2], image)
    np.testing.assert_array_equal(crop[2], np.ones((2, 3)))


def test_sampled_geometry_covers_its_range():
    size = tf.constant([10, 4])
    drawn = [
        geometry.sample_geometry(size, (6, 6), (0.5, 1.0), 0.5, tf.constant([1, i]))
        for i in range(200)
    ]
    scaled = {tuple(g.scaled_size.numpy().tolist()) for g in drawn}
    assert scaled == {(5, 2), (10, 4)}
    large = [g for g in drawn if g.scaled_size[0] == 10]
    assert 70 <= len(large) <= 130
    # 10 rows leave 0..4 above a crop of 6; 4 columns leave none.
    assert {int(g.offset[0]) for g in large} == {0, 1, 2, 3, 4}
    assert {int(g.offset[1]) for g in drawn} == {0}
    assert {int(g.offset[0]) for g in drawn if g.scaled_size[0] == 5} == {0}
    assert 70 <= sum(bool(g.flip) for g in drawn) <= 130


def test_flip_probability():
    for probability in (0.0, 1.0):
        for i in range(20):
            drawn = geometry.sample_geometry(
                tf.constant([4, 4]), (4, 4), (1.0,), probability, tf.constant([0, i])
            )
            assert bool(drawn.flip) == bool(probability)
