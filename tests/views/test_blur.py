"""Gaussian blur by hand and against an independent computation."""

import numpy as np
import tensorflow as tf

from wss.views import blur


def test_kernel_by_hand():
    kernel = blur.gaussian_kernel(tf.constant(1.0), 1).numpy()
    # exp(-1/2) = 0.60653; over 1 + 2 * 0.60653.
    np.testing.assert_allclose(kernel, [0.27407, 0.45186, 0.27407], atol=1e-5)


def test_blur_equals_an_independent_one():
    random = np.random.default_rng(0)
    image = random.uniform(0, 255, (7, 5, 3)).astype(np.float32)
    sigma, radius = 1.3, 4
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(image, [(radius, radius), (radius, radius), (0, 0)], mode='edge')
    expected = np.zeros_like(image)
    for row in range(7):
        for column in range(5):
            window = padded[row : row + 9, column : column + 9]
            expected[row, column] = (window * weights[..., None]).sum((0, 1))
    blurred = blur.gaussian_blur(tf.constant(image), tf.constant(sigma), radius)
    np.testing.assert_allclose(blurred, expected, rtol=1e-5)


def test_a_plain_image_and_a_tiny_sigma_change_nothing():
    plain = tf.fill([6, 4, 3], 77.0)
    np.testing.assert_allclose(blur.gaussian_blur(plain, tf.constant(2.0), 6), plain, rtol=1e-6)
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (6, 4, 3)), tf.float32)
    np.testing.assert_allclose(blur.gaussian_blur(image, tf.constant(0.1), 6), image, rtol=1e-6)


def test_sigma_follows_from_the_seed():
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (9, 9, 3)), tf.float32)
    seeds = [tf.constant([0, i], tf.int64) for i in (1, 1, 2)]
    one, again, other = (blur.random_blur(image, (0.1, 2.0), seed).numpy() for seed in seeds)
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1


def test_a_kernel_covers_three_of_the_largest_standard_deviation():
    """3 * 0.5 = 1.5 pixels, so 2: a bright pixel reaches two pixels far and no further."""
    image = np.zeros((9, 9, 1), np.float32)
    image[4, 4] = 1.0
    blurred = blur.random_blur(tf.constant(image), (0.5, 0.5), tf.constant([0, 1])).numpy()
    reached = np.zeros((9, 9), bool)
    reached[2:7, 2:7] = True
    np.testing.assert_array_equal(blurred[..., 0] > 0, reached)
    # exp(-x^2 / 0.5) over its sum for x = -2..2: 1, 0.13534, 0.00033546.
    middle = 1 / (1 + 2 * 0.13534 + 2 * 0.00033546)
    np.testing.assert_allclose(blurred[4, 4, 0], middle**2, rtol=1e-4)
