"""Learning rates over the steps of a run: poly, slow start, and the start of an extended run."""

import tensorflow as tf
import tf_keras as keras

from wss.settings import ranges

# `Schedule.reference_batch_size` may multiply the steps.
MOST_STEPS_OF_ALL = ranges.MOST_STEPS * ranges.MOST_IN_BATCH


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


def poly(
    setting: str,
    steps: int,
    learning_rate: float,
    power: float,
    end_learning_rate: float,
    slow_start_steps: int,
    slow_start_learning_rate: float,
    rate_factor: float,
    first_step: int,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Makes the poly schedule of DeepLab, `(lr - end) * (1 - step / steps) ** power + end`.

    Args:
        setting: Name of what takes these settings, for the sentence of an error.
        steps: Steps of the whole run, after which the rate is `end_learning_rate`; 0 for a run that
            does not train.
        learning_rate: Rate of the first step that is not slow, 1e-10 to 100.
        power: Exponent of the decay, 0 to 100.
        end_learning_rate: Rate at the end, from 0 to `learning_rate`.
        slow_start_steps: How many steps are slow, less than `steps` (unless that is 0); 0 for none.
            The poly schedule takes the others from `learning_rate` to `end_learning_rate`.
        slow_start_learning_rate: Rate of the slow steps, 1e-10 to 100.
        rate_factor: Factor of all three rates, 1e-6 to 1e6.
        first_step: Step at which the run was extended: the schedule starts there again, without
            slow steps, and reaches its end after `steps` as before. 0 for the start of the run.

    Raises:
        ValueError: If a value is outside its range.
    """
    ranges.whole(f'{setting}.steps', steps, 0, MOST_STEPS_OF_ALL)
    if first_step:
        ranges.whole(f'{setting}.first_step', first_step, 0, steps)
        steps, slow_start_steps = steps - first_step, 0
    ranges.number(f'{setting}.rate_factor', rate_factor, 1e-6, 1e6)
    ranges.number(f'{setting}.learning_rate', learning_rate, 1e-10, 100)
    ranges.number(f'{setting}.power', power, 0, 100)
    ranges.number(f'{setting}.end_learning_rate', end_learning_rate, 0, learning_rate)
    most = steps - 1 if steps else ranges.MOST_STEPS
    ranges.whole(f'{setting}.slow_start_steps', slow_start_steps, 0, most)
    ranges.number(f'{setting}.slow_start_learning_rate', slow_start_learning_rate, 1e-10, 100)
    rate = keras.optimizers.schedules.PolynomialDecay(
        rate_factor * learning_rate,
        max(steps - slow_start_steps, 1),
        rate_factor * end_learning_rate,
        power,
    )
    if slow_start_steps:
        rate = SlowStart(slow_start_steps, rate_factor * slow_start_learning_rate, rate)
    return Restarted(first_step, rate) if first_step else rate
