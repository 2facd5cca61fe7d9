"""Each loss against hand-computed values, and with nothing to count."""

import numpy as np
import pytest
import tensorflow as tf

from wss import losses

LOG2 = float(np.log(2.0))


def test_supervised_by_hand():
    # Softmax (3/4, 1/4) at the first pixel, (1/2, 1/2) at the second; the third is ignored.
    logits = tf.constant([[[[np.log(3.0), 0.0], [0.0, 0.0], [9.0, 0.0]]]], tf.float32)
    labels = tf.constant([[[0, 1, 255]]])
    expected = (np.log(4 / 3) + LOG2) / 2
    np.testing.assert_allclose(losses.supervised(logits, labels), expected, rtol=1e-6)


def test_supervised_resizes_with_aligned_corners():
    # Logits 0 and 4 for class 1 on two pixels; three labels sample them at 0, 2, 4.
    logits = tf.constant([[[[0.0, 0.0], [0.0, 4.0]]]])
    labels = tf.constant([[[1, 1, 1]]])
    expected = np.mean([np.log1p(np.exp(-z)) for z in (0.0, 2.0, 4.0)])
    np.testing.assert_allclose(losses.supervised(logits, labels), expected, rtol=1e-6)


def test_supervised_honours_the_ignore_value():
    logits = tf.zeros([1, 1, 2, 2])
    assert float(losses.supervised(logits, tf.constant([[[9, 9]]]), ignore_value=9)) == 0.0
    np.testing.assert_allclose(
        losses.supervised(logits, tf.constant([[[9, 1]]]), ignore_value=9), LOG2, rtol=1e-6
    )


def test_classification_by_hand():
    # sigmoid(0) = 1/2 and sigmoid(ln 3) = 3/4: mean of ln 2, ln 4/3, ln 2, ln 4.
    logits = tf.constant([[0.0, np.log(3.0)], [0.0, np.log(3.0)]], tf.float32)
    labels = tf.constant([[1.0, 1.0], [0.0, 0.0]])
    expected = (LOG2 + np.log(4 / 3) + LOG2 + np.log(4)) / 4
    np.testing.assert_allclose(losses.classification(logits, labels), expected, rtol=1e-6)


def test_consistency_by_hand():
    # Uniform logits cost ln 2 a pixel. Three pixels: confident, not confident, not valid.
    logits = tf.zeros([1, 1, 3, 2])
    label = tf.constant([[[[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]]]])
    valid = tf.constant([[[1.0, 1.0, 0.0]]])
    confident = tf.constant([[[1.0, 0.0, 1.0]]])
    # One pixel counts, the sum is divided by the two valid ones.
    loss = losses.consistency(logits, label, valid, confident)
    np.testing.assert_allclose(loss, LOG2 / 2, rtol=1e-6)


def test_consistency_soft_label_by_hand():
    # Softmax (3/4, 1/4) against (0.2, 0.8).
    logits = tf.constant([[[[np.log(3.0), 0.0]]]], tf.float32)
    loss = losses.consistency(
        logits, tf.constant([[[[0.2, 0.8]]]]), tf.ones([1, 1, 1]), tf.ones([1, 1, 1])
    )
    np.testing.assert_allclose(loss, 0.2 * np.log(4 / 3) + 0.8 * np.log(4), rtol=1e-6)


def test_consistency_treats_the_label_as_a_constant():
    label = tf.Variable([[[[0.2, 0.8]]]])
    with tf.GradientTape() as tape:
        loss = losses.consistency(
            tf.zeros([1, 1, 1, 2]), label + 0.0, tf.ones([1, 1, 1]), tf.ones([1, 1, 1])
        )
    assert tape.gradient(loss, label) is None


@pytest.mark.parametrize('width', [1, 4])
def test_no_valid_pixel_gives_zero_and_a_finite_gradient(width):
    logits = tf.Variable(tf.zeros([1, 1, width, 2]))
    zeros = tf.zeros([1, 1, width])
    with tf.GradientTape() as tape:
        loss = losses.supervised(logits + 0.0, tf.fill([1, 1, width], 255))
        loss += losses.consistency(logits + 0.0, tf.fill([1, 1, width, 2], 0.5), zeros, zeros)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros([1, 1, width, 2]))


def test_weight_decay_by_hand():
    kernels = [tf.constant([[3.0, 4.0]]), tf.constant([1.0])]
    np.testing.assert_allclose(losses.weight_decay(kernels, 0.1), 0.5 * 0.1 * 26, rtol=1e-6)
    assert float(losses.weight_decay(kernels, 0.0)) == 0.0
    assert float(losses.weight_decay([], 0.1)) == 0.0
