"""Confusion matrix and its measures against hand-computed values."""

import numpy as np
import pytest
import tensorflow as tf

from wss.results import metrics


def test_confusion_matrix_by_hand():
    matrix = metrics.ConfusionMatrix(3, ignore_value=255)
    matrix.update_state(tf.constant([[0, 0, 1, 255]]), tf.constant([[0, 1, 1, 2]]))
    matrix.update_state(tf.constant([[2, 2]]), tf.constant([[0, 2]]), tf.constant([[1.0, 0.0]]))
    np.testing.assert_array_equal(matrix.result(), [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
    matrix.reset_state()
    assert not np.any(matrix.result())


def test_summarise_by_hand():
    # Class 0: 2 of 2 + 1 + 1; class 1: 3 of 3 + 1 + 1; class 2 never occurs.
    summary = metrics.summarise([[2, 1, 0], [1, 3, 0], [0, 0, 0]])
    assert summary['iou'] == [0.5, 0.6, None]
    np.testing.assert_allclose(summary['miou'], 0.55)
    # Three pixels are true and predicted of class 0, four of class 1.
    assert summary['precision'] == summary['recall'] == [2 / 3, 3 / 4, None]
    np.testing.assert_allclose(summary['frequency_weighted_iou'], (3 * 0.5 + 4 * 0.6) / 7)
    np.testing.assert_allclose(summary['pixel_accuracy'], 5 / 7)
    assert summary['pixels'] == 7
    assert (summary['classes'], summary['only_predicted']) == (2, [])


def test_a_class_that_is_only_predicted_counts_and_one_that_nothing_shows_does_not():
    # Class 0: 6 of 6 + 2; class 1 is true nowhere, predicted twice: 0 of 2; class 2 never occurs;
    # class 3 is never predicted: 0 of 1, and its pixel goes to class 0.
    counts = [[6, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    summary = metrics.summarise(counts)
    assert summary['iou'] == [6 / 9, 0.0, None, 0.0]
    np.testing.assert_allclose(summary['miou'], (6 / 9) / 3)
    assert (summary['classes'], summary['only_predicted']) == (3, [1])
    assert summary['precision'] == [6 / 7, 0.0, None, None]
    assert summary['recall'] == [6 / 8, None, None, 0.0]


def test_summarise_nothing():
    summary = metrics.summarise(np.zeros((2, 2)))
    nothing = {name: [None, None] for name in ('iou', 'precision', 'recall')}
    nothing |= dict.fromkeys(('miou', 'frequency_weighted_iou', 'pixel_accuracy'))
    assert summary == {**nothing, 'classes': 0, 'only_predicted': [], 'pixels': 0}


def test_counts_are_exact_beyond_float32():
    matrix = metrics.ConfusionMatrix(2)
    matrix.counts.assign([[2**25, 0], [0, 0]])
    matrix.update_state(tf.constant([0]), tf.constant([0]))
    assert int(matrix.result()[0, 0]) == 2**25 + 1


def test_pseudo_label_quality_by_hand():
    quality = metrics.PseudoLabelQuality(2, 255, confidence=0.8, name='fused')
    assert quality.summary() == {}
    labels = tf.constant([[[0, 0, 1, 255, 1]]])
    probabilities = tf.constant([[[[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.9, 0.1], [1.0, 0.0]]]])
    quality.update_state(labels, probabilities, tf.constant([[[1.0, 1.0, 1.0, 1.0, 0.0]]]))
    # Three labelled valid pixels, two right; IoU 1/2 for both classes. Four valid pixels, three of
    # them at 0.8 or above.
    summary = quality.summary()
    np.testing.assert_allclose(summary['accuracy'], 2 / 3)
    np.testing.assert_allclose(summary['miou'], 0.5)
    np.testing.assert_allclose(summary['confident'], 0.75)
    assert quality.tags({'miou': 0.5}) == {'pseudo_label_miou/fused': 0.5}
    quality.reset_state()
    assert quality.summary() == {}


def test_quality_of_image_labels_by_hand():
    quality = metrics.ImageLabelQuality(('cat', 'dog', 'cow', 'sheep'), 'classifier')
    assert quality.summary() == {}
    quality.update_state(tf.constant([[1.0, 0, 1, 0], [1, 1, 0, 0]]), tf.ones([2, 4]))
    labels = tf.constant([[1.0, 0, 0, 0], [0, 0, 1, 0]])
    quality.update_state(labels, tf.constant([[0.0, 1, 0, 0], [1, 0, 0, 0]]))
    # Cat: in three images, predicted for three, two of them right. Dog: in one, for three, one.
    # Cow: in two, for two, one. Sheep: in none, so without recall, and for two.
    assert quality.summary() == {
        'precision/mean': pytest.approx((2 / 3 + 1 / 3 + 1 / 2 + 0) / 4),
        'precision/cat': pytest.approx(2 / 3),
        'precision/dog': pytest.approx(1 / 3),
        'precision/cow': 0.5,
        'precision/sheep': 0.0,
        'recall/mean': pytest.approx((2 / 3 + 1 + 1 / 2) / 3),
        'recall/cat': pytest.approx(2 / 3),
        'recall/dog': 1.0,
        'recall/cow': 0.5,
    }
    assert quality.tags({'recall/cat': 0.5}) == {'classifier_recall/cat': 0.5}
    quality.reset_state()
    assert quality.summary() == {}
