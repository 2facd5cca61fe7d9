"""Weights of tf_keras.applications give the features that Keras computes with them."""

import functools
import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.networks.backbones.resnet_v1 import ResNetV1
from wss.networks.backbones.small import SmallResNet
from wss.networks.backbones.xception import Xception
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.weights import keras_applications, tf1_checkpoint

LAST_LAYERS = ('conv2_block3_out', 'conv3_block4_out', 'conv4_block6_out', 'conv5_block3_out')


def randomise(model, seed=1):
    """Gives a Keras model biases and batch norms that are not those of a fresh one."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            spread = random.uniform(0.5, 1.5, size), random.uniform(0.5, 1.5, size)
            shift = random.normal(0, 0.3, size), random.normal(0, 0.3, size)
            layer.set_weights([spread[0], shift[0], shift[1], spread[1]])
        elif isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([layer.kernel.numpy(), random.normal(0, 0.3, layer.bias.shape)])
    return model


def method_on(backbone):
    """All of a method that `load_backbone` looks at."""
    backbone(tf.zeros([1, 33, 33, 3]))
    return types.SimpleNamespace(network=types.SimpleNamespace(backbone=backbone))


def loaded(variant, path, output_stride=16):
    method = method_on(ResNetV1(variant, output_stride))
    keras_applications.load_backbone(method, path)
    return method.network.backbone


def images(height, width):
    """Two RGB images in [0, 255]."""
    return tf.random.stateless_uniform([2, height, width, 3], [5, 6], 0, 255)


def keras_features(model, maps, names=LAST_LAYERS):
    """Outputs of layers for RGB images; Keras itself turns them into what the model takes."""
    inner = keras.Model(model.input, [model.get_layer(name).output for name in names])
    return [out.numpy() for out in inner(keras.applications.resnet50.preprocess_input(maps))]


def assert_same(actual, expected):
    """Equal to 1e-4 of the largest feature; the expected features are no constants."""
    actual = np.asarray(actual)
    assert actual.shape == expected.shape
    assert np.std(expected) > 0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.max(np.abs(expected)))


@pytest.fixture(scope='module')
def resnet50(tmp_path_factory):
    """A ResNet50 of Keras and the file of its weights."""
    keras.utils.set_random_seed(0)
    model = randomise(keras.applications.ResNet50(weights=None, include_top=False))
    path = str(tmp_path_factory.mktemp('keras') / 'resnet50.h5')
    model.save_weights(path)
    return types.SimpleNamespace(model=model, path=path)


@pytest.fixture(scope='module')
def backbone(resnet50):
    return loaded('resnet_v1_50_keras', resnet50.path)


@pytest.mark.parametrize('size', [(65, 65), (64, 64), (66, 97), (71, 50)])
def test_the_first_three_blocks_are_those_of_keras(resnet50, backbone, size):
    features = backbone(images(*size))
    expected = keras_features(resnet50.model, images(*size))
    for block, maps in zip(backbone.blocks[:3], expected[:3], strict=True):
        assert_same(features[block], maps)


@pytest.mark.parametrize('size', [(65, 65), (64, 98)])
def test_the_atrous_last_block_is_that_of_keras_at_every_pixel(resnet50, backbone, size):
    # Keras computes every second pixel of what the atrous block computes (its stride stands in the
    # first 1x1 convolution): those from pixel 0 on, and from pixel 1 on if that comes first.
    features = backbone(images(*size))
    entry = resnet50.model.get_layer(LAST_LAYERS[2]).output
    last_block = keras.Model(entry, resnet50.model.get_layer(LAST_LAYERS[3]).output)
    assert_same(features['block4'][:, ::2, ::2], keras_features(resnet50.model, images(*size))[3])
    for top in (0, 1):
        for left in (0, 1):
            expected = last_block(features['block3'][:, top:, left:]).numpy()
            assert_same(features['block4'][:, top::2, left::2], expected)


def test_output_stride_8_computes_the_pixels_between(resnet50):
    features = loaded('resnet_v1_50_keras', resnet50.path, output_stride=8)(images(67, 96))
    expected = keras_features(resnet50.model, images(67, 96))
    assert features['block4'].shape == (2, 9, 12, 2048)
    for block, maps, step in zip(ResNetV1.blocks, expected, (1, 1, 2, 4), strict=True):
        assert_same(features[block][:, ::step, ::step], maps)


def test_the_decoder_gets_stride_4(resnet50, backbone):
    names = ['conv2_block2_3_bn', 'conv2_block2_out']
    expected = keras_features(resnet50.model, images(64, 65), names)[0]
    assert_same(backbone(images(64, 65))['stride_4'], expected)


def test_padding_normalises_to_zero(backbone):
    padding = tf.fill([1, 40, 40, 1], 1.0) * tf.constant(backbone.padding_value)
    np.testing.assert_allclose(keras.applications.resnet50.preprocess_input(padding), 0, atol=1e-5)
    stem = backbone.convolutions['conv1']
    expected = stem(tf.zeros([1, 40, 40, 3]))
    actual = stem(padding - tf.constant(backbone.padding_value))
    np.testing.assert_array_equal(actual, expected)


def test_in_training_mode_biases_make_no_difference_either(resnet50, backbone):
    output = resnet50.model.get_layer(LAST_LAYERS[0]).output
    part = keras.models.clone_model(keras.Model(resnet50.model.input, output))
    for layer in part.layers:
        layer.set_weights(resnet50.model.get_layer(layer.name).get_weights())
    prepared = keras.applications.resnet50.preprocess_input(images(48, 49))
    before = [variable.numpy() for variable in backbone.variables]
    features = backbone(images(48, 49), training=True)
    for variable, value in zip(backbone.variables, before, strict=True):
        variable.assign(value)
    assert_same(features['block1'], part(prepared, training=True).numpy())


def test_a_bias_goes_into_the_moving_mean():
    # (x + 2) - 5 = x - 3 and (x - 1) - 0.5 = x - 1.5.
    np.testing.assert_array_equal(
        keras_applications.folded_mean([5.0, 0.5], [2.0, -1.0]), [3.0, 1.5]
    )


def test_resnet_101(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    model = randomise(keras.applications.ResNet101(weights=None, include_top=False))
    model.save_weights(tmp_path / 'resnet101.h5')
    said, load = [], keras_applications.load_backbone
    monkeypatch.setattr(keras_applications, 'load_backbone', lambda *a: said.append(load(*a)))
    backbone = loaded('resnet_v1_101_keras', str(tmp_path / 'resnet101.h5'))
    assert 'Loaded 104 convolutions of ResNet101' in said[0]
    expected = keras_features(model, images(40, 49), ['conv4_block23_out', 'conv5_block3_out'])
    features = backbone(images(40, 49))
    assert_same(features['block3'], expected[0])
    assert_same(features['block4'][:, ::2, ::2], expected[1])


def test_a_file_with_the_classifier_will_do(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None)
    path = str(tmp_path / 'whole.h5')
    model.save_weights(path)
    backbone = loaded('resnet_v1_50_keras', path)
    expected = model.get_layer('conv5_block3_3_conv').kernel.numpy()
    actual = backbone.convolutions['block4/unit_3/bottleneck_v1/conv3'].kernel
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ('make', 'wanted'),
    [
        (functools.partial(ResNetV1, 'resnet_v1_50'), "'resnet_v1_50_keras'"),
        (functools.partial(ResNetV1, 'resnet_v1_101_beta'), "'resnet_v1_101_keras'"),
        (Xception, "'resnet_v1_50_keras' or 'resnet_v1_101_keras'"),
        (SmallResNet, "'resnet_v1_50_keras' or 'resnet_v1_101_keras'"),
    ],
)
def test_other_backbones_are_refused(make, wanted):
    method = types.SimpleNamespace(network=types.SimpleNamespace(backbone=make()))
    with pytest.raises(ValueError, match=rf'ResNetV1\.variant = {wanted}\.$'):
        keras_applications.load_backbone(method)


def test_files_that_do_not_fit(tmp_path):
    method = method_on(ResNetV1('resnet_v1_50_keras'))
    before = [variable.numpy() for variable in method.network.backbone.variables]
    with pytest.raises(FileNotFoundError, match=r"no weights file ImageNet; .* or 'imagenet'"):
        keras_applications.load_backbone(method, 'ImageNet')
    (tmp_path / 'weights.npz').write_bytes(b'PK')
    with pytest.raises(ValueError, match=r'weights\.npz must be an \.h5 file'):
        keras_applications.load_backbone(method, str(tmp_path / 'weights.npz'))
    (tmp_path / 'damaged.h5').write_bytes(b'not really')
    with pytest.raises(ValueError, match=r'damaged\.h5 does not hold the weights of ResNet50 \('):
        keras_applications.load_backbone(method, str(tmp_path / 'damaged.h5'))
    other = keras.Sequential([keras.layers.Dense(2)])
    other(tf.zeros([1, 2]))
    other.save_weights(tmp_path / 'other.h5')
    with pytest.raises(ValueError, match=r'other\.h5 does not hold .*expected 106 layers, found 1'):
        keras_applications.load_backbone(method, str(tmp_path / 'other.h5'))
    for variable, value in zip(method.network.backbone.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def make(include_top, weights):
        raise Exception('URL fetch failure on https://host/file.h5: None -- no route')

    monkeypatch.setattr(keras.applications, 'ResNet50', make)
    method = types.SimpleNamespace(
        network=types.SimpleNamespace(backbone=ResNetV1('resnet_v1_50_keras'))
    )
    with pytest.raises(FileNotFoundError) as caught:
        keras_applications.load_backbone(method)
    assert 'https://host/file.h5' in str(caught.value)
    assert "keras_applications.load_backbone.weights = 'file.h5'" in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_tensorflow_1_checkpoint_of_slim_does_not_pass_for_one(tmp_path):
    backbone = functools.partial(ResNetV1, 'resnet_v1_50_keras')
    network = DeepLabV3Plus(3, 2, backbone, 16, 16, 16)
    network(tf.zeros([1, 33, 33, 3]))
    names = tf1_checkpoint.variable_names(network)['backbone']
    assert all(name.startswith('resnet50/') for name in names)
    slim = {
        name.replace('resnet50/', 'resnet_v1_50/'): variable for name, variable in names.items()
    }
    path = tf.compat.v1.train.Saver(slim).save(None, str(tmp_path / 'model.ckpt'))
    with pytest.raises(ValueError, match=r'nearest backbone is resnet_v1_50 \(100%'):
        tf1_checkpoint.load_backbone(types.SimpleNamespace(network=network), path)
