import numpy as np
import pytest
import tensorflow as tf

from wss.views import colour

STRENGTHS = {'brightness': 0.5, 'contrast': 0.5, 'saturation': 0.5, 'hue': 0.25}


def random_image(height=24, width=30, seed=0):
    return tf.constant(np.random.default_rng(seed).random((height, width, 3)), tf.float32)


def jitter(image, seed, visible=None, **strengths):
    visible = tf.ones(image.shape[:2], tf.bool) if visible is None else visible
    strengths = {name: strengths.get(name, 0.0) for name in STRENGTHS}
    return colour.jitter(image, visible, **strengths, seed=tf.constant([5, seed]))


def test_contrast_by_hand():
    image = tf.constant([[[0.2, 0.4, 0.0], [0.4, 0.4, 1.0], [0.9, 0.9, 0.9]]])
    visible = tf.constant([[True, True, False]])
    changed = colour.adjust_contrast(image, 0.5, visible)
    # Means over the two visible pixels: 0.3, 0.4, 0.5.
    expected = [[0.25, 0.4, 0.25], [0.35, 0.4, 0.75]]
    np.testing.assert_allclose(changed[0, :2], expected, atol=1e-6)


def test_contrast_of_a_whole_image_is_that_of_tf_image():
    image = random_image()
    changed = colour.adjust_contrast(image, 1.4, tf.ones([24, 30], tf.bool))
    np.testing.assert_allclose(changed, tf.image.adjust_contrast(image, 1.4), atol=1e-6)


def test_saturation_and_hue_by_hand():
    image = tf.constant([[[0.8, 0.4, 0.4]]])  # Hue 0 (red), saturation 0.5, value 0.8.
    np.testing.assert_allclose(colour.adjust_saturation(image, 1.5), [[[0.8, 0.2, 0.2]]], atol=1e-6)
    np.testing.assert_allclose(colour.adjust_hue(image, 1 / 3), [[[0.4, 0.8, 0.4]]], atol=1e-5)


@pytest.mark.parametrize('name', ['brightness', 'saturation', 'hue'])
@pytest.mark.parametrize('seed', range(5))
def test_crop_before_colour_is_exactly_colour_before_crop(name, seed):
    image, strength = random_image(), {name: STRENGTHS[name]}
    whole = jitter(image, seed, **strength)
    np.testing.assert_array_equal(jitter(image[3:17, 5:20], seed, **strength), whole[3:17, 5:20])


@pytest.mark.parametrize('seed', range(5))
def test_the_three_together_are_exactly_equal_too(seed):
    strengths = {**STRENGTHS, 'contrast': 0.0}
    image = random_image()
    np.testing.assert_array_equal(
        jitter(image[3:17, 5:20], seed, **strengths),
        jitter(image, seed, **strengths)[3:17, 5:20],
    )


def test_contrast_differs_by_the_difference_of_the_means():
    image = random_image()
    crop, factor = image[3:17, 5:20], 1.3
    difference = (
        colour.adjust_contrast(crop, factor, tf.ones([14, 15], tf.bool))
        - colour.adjust_contrast(image, factor, tf.ones([24, 30], tf.bool))[3:17, 5:20]
    )
    means = tf.reduce_mean(crop, (0, 1)) - tf.reduce_mean(image, (0, 1))
    expected = tf.broadcast_to((1 - factor) * means, difference.shape)
    np.testing.assert_allclose(difference, expected, atol=1e-6)


def test_range_of_brightness_and_clipping():
    grey = tf.fill([1, 1, 3], 0.5)
    addends = [float(jitter(grey, i, brightness=0.4)[0, 0, 0]) - 0.5 for i in range(200)]
    assert -0.4 <= min(addends) < -0.36 and 0.36 < max(addends) <= 0.4
    assert abs(np.mean(addends)) < 0.06
    white = tf.fill([1, 1, 3], 0.95)
    assert max(float(jitter(white, i, brightness=0.4)[0, 0, 0]) for i in range(50)) == 1.0


def test_invisible_pixels_neither_change_nor_matter():
    image = random_image()
    visible = tf.range(30)[None] < tf.fill([24, 1], 20)
    other = tf.where(visible[..., None], image, 0.123)
    for seed in range(3):
        first = jitter(image, seed, visible, **STRENGTHS)
        second = jitter(other, seed, visible, **STRENGTHS)
        np.testing.assert_array_equal(first[:, :20], second[:, :20])
        np.testing.assert_array_equal(first[:, 20:], image[:, 20:])
        assert np.abs(first[:, :20] - image[:, :20]).max() > 0.01
        assert first.numpy().min() >= 0 and first.numpy().max() <= 1


def test_each_change_happens_once_in_an_order_of_chance(monkeypatch):
    calls = []
    for name in STRENGTHS:

        def record(image, *rest, name=name):
            calls.append(name)
            return image

        monkeypatch.setattr(colour, f'adjust_{name}', record)
    orders = set()
    for seed in range(60):
        calls.clear()
        jitter(random_image(2, 2), seed, **STRENGTHS)
        assert sorted(calls) == sorted(STRENGTHS)
        orders.add(tuple(calls))
    assert len(orders) > 15


def test_no_strength_leaves_the_image():
    image = random_image()
    assert jitter(image, 0) is image
