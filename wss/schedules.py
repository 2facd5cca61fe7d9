"""Optimisers with the learning-rate schedule of the paper (Zou et al., 2021, section 4.1)."""

import tf_keras as keras


def momentum_poly(
    steps: int, learning_rate: float = 0.007, momentum: float = 0.9, power: float = 0.9
) -> keras.optimizers.Optimizer:
    """Makes SGD with momentum whose learning rate decays as `lr * (1 - step / steps) ** power`.

    Args:
        steps: Steps of the whole run, after which the rate is 0.
        learning_rate: Rate of the first step, above 0.
        momentum: Share of the last update that is kept, in [0, 1).
        power: Exponent of the decay.

    Raises:
        ValueError: If a value is outside its range.
    """
    if learning_rate <= 0 or not 0 <= momentum < 1 or power < 0 or steps < 1:
        raise ValueError(
            'momentum_poly needs learning_rate > 0, 0 <= momentum < 1, power >= 0 and steps >= 1; '
            f'got {learning_rate}, {momentum}, {power} and {steps}.'
        )
    rate = keras.optimizers.schedules.PolynomialDecay(learning_rate, steps, 0.0, power)
    return keras.optimizers.SGD(rate, momentum=momentum)
