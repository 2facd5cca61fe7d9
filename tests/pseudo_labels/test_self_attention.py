"""Self-attention and the SGC layer against hand-computed values."""

import numpy as np
import pytest
import tensorflow as tf

from wss.pseudo_labels.self_attention import (
    SelfAttentionGradCAM,
    attention_weights,
    hypercolumn,
)


def test_attention_by_hand():
    # d = 4, so scores are halved. Pixel 0 scores itself 2 ln 3 / 2 = ln 3 and pixel 1 with 0.
    root = float(np.sqrt(2 * np.log(3.0)))
    query = tf.constant([[[root, 0, 0, 0], [0, 0, 0, 0.0]]])
    weights = attention_weights(query, query, tf.ones([1, 2]))
    np.testing.assert_allclose(weights, [[[0.75, 0.25], [0.5, 0.5]]], rtol=1e-6)


def test_attention_leaves_padding_out():
    query = tf.zeros([1, 3, 4])
    weights = attention_weights(query, query, tf.constant([[1.0, 1.0, 0.0]]))
    # A padding pixel's own pairs are all masked alike, so its row stays uniform.
    expected = [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(weights[0], expected, atol=1e-6)


def test_hypercolumn_has_the_last_block_first_and_stops_the_gradient():
    maps = {'a': tf.Variable(tf.fill([1, 3, 3, 1], 1.0)), 'b': tf.fill([1, 2, 2, 2], 2.0)}
    with tf.GradientTape() as tape:
        column = hypercolumn({k: tf.convert_to_tensor(v) for k, v in maps.items()}, 'ab', (2, 2))
    np.testing.assert_allclose(column, np.broadcast_to([2.0, 2.0, 1.0], (1, 2, 2, 3)))
    assert tape.gradient(column, maps['a']) is None


def sgc_of_two_pixels(**options):
    """An SGC layer with uniform attention and an identity for its last convolution."""
    layer = SelfAttentionGradCAM(**options)
    cam = tf.constant([[[[1.0, 0.0], [0.5, 0.2]]]])
    layer(cam, tf.zeros([1, 1, 2, 3]), tf.ones([1, 1, 2]))
    layer.output_convolution.kernel.assign(np.eye(layer.output_convolution.kernel.shape[0]))
    return layer, cam


def test_variant_2_by_hand():
    layer, cam = sgc_of_two_pixels(num_classes=3, width=4)
    logits = layer(cam, tf.zeros([1, 1, 2, 3]), tf.ones([1, 1, 2]))
    # Uniform attention gives (0.75, 0.1) at both pixels; plus CAM (1.75, 0.1) and (1.25, 0.3).
    # Background 2 - 1.75 and 2 - 1.25. New moving statistics divide by sqrt(1 + 0.001).
    expected = np.array([[0.25, 1.75, 0.1], [0.75, 1.25, 0.3]]) / np.sqrt(1.001)
    np.testing.assert_allclose(logits[0, 0], expected, rtol=1e-5)


def test_without_attention_by_hand():
    """S is CAM; the background is 1 - max. Batch norm of new layers only scales in inference."""
    layer = SelfAttentionGradCAM(num_classes=3, width=4, start='identity', attends=False)
    cam = tf.constant([[[[0.25, 1.0], [0.5, 0.0]]]])
    logits = layer(cam, tf.zeros([1, 1, 2, 5]), tf.ones([1, 1, 2]))
    expected = np.array([[[[0.0, 0.25, 1.0], [0.5, 0.5, 0.0]]]]) / np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(logits, expected, rtol=1e-6)
    assert [v.shape.as_list() for v in layer.trainable_variables] == [[3, 3], [3]]


def test_variant_1_by_hand():
    layer, cam = sgc_of_two_pixels(num_classes=3, width=4, variant=1)
    layer.output_convolution.bias.assign([10.0, 0.0, -1.0])
    logits = layer(cam, tf.zeros([1, 1, 2, 3]), tf.ones([1, 1, 2]))
    # No skip connection: (0.75, 0.1) at both pixels, background 1 - 0.75, plus the bias.
    np.testing.assert_allclose(logits[0, 0], [[10.25, 0.75, -0.9]] * 2, rtol=1e-5)


def test_an_identity_start_lets_each_class_vote_for_itself():
    layer = SelfAttentionGradCAM(num_classes=3, width=4, start='identity')
    cam = tf.constant([[[[1.0, 0.0], [0.5, 0.2]]]])
    logits = layer(cam, tf.zeros([1, 1, 2, 3]), tf.ones([1, 1, 2]))
    np.testing.assert_array_equal(layer.output_convolution.kernel, np.eye(3))
    np.testing.assert_array_equal(tf.argmax(logits, axis=-1), [[[1, 1]]])


def test_without_background_the_channels_stay():
    layer, cam = sgc_of_two_pixels(num_classes=2, width=4, has_background=False, variant=1)
    logits = layer(cam, tf.zeros([1, 1, 2, 3]), tf.ones([1, 1, 2]))
    np.testing.assert_allclose(logits[0, 0], [[0.75, 0.1]] * 2, rtol=1e-5)


def test_only_its_own_weights_get_a_gradient():
    cam = tf.Variable(np.random.default_rng(0).random((1, 2, 2, 2)), dtype=tf.float32)
    layer = SelfAttentionGradCAM(num_classes=3, width=4)
    columns = tf.random.stateless_normal([1, 2, 2, 5], [0, 0])
    with tf.GradientTape() as tape:
        logits = layer(tf.convert_to_tensor(cam), columns, tf.ones([1, 2, 2]), training=True)
        loss = tf.reduce_sum(logits * tf.random.stateless_normal(logits.shape, [1, 1]))
    names = [v.name.split('/')[-2] for v in layer.trainable_variables]
    assert sorted(names) == ['batch_norm', 'key', 'pixel_normalisation', 'query']
    gradients = tape.gradient(loss, [cam, *layer.trainable_variables])
    assert gradients[0] is None
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients[1:])


@pytest.mark.parametrize(
    'options, word',
    [({'variant': 3}, 'variant'), ({'width': 0}, 'width'), ({'start': 'zero'}, 'start')],
)
def test_options_outside_their_range(options, word):
    with pytest.raises(ValueError, match=word):
        SelfAttentionGradCAM(num_classes=3, **options)
