"""Class activation maps against hand-computed values and against real gradients."""

import numpy as np
import pytest
import tensorflow as tf

from wss.pseudo_labels import grad_cam


def gradient_cam(features, classify):
    """Grad-CAM as defined (Selvaraju et al., 2017) for any classifier: a backward pass a class."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        logits = classify(features)
        columns = tf.unstack(logits, axis=-1)
    maps = []
    for column in columns:
        weights = tf.reduce_mean(tape.gradient(column, features), axis=[1, 2], keepdims=True)
        maps.append(tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)))
    return tf.stack(maps, axis=-1)


def test_class_activation_by_hand():
    # One image of 1 x 2 pixels and 2 channels; two pixels, so w = W / 2.
    features = tf.constant([[[[2.0, 0.0], [4.0, 6.0]]]])
    kernel = tf.constant([[1.0, -1.0], [0.5, 1.0]])
    cam = grad_cam.class_activation(features, kernel)
    # Class 0: (2 * 1) / 2 = 1, (4 + 3) / 2 = 3.5. Class 1: ReLU(-2 / 2) = 0, (-4 + 6) / 2 = 1.
    np.testing.assert_allclose(cam, [[[[1.0, 0.0], [3.5, 1.0]]]])


@pytest.mark.parametrize('size', [(1, 1), (3, 5), (7, 7)])
def test_closed_form_is_the_gradient_form(size):
    random = np.random.default_rng(0)
    features = tf.constant(random.normal(size=(2, *size, 8)), tf.float32)
    kernel = tf.constant(random.normal(size=(8, 4)), tf.float32)
    bias = tf.constant(random.normal(size=4), tf.float32)

    def classify(maps):
        return tf.reduce_mean(maps, axis=[1, 2]) @ kernel + bias

    np.testing.assert_allclose(
        grad_cam.class_activation(features, kernel), gradient_cam(features, classify), atol=1e-6
    )


def test_gate_and_normalise_by_hand():
    # Class 0 is present with maximum 4, class 1 present but inactive, class 2 active but absent.
    cam = tf.constant([[[[1.0, 0.0, 3.0], [4.0, 0.0, 5.0]]]])
    label = tf.constant([[1.0, 1.0, 0.0]])
    expected = [[[[0.25, 0.0, 0.0], [1.0, 0.0, 0.0]]]]
    np.testing.assert_allclose(grad_cam.gate_and_normalise(cam, label), expected)


def test_predicted_labels_by_hand():
    logits = tf.constant([[0.0, -0.01, 2.0], [-5.0, 0.01, -1.0]])
    np.testing.assert_array_equal(grad_cam.predicted_labels(logits), [[1, 0, 1], [0, 1, 0]])
    # sigmoid(2) = 0.88 is the only probability above 0.8.
    np.testing.assert_array_equal(grad_cam.predicted_labels(logits, 0.8), [[0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize('ceiling, background', [(1.0, 0.3), (2.0, 1.3)])
def test_add_background_by_hand(ceiling, background):
    scores = tf.constant([[[[0.2, 0.7]]]])
    expected = [[[[background, 0.2, 0.7]]]]
    np.testing.assert_allclose(grad_cam.add_background(scores, ceiling), expected, rtol=1e-6)
