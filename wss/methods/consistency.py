"""How much the losses against pseudo labels count at a step, for all methods that have them."""

import tensorflow as tf

from wss.settings import ranges

MOST_WEIGHT = 1000


def set_options(method, weight: float, warm_up: int) -> None:
    """Sets `consistency_weight` and `consistency_warm_up` of a method.

    Args:
        method: A `Method`, of whose class errors have the name.
        weight: Factor of the losses, 0 to 1000.
        warm_up: Steps in which it rises linearly from 0; 0 for none.

    Raises:
        ValueError: If one is out of range.
    """
    own = type(method).__name__
    ranges.number(f'{own}.consistency_weight', weight, 0, MOST_WEIGHT)
    ranges.whole(f'{own}.consistency_warm_up', warm_up, 0, ranges.MOST_STEPS)
    method.consistency_weight, method.consistency_warm_up = weight, warm_up


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
