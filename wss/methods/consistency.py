"""How much the losses against pseudo labels count at a step, for all methods that have them."""

import tensorflow as tf

from wss.settings import ranges

MOST_WEIGHT = 1000


def check(method) -> None:
    """Refuses a weight or a warm-up out of range, by the name of the method's class.

    Args:
        method: A `Method` with `consistency_weight` and `consistency_warm_up`.

    Raises:
        ValueError: If one is out of range.
    """
    own = type(method).__name__
    weight, steps = method.consistency_weight, method.consistency_warm_up
    ranges.number(f'{own}.consistency_weight', weight, 0, MOST_WEIGHT)
    ranges.whole(f'{own}.consistency_warm_up', steps, 0, ranges.MOST_STEPS)


def factor(method) -> float | tf.Tensor:
    """Returns the weight at this step: it rises linearly from 0 during the warm-up.

    Args:
        method: A `Method` with `consistency_weight` and `consistency_warm_up`. Without an optimiser
            it is taken to be warm.

    Returns:
        A number, or a float32 scalar.

    Example:
        >>> import types
        >>> from wss.methods import consistency
        >>> optimizer = types.SimpleNamespace(iterations=tf.constant(100, tf.int64))
        >>> options = {'consistency_weight': 2.0, 'consistency_warm_up': 400}
        >>> float(consistency.factor(types.SimpleNamespace(optimizer=optimizer, **options)))
        0.5
    """
    if not method.consistency_warm_up or method.optimizer is None:
        return method.consistency_weight
    steps = tf.cast(method.optimizer.iterations, tf.float32)
    return method.consistency_weight * tf.minimum(1.0, steps / method.consistency_warm_up)
