"""Moving statistics by hand: their decay, what counts as an update, and what starts fresh."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.networks import batch_norm
from wss.networks.batch_norm import BatchNorm, decay_of_update


def values(mean, shape=(2, 3, 3, 4)):
    """Values of a mean and a variance of 1."""
    signs = np.resize([1.0, -1.0], np.prod(shape[:-1])).reshape(*shape[:-1], 1)
    return tf.constant(np.broadcast_to(mean + signs, shape), tf.float32)


def make_layer(shape=(2, 3, 3, 4), counts=True, decay=0.9997, **options):
    layer = BatchNorm(momentum=decay, **options)
    layer.build(shape)
    if counts:
        layer.count_updates()
    return layer


def test_decay_by_hand():
    found = [float(decay_of_update(0.9997, n)) for n in (0, 1, 8, 90, 29_990, 10**9)]
    np.testing.assert_allclose(found, [0.1, 2 / 11, 0.5, 0.91, 0.9997, 0.9997], rtol=1e-6)
    assert float(decay_of_update(0.95, 170)) == np.float32(0.95)
    assert float(decay_of_update(0.0, 5)) == 0.0


@pytest.mark.parametrize('shape', [(2, 3, 3, 4), (4, 4)])
@pytest.mark.parametrize('compiled', [False, True])
def test_every_update_has_the_decay_of_its_number(shape, compiled):
    layer = make_layer(shape)
    call = tf.function(layer, autograph=False) if compiled else layer
    expected = 0.0
    for number, mean in enumerate([5.0, 1.0, -2.0, 7.0]):
        call(values(mean, shape), training=True)
        decay = (1 + number) / (10 + number)
        expected = decay * expected + (1 - decay) * mean
        np.testing.assert_allclose(layer.moving_mean, [expected] * 4, rtol=1e-5)
        assert int(layer.updates) == number + 1
    # Inference is no update.
    call(values(3.0, shape), training=False)
    assert int(layer.updates) == 4
    np.testing.assert_allclose(layer.moving_mean, [expected] * 4, rtol=1e-5)


def test_xla_has_the_same_statistics():
    layers = [make_layer(), make_layer()]
    for layer, xla in zip(layers, (False, True), strict=True):
        call = tf.function(layer, autograph=False, jit_compile=xla)
        for mean in (5.0, 1.0):
            call(values(mean), training=True)
    for first, second in zip(layers[0].variables, layers[1].variables, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5)


def test_without_a_count_the_decay_is_constant():
    layer, plain = (
        make_layer(counts=False, decay=0.9),
        keras.layers.BatchNormalization(momentum=0.9),
    )
    for mean in (5.0, 1.0):
        layer(values(mean), training=True)
        plain(values(mean), training=True)
    for ours, theirs in zip(layer.variables, plain.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_imported_statistics_keep_their_decay():
    layer = make_layer(decay=0.9)
    assert layer.is_fresh()
    layer.note_imported()
    assert int(layer.updates) == 0
    layer.moving_mean.assign([1.0] * 4)
    layer.note_imported()
    assert int(layer.updates) == -1
    for _ in range(2):
        layer(values(11.0), training=True)
    np.testing.assert_allclose(layer.moving_mean, [2.9] * 4, rtol=1e-6)
    assert int(layer.updates) == -1


def test_a_restored_count_says_that_statistics_were_imported():
    layer = make_layer(decay=0.9)
    layer.updates.assign(-1)
    layer.choose_decay()
    layer(values(10.0), training=True)
    np.testing.assert_allclose(layer.moving_mean, [1.0] * 4, rtol=1e-6)
    layer.updates.assign(8)
    layer.choose_decay()
    layer(values(10.0), training=True)
    np.testing.assert_allclose(layer.moving_mean, [5.5] * 4, rtol=1e-6)


def test_frozen_statistics_have_no_update():
    layer = make_layer()
    layer.trainable = False
    inputs = values(5.0)
    np.testing.assert_allclose(layer(inputs, training=True), inputs / np.sqrt(1.001), rtol=1e-6)
    assert int(layer.updates) == 0


def test_layers_of_keras_follow_the_same_rules():
    network = keras.Sequential([keras.layers.Dense(4), keras.layers.BatchNormalization()])
    other = keras.layers.experimental.SyncBatchNormalization()
    holder = tf.Module()
    holder.parts = [network, other]
    (found,) = batch_norm.layers_of(holder)
    assert found is network.layers[1] and type(found) is BatchNorm
    network(tf.ones([2, 3]))
    found.count_updates()
    network(tf.ones([2, 3]), training=True)
    assert int(found.updates) == 1


def test_counts_and_checkpoints(tmp_path):
    """A count is saved with the layer, and continues."""
    layer, fresh = make_layer(), make_layer()
    layer(values(5.0), training=True)
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / 'ckpt'))
    tf.train.Checkpoint(layer=fresh).read(path).assert_consumed()
    for each in (layer, fresh):
        each(values(1.0), training=True)
    for first, second in zip(layer.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(first, second)


def test_moments_over_replicas_are_those_of_nearly_equal_values():
    """`E[x^2] - E[x]^2` would be off by far more than this variance, or negative."""
    layer = make_layer(counts=False, decay=0.0)
    batch_norm.over_replicas(layer)
    inputs = tf.constant([1000.0, 1000.25] * 9, shape=[2, 3, 3, 1]) * tf.ones([4])
    layer(inputs, training=True)
    np.testing.assert_allclose(layer.moving_variance, [0.125**2] * 4, rtol=1e-5)


def test_values_that_a_channel_has():
    layer = make_layer()
    layer(values(1.0), training=False)
    assert layer.least_values is None
    layer(values(1.0), training=True)
    assert layer.least_values == 18
    layer(values(1.0)[:1, :1, :1], training=True)
    layer(values(1.0), training=True)
    assert layer.least_values == 1
