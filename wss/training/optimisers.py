"""Optimisers with the poly schedule: momentum, as in the paper (section 4.1), and AdamW."""

import tensorflow as tf
import tf_keras as keras

from wss.settings import ranges
from wss.training import rates


class Momentum(keras.optimizers.SGD):
    """SGD with momentum as TensorFlow 1 has it: `m <- momentum * m + g`, `w <- w - rate * m`.

    In Keras the rate is part of `m`, so that a falling rate takes effect late. Here a variable also
    needs only one fused operation, in Keras six.
    """

    def update_step(self, gradient, variable):
        """Applies the gradient of one variable."""
        velocity = self.momentums[self._index_dict[self._var_key(variable)]]
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle,
            accum=velocity.handle,
            lr=tf.cast(self.learning_rate, variable.dtype),
            grad=gradient,
            momentum=tf.cast(self.momentum, variable.dtype),
        )


class AdamW(keras.optimizers.AdamW):
    """Adam with a weight decay of its own (Loshchilov and Hutter, ICLR 2019).

    `w <- w - rate * weight_decay * w - rate * m' / (sqrt(v') + epsilon)`, with the corrected means
    `m'` of gradients and `v'` of their squares. Only variables that `decay_only` names decay. A
    variable needs one fused operation, in Keras some ten.
    """

    decayed = frozenset()

    def decay_only(self, kernels) -> None:
        """Sets the variables that decay; call it before the first step is traced."""
        self.decayed = frozenset(self._var_key(kernel) for kernel in kernels)

    def _use_weight_decay(self, variable):
        return self.weight_decay > 0 and self._var_key(variable) in self.decayed

    def update_step(self, gradient, variable):
        """Applies the gradient of one variable."""
        step = tf.cast(self.iterations + 1, variable.dtype)
        index = self._index_dict[self._var_key(variable)]
        beta_1, beta_2 = (tf.cast(b, variable.dtype) for b in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )


def steps_for_batch(steps: int, batch_size: int, reference_batch_size: int) -> int:
    """Returns how many steps of a batch see the images that `steps` of another batch see.

    `steps * reference_batch_size / batch_size`, rounded up: 30,000 steps of 64 images become
    240,000 of 8.

    Args:
        steps: Steps with the reference batch.
        batch_size: Images a step.
        reference_batch_size: Images a step for which `steps` is meant.

    Raises:
        ValueError: If a batch is smaller than one image.

    Example:
        >>> from wss.training.optimisers import steps_for_batch
        >>> steps_for_batch(30000, 8, 64)
        240000
    """
    _check_batches(batch_size, reference_batch_size)
    return -(-steps * reference_batch_size // batch_size)


def rate_factor_for_batch(batch_size: int, reference_batch_size: int) -> float:
    """Returns the factor of the learning rate of another batch, by the linear rule.

    `batch_size / reference_batch_size`: the rate of 64 images is divided by 8 for 8 images. With
    `steps_for_batch`, the sum of the rates of all steps does not change.

    Args:
        batch_size: Images a step.
        reference_batch_size: Images a step for which the learning rate is meant.

    Raises:
        ValueError: If a batch is smaller than one image.

    Example:
        >>> from wss.training.optimisers import rate_factor_for_batch
        >>> rate_factor_for_batch(8, 64)
        0.125
    """
    _check_batches(batch_size, reference_batch_size)
    return batch_size / reference_batch_size


def _check_batches(batch_size, reference_batch_size):
    sizes = {
        'Labelled.batch_size': batch_size,
        'Schedule.reference_batch_size': reference_batch_size,
    }
    for name, size in sizes.items():
        ranges.whole(name, size, 1, ranges.MOST_IN_BATCH)


def momentum_poly(
    steps: int,
    learning_rate: float = 0.007,
    momentum: float = 0.9,
    power: float = 0.9,
    end_learning_rate: float = 0.0,
    slow_start_steps: int = 0,
    slow_start_learning_rate: float = 1e-4,
    rate_factor: float = 1.0,
    first_step: int = 0,
) -> Momentum:
    """Makes SGD with momentum and the poly schedule.

    The rate of a step is `(lr - end) * (1 - step / steps) ** power + end`. With a slow start the
    first steps have a rate of their own, and the poly schedule takes the others from `lr` to `end`.
    The defaults are those of the authors' program.

    Args:
        steps: Steps of the whole run, after which the rate is `end_learning_rate`; 0 for a run that
            does not train.
        learning_rate: Rate of the first step that is not slow, 1e-10 to 100.
        momentum: Share of the last update that is kept, 0 to 0.9999.
        power: Exponent of the decay, 0 to 100.
        end_learning_rate: Rate at the end, from 0 to `learning_rate`.
        slow_start_steps: How many steps are slow, less than `steps` (unless that is 0); 0 for none.
        slow_start_learning_rate: Rate of the slow steps, 1e-10 to 100.
        rate_factor: Factor of all three rates, 1e-6 to 1e6 (see `rate_factor_for_batch`).
        first_step: Step at which the run was extended: the schedule starts there again, without
            slow steps, and reaches its end after `steps` as before. 0 for the start of the run.

    Raises:
        ValueError: If a value is outside its range.

    Example:
        >>> from wss.training.optimisers import momentum_poly
        >>> optimiser, weight = momentum_poly(steps=100, learning_rate=0.01), tf.Variable(1.0)
        >>> for _ in range(2):
        ...     _ = optimiser.apply_gradients([(tf.constant(1.0), weight)])
        >>> round(float(weight), 4)  # 1 - 0.01 - (0.9 + 1) * 0.01 * 0.99 ** 0.9
        0.9712
    """
    ranges.number('momentum_poly.momentum', momentum, 0, 0.9999)
    rate = rates.poly(
        'momentum_poly',
        steps,
        learning_rate,
        power,
        end_learning_rate,
        slow_start_steps,
        slow_start_learning_rate,
        rate_factor,
        first_step,
    )
    return Momentum(rate, momentum=momentum)


def adamw_poly(
    steps: int,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    power: float = 0.9,
    end_learning_rate: float = 0.0,
    slow_start_steps: int = 0,
    slow_start_learning_rate: float = 1e-4,
    rate_factor: float = 1.0,
    first_step: int = 0,
) -> AdamW:
    """Makes AdamW with the poly schedule, the usual choice for fine-tuning in few steps.

    Set `Update.weight_decay` to 0 with it: the decay of AdamW is its own. Adam does not notice
    factors of gradients (`Update.last_layer_multiplier`, `Update.bias_multiplier`); those of steps
    (`Update.fresh_multiplier`, `Update.backbone_multiplier`) work.

    Args:
        steps: Steps of the whole run (see `momentum_poly`, also for the arguments not named here).
        learning_rate: Rate of the first step that is not slow, 1e-10 to 100.
        weight_decay: Share of a kernel that a step at rate 1 takes away, 0 to 1; only of the
            network's `decayed_kernels()`.
        beta_1: Decay of the mean of gradients, 0 to 0.9999.
        beta_2: Decay of the mean of their squares, 0 to 0.999999.
        epsilon: Added to the root of that mean, 1e-12 to 1.
        power: Exponent of the decay of the rate, 0 to 100.
        end_learning_rate: Rate at the end, from 0 to `learning_rate`.
        slow_start_steps: How many steps are slow; 0 for none.
        slow_start_learning_rate: Rate of the slow steps, 1e-10 to 100.
        rate_factor: Factor of all three rates, 1e-6 to 1e6.
        first_step: Step at which the run was extended; 0 for the start of the run.

    Raises:
        ValueError: If a value is outside its range.

    Example:
        >>> from wss.training.optimisers import adamw_poly
        >>> optimiser, weight = adamw_poly(steps=100, learning_rate=0.01), tf.Variable(1.0)
        >>> _ = optimiser.apply_gradients([(tf.constant(5.0), weight)])
        >>> round(float(weight), 4)  # 1 - 0.01: the first step of Adam has the size of the rate.
        0.99
    """
    ranges.number('adamw_poly.weight_decay', weight_decay, 0, 1)
    ranges.number('adamw_poly.beta_1', beta_1, 0, 0.9999)
    ranges.number('adamw_poly.beta_2', beta_2, 0, 0.999999)
    ranges.number('adamw_poly.epsilon', epsilon, 1e-12, 1)
    rate = rates.poly(
        'adamw_poly',
        steps,
        learning_rate,
        power,
        end_learning_rate,
        slow_start_steps,
        slow_start_learning_rate,
        rate_factor,
        first_step,
    )
    return AdamW(rate, weight_decay=weight_decay, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
