"""Values of replicas, and means over those of a step."""

import numpy as np
import tensorflow as tf


def local(variable: tf.Variable) -> np.ndarray:
    """Returns the value on the first replica of this process, without asking other processes.

    Call it in the scope of the strategy that the variable was created in.
    """
    return tf.distribute.get_strategy().experimental_local_results(variable)[0].numpy()


def mean(values):
    """Averages values over all replicas of the running step; with one replica, returns them.

    With it, the sum over one replica's pixels divided by the mean of the replicas' pixel counts is
    a loss whose mean over replicas is that of the whole batch.

    Args:
        values: A tensor, or a nested structure of tensors, of the same shapes on every replica.

    Returns:
        The same structure; the same values on every replica. With several replicas they pass no
        gradient: they are normalisers, gradients and statistics.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(
        tf.distribute.ReduceOp.MEAN, tf.nest.map_structure(tf.stop_gradient, values)
    )
