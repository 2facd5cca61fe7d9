"""Batch norm whose moving statistics follow short runs."""

import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from wss.devices import replicas

# Number of updates of a layer whose statistics were imported: its decay is constant.
_IMPORTED = -1


def decay_of_update(decay: float, updates) -> tf.Tensor:
    """Decay of the next update of moving statistics: `min(decay, (1 + n) / (10 + n))`.

    With a constant decay of 0.9997 the statistics still hold 79 % of their initial values after 800
    updates. With this rule the initial values are soon forgotten, and after 30,000 updates the
    decay is the constant one.

    Args:
        decay: Decay in the long run, in [0, 1].
        updates: `n`, the updates so far, integer scalar from 0.

    Returns:
        float32 scalar.

    Example:
        >>> from wss.networks.batch_norm import decay_of_update
        >>> [round(float(decay_of_update(0.95, n)), 3) for n in (0, 8, 1000)]
        [0.1, 0.5, 0.95]
    """
    updates = tf.cast(updates, tf.float32)
    return tf.minimum(tf.constant(decay, tf.float32), (1.0 + updates) / (10.0 + updates))


class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm of Keras that can count its updates and see the batches of all replicas.

    The decay is the constant `momentum` until `count_updates` is called. An update is one call in
    training mode: a method that calls the layer three times a step makes three updates a step.

    Attributes:
        updates: int64 scalar variable, the updates so far; -1 if the statistics were imported. None
            if they are not counted.
        least_values: Values a channel of the smallest batch that it normalised in training mode,
            on one replica; None before. Known as soon as a step is traced.
    """

    updates = None
    least_values = None
    _counts = False

    def count_updates(self) -> None:
        """Creates `updates`, from which the decay follows; call it after the layer is built."""
        self.updates = self.add_weight(
            name='updates',
            shape=(),
            dtype=tf.int64,  # GPUs hold no int32 variables.
            initializer='zeros',
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._constant_decay = float(self.momentum)
        self._set_counts(True)

    def _set_counts(self, counts):
        self._counts = counts
        # With a Python float, Keras takes one fused operation, whose decay must be constant.
        self.momentum = np.float32(self.momentum) if counts else self._constant_decay

    def is_fresh(self) -> bool:
        """Whether the moving statistics are still those of a new layer, 0 and 1."""
        mean, variance = replicas.local(self.moving_mean), replicas.local(self.moving_variance)
        return bool((mean == 0).all() and (variance == 1).all())

    def note_imported(self) -> None:
        """Keeps the decay constant if the statistics are not those of a new layer."""
        if self.updates is not None and not self.is_fresh():
            self.updates.assign(_IMPORTED)
            self._set_counts(False)

    def choose_decay(self) -> None:
        """Settles, before steps are traced, whether the decay is constant.

        An imported layer then has the one fused operation of Keras.
        """
        if self.updates is not None:
            self._set_counts(int(replicas.local(self.updates)) != _IMPORTED)

    def call(self, inputs, training=None, mask=None):
        """Returns what batch norm of Keras returns."""
        if not self.trainable or training is None or not training:
            return super().call(inputs, training=training, mask=mask)
        self._note_values(inputs)
        outputs = super().call(inputs, training=training, mask=mask)
        if self._counts:
            self.updates.assign_add(1)
        return outputs

    def _assign_moving_average(self, variable, value, momentum, inputs_size):
        if self._counts:
            momentum = decay_of_update(self._constant_decay, self.updates)
        return super()._assign_moving_average(variable, value, momentum, inputs_size)

    def _note_values(self, inputs):
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        axes = {axis % inputs.shape.rank for axis in axes}
        sides = [side for i, side in enumerate(inputs.shape) if i not in axes]
        if None in sides:
            return
        values = math.prod(sides)
        self.least_values = min(values, self.least_values or values)

    def _sync_calculate_mean_and_var(self, x, reduction_axes, keep_dims, mask=None):
        """Moments over all replicas, in two passes.

        Keras takes `E[x^2] - E[x]^2`, which rounding can make negative where values are alike.
        """
        context = tf.distribute.get_replica_context()
        if mask is not None or context is None:
            return super()._sync_calculate_mean_and_var(x, reduction_axes, keep_dims, mask=mask)
        count = context.num_replicas_in_sync

        def mean_of(values):
            mean = tf.reduce_mean(values, axis=reduction_axes, keepdims=True)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mean) / count

        mean = mean_of(x)
        variance = mean_of(tf.square(x - mean))
        if not keep_dims:
            mean, variance = (tf.squeeze(part, reduction_axes) for part in (mean, variance))
        return mean, variance


def over_replicas(layer: keras.layers.BatchNormalization) -> None:
    """Makes a layer take its statistics over all replicas; call it before the layer is built."""
    layer.synchronized, layer.fused = True, False


def freeze(modules: Iterable[tf.Module]) -> None:
    """Makes batch norm run in inference mode throughout, and keeps all of its values."""
    for module in modules:
        for layer in module.submodules:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False


def layers_of(module: tf.Module) -> list[BatchNorm]:
    """Returns every batch norm in a module; a plain layer of Keras becomes a `BatchNorm`.

    So networks that were written with the layer of Keras follow the same rules. Other subclasses of
    it have rules of their own and are left out.
    """
    found = []
    for layer in module.submodules:
        if type(layer) is keras.layers.BatchNormalization:
            layer.__class__ = BatchNorm
        if isinstance(layer, BatchNorm):
            found.append(layer)
    return found
