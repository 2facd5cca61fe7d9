"""Weight decay, factors of gradients, averages and statistics: one recipe for all methods."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras as keras

from wss.devices import replicas
from wss.settings import ranges

FREEZE = (None, 'backbone', 'all')


@dataclasses.dataclass(frozen=True)
class Update:
    """Options of the update of the weights.

    The factors of gradients are those of the authors' program, which doubles the gradients of
    biases whatever its settings (`bias_multiplier` 2) and has a `last_layer_multiplier` of 1.

    Attributes:
        weight_decay: Factor of the L2 term over the network's `decayed_kernels()`, 0 to 1.
        last_layer_multiplier: Factor of the gradients of the last layers, the one of the decoder
            and the classifier, 1e-6 to 1000.
        bias_multiplier: Factor of the gradients of the biases of all convolutions and linear
            layers, on top of that of the last layers, 1e-6 to 1000. Offsets of batch norm do not
            count.
        fresh_multiplier: Factor of the steps of layers that `initial_weights` left as they were,
            1e-6 to 1000. A short run with momentum from imported weights gains from 10 or so. It
            multiplies the step itself, as a learning rate of their own would, and with it the decay
            of optimisers such as AdamW; a factor of the gradient would have no effect there.
        backbone_multiplier: Factor of the steps of the backbone, imported or not, on top of that;
            1e-6 to 1000.
        average_decay: Decay of a moving average of the weights, 1e-6 to 0.999999; None for no
            average. With one, evaluation and prediction use the averages.
        statistics_warm_up: Whether the moving statistics of layers that start fresh follow the
            first updates quickly: the decay of update `n` is `min(decay, (1 + n) / (10 + n))`, `n`
            from 0. Without it, a run of 800 steps is evaluated with statistics that are mostly
            initial values. Imported statistics keep their constant decay.
        freeze_batch_norm: `backbone` or `all`: batch norm of these layers runs in inference mode
            throughout, and statistics, scales and offsets keep their values, as with
            `fine_tune_batch_norm` off in DeepLab; for small batches and an imported backbone. None
            trains all of it.

    Raises:
        ValueError: If an option is outside its range.

    Example:
        >>> from wss.methods.update import Update
        >>> update = Update(bias_multiplier=2.0, last_layer_multiplier=10.0)
        >>> update.multiplier(in_last_layer=True, is_bias=True)
        20.0
    """

    weight_decay: float = 4e-5
    last_layer_multiplier: float = 1.0
    bias_multiplier: float = 1.0
    fresh_multiplier: float = 1.0
    backbone_multiplier: float = 1.0
    average_decay: float | None = None
    statistics_warm_up: bool = True
    freeze_batch_norm: str | None = None

    def __post_init__(self):
        ranges.number('Update.weight_decay', self.weight_decay, 0, 1)
        for name in (
            'last_layer_multiplier',
            'bias_multiplier',
            'fresh_multiplier',
            'backbone_multiplier',
        ):
            ranges.number(f'Update.{name}', getattr(self, name), 1e-6, 1000)
        if self.average_decay is not None:
            ranges.number('Update.average_decay', self.average_decay, 1e-6, 0.999999)
        ranges.switch('Update.statistics_warm_up', self.statistics_warm_up)
        ranges.choice('Update.freeze_batch_norm', self.freeze_batch_norm, FREEZE)

    def multiplier(self, in_last_layer: bool, is_bias: bool) -> float:
        """Factor of the gradient of a variable."""
        factor = self.last_layer_multiplier if in_last_layer else 1.0
        return factor * self.bias_multiplier if is_bias else factor


def unchanged(module: tf.Module, variables, before) -> list[bool]:
    """Marks the variables that an import of weights left as they were, with all of their layer.

    Args:
        module: What has the layers.
        variables: The variables to mark.
        before: Values of `module.variables` before the import, in their order.
    """
    pairs = zip(module.variables, before, strict=True)
    imported = {v.ref() for v, value in pairs if not np.array_equal(replicas.local(v), value)}
    for layer in module.submodules:
        is_leaf = not any(isinstance(part, keras.layers.Layer) for part in layer.submodules)
        if isinstance(layer, keras.layers.Layer) and is_leaf:
            own = {v.ref() for v in layer.variables}
            imported |= own if own & imported else set()
    return [v.ref() not in imported for v in variables]


def scale_steps(variables, before, factors) -> None:
    """Multiplies the step that an optimiser took; call it in the replicas of a step.

    Args:
        variables: Variables after the step.
        before: Their values before it.
        factors: Floats, the factors of the steps.
    """

    def scale(strategy, before):
        for variable, last, factor in zip(variables, before, factors, strict=True):
            strategy.extended.update(
                variable,
                lambda v, last, factor=factor: v.assign(last + factor * (v - last)),
                args=(last,),
                group=False,
            )

    # As optimisers of Keras update variables.
    tf.__internal__.distribute.interim.maybe_merge_call(scale, tf.distribute.get_strategy(), before)


def move_averages(means, variables, rate: tf.Tensor) -> None:
    """Sets each mean to `average(mean, variable, rate)`; call it in the replicas of a step.

    Args:
        means: Variables of a network that gradients do not train.
        variables: Those of the network that it follows, which are the same on all replicas.
        rate: Share of the last mean, float32 scalar.
    """
    values = [
        tf.cast(average(mean, variable, rate), mean.dtype)
        if mean.dtype.is_floating
        else tf.convert_to_tensor(variable)
        for mean, variable in zip(means, variables, strict=True)
    ]
    local = tf.VariableSynchronization.ON_READ  # Every replica has its own, such as statistics.
    mirrored = [i for i, mean in enumerate(means) if mean.synchronization != local]
    for mean, value in zip(means, values, strict=True):
        if mean.synchronization == local:
            mean.assign(value)

    def assign(strategy, values):
        for i, value in zip(mirrored, values, strict=True):
            strategy.extended.update(
                means[i], lambda v, value: v.assign(value), args=(value,), group=False
            )

    # As optimisers of Keras update variables.
    tf.__internal__.distribute.interim.maybe_merge_call(
        assign, tf.distribute.get_strategy(), [values[i] for i in mirrored]
    )


def average_rate(decay: float, step) -> tf.Tensor:
    """Share of the last average in the next: `min(decay, (step - 1) / (step + 8))`.

    The first average is the weights after the first step. Early weights are soon forgotten, as with
    `num_updates` of TensorFlow 1's `ExponentialMovingAverage`.

    Args:
        decay: Share in the long run, in (0, 1).
        step: Updates so far, this one included, integer scalar from 1.

    Returns:
        float32 scalar.
    """
    step = tf.cast(step, tf.float32)
    return tf.minimum(tf.constant(decay, tf.float32), (step - 1.0) / (step + 8.0))


def average(last: tf.Tensor, weight: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    """The next moving average of a weight: `rate * last + (1 - rate) * weight`.

    Example:
        >>> from wss.methods.update import average
        >>> float(average(tf.constant(1.0), tf.constant(3.0), tf.constant(0.75)))
        1.5
    """
    return rate * last + (1.0 - rate) * weight
