import numpy as np
import pytest
import tensorflow as tf

from wss.views import colour

STRENGTHS = {'brightness': 0.5, 'contrast': 0.5, 'saturation': 0.5, 'hue': 0.25}


def random_image(height=24, width=30, seed=0):
    return tf.constant(255 * np.random.default_rng(seed).random((height, width, 3)), tf.float32)


def jitter(image, seed, **strengths):
    strengths = {name: strengths.get(name, 0.0) for name in STRENGTHS}
    return colour.jitter(image, **strengths, seed=tf.constant([5, seed]))


def test_contrast_by_hand():
    image = tf.constant([[[20.0, 40.0, 0.0], [40.0, 40.0, 100.0]]])
    # Means over the two pixels: 30, 40, 50.
    expected = [[[25.0, 40.0, 25.0], [35.0, 40.0, 75.0]]]
    np.testing.assert_allclose(colour.adjust_contrast(image, 0.5), expected, atol=1e-4)


def test_contrast_is_that_of_tf_image():
    image = random_image()
    changed = colour.adjust_contrast(image, 1.4)
    np.testing.assert_allclose(changed, tf.image.adjust_contrast(image, 1.4), atol=1e-4)


def test_saturation_and_hue_by_hand():
    image = tf.constant([[[80.0, 40.0, 40.0]]])  # Hue 0 (red), saturation 0.5, value 80.
    changed = colour.adjust_saturation(image, 1.5)
    np.testing.assert_allclose(changed, [[[80.0, 20.0, 20.0]]], atol=1e-4)
    np.testing.assert_allclose(colour.adjust_hue(image, 1 / 3), [[[40.0, 80.0, 40.0]]], atol=1e-3)


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
    whole = colour.adjust_contrast(image, factor)
    difference = colour.adjust_contrast(crop, factor) - whole[3:17, 5:20]
    means = tf.reduce_mean(crop, (0, 1)) - tf.reduce_mean(image, (0, 1))
    expected = tf.broadcast_to((1 - factor) * means, difference.shape)
    np.testing.assert_allclose(difference, expected, atol=2e-4)


def test_range_of_brightness_and_clipping():
    grey = tf.fill([1, 1, 3], 127.5)
    addends = [float(jitter(grey, i, brightness=0.4)[0, 0, 0]) / 255 - 0.5 for i in range(200)]
    assert -0.4 <= min(addends) < -0.36 and 0.36 < max(addends) <= 0.4
    assert abs(np.mean(addends)) < 0.06
    white = tf.fill([1, 1, 3], 250.0)
    assert max(float(jitter(white, i, brightness=0.4)[0, 0, 0]) for i in range(50)) == 255.0


def test_all_together_stay_in_range_and_change_much():
    image = random_image()
    for seed in range(20):
        changed = jitter(image, seed, **STRENGTHS).numpy()
        assert changed.min() >= 0 and changed.max() <= 255
        assert np.abs(changed - image).max() > 2.5


def test_against_the_operations_on_values_up_to_1(monkeypatch):
    # Brightness, contrast, saturation and hue in this order, on 0..1 as the specification has it.
    monkeypatch.setattr(tf, 'argsort', lambda values: tf.range(4))
    draws = iter([0.25, 1.3, 0.6, -0.1, None])

    def draw(shape, seed, *limits):
        value = next(draws)
        return tf.zeros(shape) if value is None else tf.constant(value)

    monkeypatch.setattr(tf.random, 'stateless_uniform', draw)
    image = random_image()
    expected = tf.clip_by_value(image / 255 + 0.25, 0, 1)
    expected = tf.clip_by_value(tf.image.adjust_contrast(expected, 1.3), 0, 1)
    expected = tf.clip_by_value(tf.image.adjust_saturation(expected, 0.6), 0, 1)
    expected = tf.clip_by_value(tf.image.adjust_hue(expected, -0.1), 0, 1)
    np.testing.assert_allclose(jitter(image, 0, **STRENGTHS), 255 * expected, atol=1e-3)


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
