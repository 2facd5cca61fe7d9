"""Padding, order, and that what is left out of a convolution leaves its result as it was."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from wss.networks.layers import (
    ConvBatchNorm,
    Dropout,
    SeparableConvBatchNorm,
    plain_convolutions,
    taps_in_reach,
)


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


def full_atrous(maps, kernel, rate):
    """A "same" atrous convolution with every tap, in NumPy: `[H, W, D]`, `[k, k, D, K]`."""
    height, width, _ = maps.shape
    half = kernel.shape[0] // 2
    border = half * rate
    padded = np.pad(maps, ((border, border), (border, border), (0, 0)))
    out = np.zeros([height, width, kernel.shape[3]])
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out += padded[i * rate :, j * rate :][:height, :width] @ kernel[i, j]
    return out


@pytest.mark.parametrize(
    ('size', 'rate', 'kept'),
    [
        ((5, 9), 1, (3, 3)),
        ((5, 9), 4, (3, 3)),  # Pixel 0 sees pixel 4, the last.
        ((5, 9), 5, (1, 3)),
        ((5, 9), 8, (1, 3)),
        ((9, 5), 8, (3, 1)),
        ((5, 9), 9, (1, 1)),
        ((1, 1), 2, (1, 1)),
        ((None, 5), 6, (3, 1)),
        ((None, None), 99, (3, 3)),
    ],
)
def test_taps_in_reach(size, rate, kept):
    kernel = tf.reshape(tf.range(9.0), [3, 3, 1, 1])
    left = taps_in_reach(kernel, rate, size)
    assert left.shape == (*kept, 1, 1)
    rows, columns = (slice(None) if side == 3 else slice(1, 2) for side in kept)
    np.testing.assert_array_equal(left, kernel[rows, columns])


def test_a_larger_kernel_loses_its_outer_taps_first():
    kernel = tf.reshape(tf.range(25.0), [5, 5, 1, 1])
    left = taps_in_reach(kernel, 3, (4, 7))  # Rows 3 away are on the map, rows 6 away are not.
    np.testing.assert_array_equal(left[..., 0, 0], np.arange(25).reshape(5, 5)[1:4])


SIZES_AND_RATES = [((4, 7), 2), ((4, 7), 4), ((4, 7), 6), ((7, 3), 3), ((3, 3), 18), ((20, 23), 6)]


@pytest.mark.parametrize(('size', 'rate'), SIZES_AND_RATES)
def test_an_atrous_convolution_is_that_of_all_taps(size, rate):
    maps = tf.random.stateless_normal([2, *size, 4], [1, 2])
    weight = tf.random.stateless_normal([2, *size, 5], [3, 4])
    layer = ConvBatchNorm(5, rate=rate).convolution
    layer(maps)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(maps)
        out = layer(maps)
        loss = tf.reduce_sum(weight * out)
        full = tf.nn.conv2d(maps, layer.kernel, 1, 'SAME', dilations=rate)
        full_loss = tf.reduce_sum(weight * full)
    in_numpy = [full_atrous(m, layer.kernel.numpy(), rate) for m in maps.numpy()]
    np.testing.assert_allclose(out, in_numpy, atol=1e-5)
    np.testing.assert_allclose(out, full, atol=1e-5)
    sources = [maps, layer.kernel]
    expected = tape.gradient(full_loss, sources)
    for ours, theirs in zip(tape.gradient(loss, sources), expected, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(ours), theirs, atol=1e-4)


@pytest.mark.parametrize(('size', 'rate'), SIZES_AND_RATES)
def test_a_depthwise_atrous_convolution_is_that_of_all_taps(size, rate):
    maps = tf.random.stateless_normal([2, *size, 4], [1, 2])
    weight = tf.random.stateless_normal([2, *size, 4], [3, 4])
    layer = ConvBatchNorm(None, rate=rate).convolution
    layer(maps)
    kernel = layer.depthwise_kernel
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(maps)
        out = layer(maps)
        loss = tf.reduce_sum(weight * out)
        full = tf.nn.depthwise_conv2d(maps, kernel, [1] * 4, 'SAME', dilations=[rate] * 2)
        full_loss = tf.reduce_sum(weight * full)
    diagonal = kernel.numpy() * np.eye(4)  # [3, 3, 4, 1] -> [3, 3, 4, 4]
    in_numpy = [full_atrous(m, diagonal, rate) for m in maps.numpy()]
    np.testing.assert_allclose(out, in_numpy, atol=1e-5)
    np.testing.assert_allclose(out, full, atol=1e-5)
    expected = tape.gradient(full_loss, [maps, kernel])
    for ours, theirs in zip(tape.gradient(loss, [maps, kernel]), expected, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(ours), theirs, atol=1e-4)


@pytest.mark.parametrize('size', [(7, 5), (8, 6)])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('known', [True, False])
def test_a_pointwise_convolution_is_a_matrix_product(size, stride, known):
    maps = tf.random.stateless_normal([2, *size, 4], [1, 2])
    layer = ConvBatchNorm(3, 1, stride=stride).convolution
    layer(maps)
    shape = [2, *size, 4] if known else [None, None, None, 4]

    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def ours(maps):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            out = layer(maps)
            loss = tf.reduce_sum(out**2)
        return out, *(tf.convert_to_tensor(g) for g in tape.gradient(loss, [maps, layer.kernel]))

    with tf.GradientTape() as tape:
        tape.watch(maps)
        out = tf.nn.conv2d(maps, layer.kernel, stride, 'VALID')
        loss = tf.reduce_sum(out**2)
    expected = out, *tape.gradient(loss, [maps, layer.kernel])
    for value, reference in zip(ours(maps), expected, strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('stride', [1, 2])
def test_a_pointwise_convolution_of_an_export_is_one(stride):
    maps = tf.random.stateless_normal([2, 7, 6, 4], [1, 2])
    layer = ConvBatchNorm(3, 1, stride=stride).convolution
    layer(maps)
    kinds = {}
    for name, context in (('plain', plain_convolutions()), ('usual', contextlib.nullcontext())):
        with context:
            graph = tf.function(lambda maps: layer(maps)).get_concrete_function(maps)
        kinds[name] = {node.type for node in graph.graph.get_operations()}
        expected = tf.nn.conv2d(maps, layer.kernel, stride, 'VALID')
        np.testing.assert_allclose(graph(maps), expected, rtol=1e-5, atol=1e-5)
    assert 'Conv2D' in kinds['plain'] and 'MatMul' not in kinds['plain']
    assert 'MatMul' in kinds['usual'] and 'Conv2D' not in kinds['usual']


def test_a_map_of_unknown_size_keeps_every_tap():
    layer = ConvBatchNorm(2, rate=6)
    layer(tf.zeros([1, 9, 9, 3]))
    run = tf.function(layer, input_signature=[tf.TensorSpec([1, None, None, 3])])
    for side in (3, 9):
        maps = tf.random.stateless_normal([1, side, side, 3], [5, side])
        np.testing.assert_allclose(run(maps), layer(maps), atol=1e-5)


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


def test_dropout_keeps_a_share_and_the_mean():
    tf.random.set_seed(1)
    layer, values = Dropout(0.3), tf.fill([200, 500], 2.0)
    out = layer(values, training=True).numpy()
    assert set(np.unique(out)) == {0.0, np.float32(2 / 0.7)}
    # Five standard deviations of the share of 100,000 draws.
    assert abs(np.mean(out == 0) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / out.size)
    np.testing.assert_array_equal(layer(values), values)
    np.testing.assert_array_equal(Dropout(0.0)(values, training=True), values)


def test_dropout_draws_anew_at_every_call_and_goes_on_where_it_was():
    tf.random.set_seed(1)
    layer, other, values = Dropout(0.5), Dropout(0.5), tf.ones([100, 100])
    first = layer(values, training=True).numpy()
    other(values, training=True)
    other.set_weights(layer.get_weights())
    second = layer(values, training=True).numpy()
    # Both zero in a quarter of the places, as independent draws are.
    assert abs(np.mean((first == 0) & (second == 0)) - 0.25) < 0.02
    np.testing.assert_array_equal(other(values, training=True), second)


def test_dropout_of_bfloat16_has_the_rate_that_was_asked_for():
    tf.random.set_seed(1)
    out = Dropout(0.1, dtype='bfloat16')(tf.ones([500, 500], tf.bfloat16), training=True)
    assert out.dtype == tf.bfloat16
    share = np.mean(out.numpy().astype(np.float32) == 0)
    assert abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 250000)


def test_gpus_can_hold_what_dropout_counts():
    """On a GPU, XLA refuses a step that counts in a variable of the CPU."""
    layer = Dropout(0.5)
    layer(tf.ones([2, 2]))
    held = {
        kind
        for kernel in kernels.get_registered_kernels_for_op('VarHandleOp').kernel
        if kernel.device_type in ('GPU', 'DEFAULT')
        for constraint in kernel.constraint
        for kind in constraint.allowed_values.list.type
    }
    assert layer.state.dtype.as_datatype_enum in held
    assert tf.int32.as_datatype_enum not in held  # So the test can fail.
