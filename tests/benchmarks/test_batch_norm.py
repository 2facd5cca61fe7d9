"""Batch norm by matrix products computes what TensorFlow's does."""

import batch_norm
import numpy as np
import tensorflow as tf


def test_both_ways_compute_the_same():
    x = 3 + 2 * tf.random.stateless_normal([2, 5, 6, 4], (0, 3))
    upstream = tf.random.stateless_normal(x.shape, (0, 4))
    gamma, beta = tf.constant([1.0, 2.0, 0.5, -1.0]), tf.constant([0.0, 1.0, -1.0, 3.0])
    ways = batch_norm.fused, batch_norm.by_products
    one, two = (normalise(x, gamma, beta) for normalise in ways)
    np.testing.assert_allclose(one, two, atol=1e-5)
    found = [batch_norm.step_of(normalise, x, upstream) for normalise in ways]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
