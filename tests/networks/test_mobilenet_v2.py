"""Plan, names and sizes of MobileNetV2, and its features beside those of Keras's."""

import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.networks.backbones.mobilenet_v2 import MobileNetV2
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.weights import keras_applications, tf1_checkpoint


def built(output_stride=16):
    backbone = MobileNetV2(output_stride)
    backbone(tf.zeros([1, 33, 33, 3]))
    return backbone


@pytest.mark.parametrize(
    ('output_stride', 'strides', 'rates'),
    [
        # Strides of the paper stand in units 1, 3, 6 and 13 (after the first convolution's).
        (16, {1: 2, 3: 2, 6: 2}, [1] * 14 + [2] * 3),
        (8, {1: 2, 3: 2}, [1] * 7 + [2] * 7 + [4] * 3),
    ],
)
def test_strides_and_rates(output_stride, strides, rates):
    units = MobileNetV2(output_stride).units
    assert [unit.stride for unit in units] == [strides.get(i, 1) for i in range(17)]
    assert [unit.rate for unit in units] == rates


def test_channels_and_names():
    backbone = built()
    widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    assert [unit.width for unit in backbone.units] == widths
    assert [unit.expanded for unit in backbone.units] == [32] + [6 * width for width in widths[:16]]
    residual = [i for i, unit in enumerate(backbone.units) if unit.residual]
    assert residual == [2, 4, 5, 7, 8, 9, 11, 12, 14, 15]
    names = list(backbone.convolutions)
    assert names[:3] == ['Conv', 'expanded_conv/depthwise', 'expanded_conv/project']
    assert names[3:6] == [f'expanded_conv_1/{n}' for n in ('expand', 'depthwise', 'project')]
    assert names[-1] == 'expanded_conv_16/project'
    assert len(names) == 1 + 2 + 16 * 3


def test_parameters():
    # Keras counts 2,257,984 without the classifier, of which its last convolution to 1280 channels,
    # which a segmentation network leaves out, has 320 * 1280 + 4 * 1280.
    count = sum(int(np.prod(variable.shape)) for variable in built().variables)
    assert count == 2_257_984 - (320 * 1280 + 4 * 1280)


@pytest.mark.parametrize(('output_stride', 'last'), [(16, (5, 7)), (8, (9, 13))])
def test_sizes_of_the_maps(output_stride, last):
    backbone = MobileNetV2(output_stride)
    features = backbone(tf.zeros([1, 65, 97, 3]))
    shapes = {name: tuple(maps.shape[1:]) for name, maps in features.items()}
    assert shapes['stride_4'] == (17, 25, 144)
    assert shapes['expanded_conv'] == (33, 49, 16)
    assert shapes['expanded_conv_2'] == (17, 25, 24)
    assert shapes['expanded_conv_5'] == (9, 13, 32)
    assert shapes['expanded_conv_9'] == (*last, 64)
    assert shapes['expanded_conv_16'] == (*last, 320)
    assert set(shapes) == {*backbone.blocks, 'stride_4'}


def test_an_output_stride_out_of_range():
    with pytest.raises(ValueError, match=r'MobileNetV2\.output_stride is 32; it can be 8 or 16'):
        MobileNetV2(32)


def keras_model(height, width):
    """A model of Keras with wide batch norms, so that many features come up to 6."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        input_shape=(height, width, 3), include_top=False, weights=None
    )
    random = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            scale, variance = random.uniform(1, 2, size), random.uniform(0.5, 1, size)
            shift, mean = random.normal(1, 2, size), random.normal(0, 0.3, size)
            layer.set_weights([scale, shift, mean, variance])
    return model


@pytest.mark.parametrize('size', [(65, 97), (64, 96)])
def test_features_are_those_of_keras(size, tmp_path):
    model = keras_model(*size)
    path = str(tmp_path / 'mobilenet.h5')
    model.save_weights(path)
    backbone = built()
    method = types.SimpleNamespace(network=types.SimpleNamespace(backbone=backbone))
    keras_applications.load_backbone(method, path)

    images = tf.random.stateless_uniform([2, *size, 3], [5, 6], 0, 255)
    names = ('block_2_depthwise_relu', 'block_5_add', 'block_12_add', 'block_16_project_BN')
    inner = keras.Model(model.input, [model.get_layer(name).output for name in names])
    expected = inner(keras.applications.mobilenet_v2.preprocess_input(images))
    assert 0.01 < np.mean(expected[0] == 6) < 0.9  # ReLU6 is not just a ReLU here.
    features = backbone(images)
    # Keras computes every second pixel of the atrous block: the even ones of a map of odd size,
    # and with 'SAME' the odd ones of an even size.
    first = 1 - features['expanded_conv_16'].shape[1] % 2
    actual = (
        features['stride_4'],
        features['expanded_conv_5'],
        features['expanded_conv_12'],
        features['expanded_conv_16'][:, first::2, first::2],
    )
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.shape == theirs.shape
        largest = np.max(np.abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * largest)


def test_a_checkpoint_of_tensorflow_1(tmp_path):
    network = DeepLabV3Plus(3, 2, MobileNetV2, 16, 16, 16)
    network(tf.zeros([1, 33, 33, 3]))
    variables = tf1_checkpoint.variable_names(network)['backbone']
    assert 'MobilenetV2/Conv/weights' in variables
    assert 'MobilenetV2/expanded_conv/depthwise/depthwise_weights' in variables
    assert 'MobilenetV2/expanded_conv_16/project/BatchNorm/moving_variance' in variables
    path = tf.compat.v1.train.Saver(variables).save(None, str(tmp_path / 'model.ckpt'))
    before = {name: variable.numpy() for name, variable in variables.items()}
    for variable in variables.values():
        variable.assign(tf.zeros_like(variable))
    tf1_checkpoint.load_backbone(types.SimpleNamespace(network=network), path)
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, before[name])
