"""Each loss against hand-computed values, and with nothing to count."""

import numpy as np
import pytest
import tensorflow as tf

from wss.methods import losses

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


# Softmax (3/4, 1/4) at a pixel of class 0 and one of class 1: ln 4/3 and ln 4. One is ignored.
THREE = tf.constant([[[[np.log(3.0), 0.0], [np.log(3.0), 0.0], [9.0, 0.0]]]], tf.float32)
THREE_LABELS = tf.constant([[[0, 1, 255]]])


def test_label_weights_by_hand():
    # 2 ln 4/3 + 0.5 ln 4, divided by the two labelled pixels and not by the weights' sum of 2.5.
    loss = losses.supervised(THREE, THREE_LABELS, label_weights=(2.0, 0.5))
    np.testing.assert_allclose(loss, (2 * np.log(4 / 3) + 0.5 * np.log(4)) / 2, rtol=1e-6)


def test_a_class_of_weight_zero_counts_in_the_mean():
    loss = losses.supervised(THREE, THREE_LABELS, label_weights=(0.0, 1.0))
    np.testing.assert_allclose(loss, np.log(4) / 2, rtol=1e-6)
    # Of the hardest pixels it does not: its loss is exactly 0.
    loss = losses.supervised(THREE, THREE_LABELS, label_weights=(0.0, 1.0), hard_share=0.9)
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-6)


@pytest.mark.parametrize(
    ('share', 'expected'),
    [
        (0.2, 9.0),  # One pixel of 5.
        (0.5, 8.0),  # 2.5 is rounded down: 9 and 7.
        (0.6, 6.0),  # 9, 7 and 2.
        (1.0, 6.0),  # The zeros are among the five highest, but do not count.
        (0.1, 0.0),  # No pixel at all.
    ],
)
def test_hardest_mean_by_hand(share, expected):
    pixel_losses = tf.constant([[[2.0, 0.0, 9.0, 0.0, 7.0]]])
    np.testing.assert_allclose(losses.hardest_mean(pixel_losses, share), expected, rtol=1e-6)


def test_hard_pixels_alone_have_a_gradient():
    # Four pixels of class 0 with logits (0, z): their loss grows with z, the share is two of four.
    z = tf.Variable([[[0.0, 3.0, 1.0, 2.0]]])
    with tf.GradientTape() as tape:
        logits = tf.stack([tf.zeros_like(z), z], axis=-1)
        loss = losses.supervised(logits, tf.zeros([1, 1, 4], tf.int32), hard_share=0.5)
    expected = np.log1p(np.exp([3.0, 2.0])).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    # d loss / d z = sigmoid(z) / 2 where the pixel counts.
    sigmoid = 1 / (1 + np.exp(-np.array([3.0, 2.0])))
    gradient = [[[0, sigmoid[0] / 2, 0, sigmoid[1] / 2]]]
    np.testing.assert_allclose(tape.gradient(loss, z), gradient, rtol=1e-5)


def test_ignored_pixels_are_part_of_the_share():
    # 2 of 4 pixels; the ignored two have loss 0 and leave the labelled ones, ln 2 each.
    logits = tf.constant([[[[0.0, 0.0], [0.0, 0.0], [-9.0, 9.0], [-9.0, 9.0]]]])
    labels = tf.constant([[[0, 1, 255, 255]]])
    loss = losses.supervised(logits, labels, hard_share=0.5)
    np.testing.assert_allclose(loss, LOG2, rtol=1e-6)


@pytest.mark.parametrize(
    ('step', 'expected'), [(0, 1.0), (25, 0.8125), (50, 0.625), (100, 0.25), (400, 0.25)]
)
def test_the_share_falls_by_hand(step, expected):
    # 1 - 0.75 step / 100, and no further.
    share = losses.annealed_share(tf.constant(step, tf.int64), 0.25, 100)
    np.testing.assert_allclose(share, expected, rtol=1e-6)


def test_supervised_loss_is_the_mean_by_default():
    default = losses.SupervisedLoss()(THREE, THREE_LABELS, 255, None)
    np.testing.assert_allclose(default, (np.log(4 / 3) + np.log(4)) / 2, rtol=1e-6)
    assert float(default) == float(losses.supervised(THREE, THREE_LABELS))


def test_supervised_loss_anneals_by_the_step():
    logits = tf.stack([tf.zeros([1, 1, 4]), tf.constant([[[0.0, 1.0, 2.0, 3.0]]])], axis=-1)
    labels = tf.zeros([1, 1, 4], tf.int32)
    pixel = np.log1p(np.exp([3.0, 2.0, 1.0, 0.0]))
    loss = losses.SupervisedLoss(hard_share=0.25, hard_steps=9)

    @tf.function
    def at(step):
        return loss(logits, labels, 255, step)

    # Shares 1, 0.5 and 0.25 of four pixels.
    for step, count in [(0, 4), (6, 2), (9, 1), (20, 1)]:
        expected = pixel[:count].mean()
        np.testing.assert_allclose(at(tf.constant(step, tf.int64)), expected, rtol=1e-6)
    at_once = losses.SupervisedLoss(hard_share=0.5)(logits, labels, 255, None)
    np.testing.assert_allclose(at_once, pixel[:2].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'label_weights': (1.0, -1.0)}, r'label_weights is -1\.0; it must be a number, 0 to 1000'),
        ({'label_weights': ()}, 'label_weights'),
        ({'label_weights': (0.0, 0.0)}, 'above 0 for one class or more'),
        ({'hard_share': float('nan')}, 'hard_share is nan; it must be a number, 0.001 to 1'),
        ({'hard_share': 0.0}, r'hard_share is 0\.0'),
        ({'hard_share': 1.1}, r'hard_share is 1\.1'),
        ({'hard_steps': -1}, 'hard_steps is -1'),
    ],
)
def test_supervised_loss_outside_its_range(options, words):
    with pytest.raises(ValueError, match=words):
        losses.SupervisedLoss(**options)


def test_one_label_weight_for_each_class():
    loss = losses.SupervisedLoss(label_weights=(1.0, 2.0))
    loss.check_classes(2)
    losses.SupervisedLoss().check_classes(3)
    with pytest.raises(ValueError, match='has 2 weights; the dataset has 3 classes'):
        loss.check_classes(3)


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
