"""Optimisers with the learning-rate schedule of the paper (Zou et al., 2021, section 4.1)."""

import tensorflow as tf
import tf_keras as keras

from wss.settings import ranges

# `Schedule.reference_batch_size` may multiply the steps.
MOST_STEPS_OF_ALL = ranges.MOST_STEPS * ranges.MOST_IN_BATCH


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


class SlowStart(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate at first, then another schedule from its start.

    As in DeepLab, the other schedule counts its steps from the end of the slow ones.

    Args:
        steps: How many steps are slow.
        learning_rate: Rate of the slow steps.
        then: The schedule that follows.
    """

    def __init__(
        self,
        steps: int,
        learning_rate: float,
        then: keras.optimizers.schedules.LearningRateSchedule,
    ):
        super().__init__()
        self.steps = steps
        self.learning_rate = learning_rate
        self.then = then

    def __call__(self, step):
        """Returns the rate of a step, float32 scalar; `step` is an integer scalar from 0."""
        step = tf.cast(step, tf.int64)
        later = self.then(tf.maximum(step - self.steps, 0))
        return tf.where(step < self.steps, self.learning_rate, later)

    def get_config(self):
        """Returns the arguments of the constructor, for Keras."""
        then = keras.optimizers.schedules.serialize(self.then)
        return {'steps': self.steps, 'learning_rate': self.learning_rate, 'then': then}

    @classmethod
    def from_config(cls, config):
        """Makes a schedule from what `get_config` returned."""
        then = keras.optimizers.schedules.deserialize(config['then'])
        return cls(**{**config, 'then': then})


class Restarted(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that counts its steps from a later one, for a run that was extended there.

    Args:
        first_step: Step from which it counts; earlier steps have its first rate.
        then: The schedule.
    """

    def __init__(self, first_step: int, then: keras.optimizers.schedules.LearningRateSchedule):
        super().__init__()
        self.first_step = first_step
        self.then = then

    def __call__(self, step):
        """Returns the rate of a step, float32 scalar; `step` is an integer scalar from 0."""
        return self.then(tf.maximum(tf.cast(step, tf.int64) - self.first_step, 0))

    def get_config(self):
        """Returns the arguments of the constructor, for Keras."""
        then = keras.optimizers.schedules.serialize(self.then)
        return {'first_step': self.first_step, 'then': then}

    @classmethod
    def from_config(cls, config):
        """Makes a schedule from what `get_config` returned."""
        then = keras.optimizers.schedules.deserialize(config['then'])
        return cls(**{**config, 'then': then})


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
    name = 'momentum_poly.'
    ranges.whole(f'{name}steps', steps, 0, MOST_STEPS_OF_ALL)
    if first_step:
        ranges.whole(f'{name}first_step', first_step, 0, steps)
        steps, slow_start_steps = steps - first_step, 0
    ranges.number(f'{name}rate_factor', rate_factor, 1e-6, 1e6)
    ranges.number(f'{name}learning_rate', learning_rate, 1e-10, 100)
    ranges.number(f'{name}momentum', momentum, 0, 0.9999)
    ranges.number(f'{name}power', power, 0, 100)
    ranges.number(f'{name}end_learning_rate', end_learning_rate, 0, learning_rate)
    most = steps - 1 if steps else ranges.MOST_STEPS
    ranges.whole(f'{name}slow_start_steps', slow_start_steps, 0, most)
    ranges.number(f'{name}slow_start_learning_rate', slow_start_learning_rate, 1e-10, 100)
    rate = keras.optimizers.schedules.PolynomialDecay(
        rate_factor * learning_rate,
        max(steps - slow_start_steps, 1),
        rate_factor * end_learning_rate,
        power,
    )
    if slow_start_steps:
        rate = SlowStart(slow_start_steps, rate_factor * slow_start_learning_rate, rate)
    return Momentum(Restarted(first_step, rate) if first_step else rate, momentum=momentum)
