"""Saving and loading parts of a network, and what goes wrong."""

import functools
import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.weights import npz


def method_of(network):
    """All of a method that `load` looks at."""
    return types.SimpleNamespace(network=network)


def make_network(seed, width=16, num_image_classes=2):
    keras.utils.set_random_seed(seed)
    backbone = functools.partial(SmallResNet, (width,) * 4)
    network = DeepLabV3Plus(3, num_image_classes, backbone, 16, 16, 16, aspp_rates=(1, 2, 3))
    network(tf.zeros([1, 33, 33, 3]))
    return network


def outputs(network):
    image = tf.random.stateless_uniform([1, 33, 33, 3], [3, 4], 0, 255)
    features = network.features(image)
    return features['block_4'].numpy(), network.classify(features).numpy()


def test_a_round_trip_gives_the_same_features(tmp_path):
    source, target = make_network(1), make_network(2)
    source.backbone.stem.batch_norm.moving_mean.assign(np.full(16, 0.25))
    path = str(tmp_path / 'weights.npz')
    npz.save(source, path)
    assert 'left unused: classifier' in npz.load(method_of(target), path)
    np.testing.assert_allclose(outputs(target)[0], outputs(source)[0], rtol=0.02, atol=0.02)
    assert np.max(np.abs(outputs(target)[1] - outputs(source)[1])) > 1e-3
    npz.load(method_of(target), path, ('backbone', 'classifier'))
    np.testing.assert_allclose(outputs(target)[1], outputs(source)[1], rtol=0.02, atol=0.02)
    np.testing.assert_array_equal(target.backbone.stem.batch_norm.moving_mean, np.full(16, 0.25))


def test_another_class_count_can_keep_its_own_classifier(tmp_path):
    path = str(tmp_path / 'weights.npz')
    npz.save(make_network(1), path)
    other = make_network(2, num_image_classes=5)
    npz.load(method_of(other), path)
    with pytest.raises(ValueError, match=r'classifier/kernel is \(16, 2\).*\(16, 5\)'):
        npz.load(method_of(other), path, ('backbone', 'classifier'))


def test_nothing_changes_when_something_does_not_fit(tmp_path):
    path = str(tmp_path / 'weights.npz')
    npz.save(make_network(1), path)
    other = make_network(2, width=32)
    before = [v.numpy() for v in other.variables]
    with pytest.raises(ValueError, match='weights file'):
        npz.load(method_of(other), path)
    for variable, value in zip(other.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_part_that_the_file_lacks(tmp_path):
    path = str(tmp_path / 'weights.npz')
    network = make_network(1)
    npz.save(network, path, ('backbone',))
    with pytest.raises(ValueError, match='has no classifier/kernel'):
        npz.load(method_of(network), path, ('classifier',))
    with pytest.raises(ValueError, match=r"npz\.load\.parts is \('head',\)"):
        npz.load(method_of(network), path, ('head',))
    with pytest.raises(ValueError, match=r"npz\.load\.parts is \('variables',\)"):
        npz.load(method_of(network), path, ('variables',))


@pytest.mark.parametrize('value', [7e4, np.nan])
def test_values_that_float16_cannot_hold_are_refused(tmp_path, value):
    network = make_network(1)
    network.backbone.stem.batch_norm.moving_variance.assign([value] + [1.0] * 15)
    with pytest.raises(ValueError, match=r'^backbone/\S+moving_variance .* range of float16'):
        npz.save(network, tmp_path / 'weights.npz')
    assert not (tmp_path / 'weights.npz').exists()


def test_a_missing_and_a_damaged_file(tmp_path):
    network = make_network(1)
    with pytest.raises(FileNotFoundError, match=r'no weights file .*nowhere\.npz'):
        npz.load(method_of(network), str(tmp_path / 'nowhere.npz'))
    with pytest.raises(FileNotFoundError, match='There is no weights file'):
        npz.load(method_of(network), str(tmp_path))
    with pytest.raises(ValueError, match=r'npz\.load\.path is .*; it must be a path'):
        npz.load(method_of(network), '')
    damaged = tmp_path / 'damaged.npz'
    damaged.write_bytes(b'PK not really')
    with pytest.raises(ValueError, match='cannot be read'):
        npz.load(method_of(network), str(damaged))


def test_other_files_are_not_replaced_and_weights_are_written_whole(tmp_path, monkeypatch):
    photo = tmp_path / 'photo.png'
    photo.write_bytes(b'\x89PNG')
    with pytest.raises(ValueError, match=r'photo\.png exists and is not a file of weights'):
        npz.save(make_network(1), photo)
    with pytest.raises(ValueError, match='is a folder; name a file'):
        npz.save(make_network(1), tmp_path)
    assert photo.read_bytes() == b'\x89PNG'
    path = tmp_path / 'weights.npz'
    path.write_bytes(b'')  # What an older version left when it was killed.
    npz.save(make_network(1), path)
    before = path.read_bytes()
    monkeypatch.setattr(tf.io.gfile, 'rename', lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        npz.save(make_network(2), path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ['photo.png', 'weights.npz']
