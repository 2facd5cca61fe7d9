"""Padding of strided convolutions and the order of convolution, batch norm and ReLU."""

import numpy as np
import pytest
import tensorflow as tf

from wss.networks.layers import ConvBatchNorm, SeparableConvBatchNorm


def centre_tap(layer, maps):
    """Sets the kernel to pass the centre pixel on, times 2, and returns the layer's output."""
    layer(maps)
    kernel = np.zeros(layer.convolution.weights[0].shape, np.float32)
    kernel[1, 1] = 2.0
    layer.convolution.set_weights([kernel])
    return layer(maps)


@pytest.mark.parametrize('size', [4, 5, 6, 7])
def test_a_strided_convolution_keeps_feature_i_at_pixel_2i(size):
    maps = tf.reshape(tf.range(size, dtype=tf.float32), [1, size, 1, 1])
    layer = ConvBatchNorm(1, stride=2, activate=False)
    out = centre_tap(layer, maps)[0, :, 0, 0]
    # Pixels 0, 2, 4, ... times 2; new moving statistics divide by sqrt(1 + 1e-5).
    np.testing.assert_allclose(out, np.arange(0, size, 2) * 2 / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_relu_comes_last():
    maps = tf.constant([[[[-1.0]], [[3.0]]]])
    layer = ConvBatchNorm(1)
    out = centre_tap(layer, maps)
    np.testing.assert_allclose(out[0, :, 0, 0], [0.0, 6.0], rtol=1e-4)


def test_depthwise_keeps_channels_apart():
    layer = SeparableConvBatchNorm(5)
    assert layer(tf.zeros([2, 4, 4, 3])).shape == (2, 4, 4, 5)
    assert layer.depthwise.convolution.weights[0].shape == (3, 3, 3, 1)
    assert layer.pointwise.convolution.weights[0].shape == (1, 1, 3, 5)


def test_stride_and_rate_exclude_each_other():
    with pytest.raises(ValueError, match='not both'):
        ConvBatchNorm(4, stride=2, rate=2)


@pytest.mark.parametrize('size', [5, 6])
def test_without_explicit_padding_an_even_size_starts_at_pixel_1(size):
    maps = tf.reshape(tf.range(size, dtype=tf.float32), [1, size, 1, 1])
    layer = ConvBatchNorm(1, stride=2, activate=False, explicit_padding=False)
    out = centre_tap(layer, maps)[0, :, 0, 0]
    expected = np.arange(1 - size % 2, size, 2) * 2 / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_another_activation():
    layer = ConvBatchNorm(1, activation=tf.nn.relu6)
    out = centre_tap(layer, tf.constant([[[[-1.0]], [[2.0]], [[30.0]]]]))
    np.testing.assert_allclose(out[0, :, 0, 0], [0.0, 4.0, 6.0], rtol=1e-4)
