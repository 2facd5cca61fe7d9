"""One call of training or evaluation: one or several steps, on all replicas."""

import tensorflow as tf


def train_function(method):
    """Makes the function that `fit` calls repeatedly.

    Args:
        method: A compiled `Method`. A call runs `steps_per_execution` steps; with `jit_compile` XLA
            compiles the step.

    Returns:
        A `tf.function` from an iterator of batches to float32 arrays `[steps]`: every value that
        `train_step` returns, by name, and `input_wait`, the seconds that a batch took to arrive.
        With several steps a call, batches are requested while the device still computes, so this
        is an upper bound of the time that it waits.
    """
    strategy = method.distribute_strategy
    step = tf.autograph.experimental.do_not_convert(method.train_step)
    if method.jit_compile:
        step = tf.function(step, jit_compile=True)
    names = []  # Filled when the step is traced.

    @tf.autograph.experimental.do_not_convert
    def one_step(iterator):
        batch, waited = _timed_next(iterator, strategy)
        # Every replica returns the same values.
        values = tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0],
            strategy.run(step, args=(batch,)),
        )
        values['input_wait'] = waited
        names[:] = sorted(values)
        return tf.stack([values[name] for name in names])

    def columns(rows):
        return {name: rows[:, i] for i, name in enumerate(names)}

    def single(iterator):
        return columns(one_step(iterator)[tf.newaxis])

    def several(iterator):
        steps = tf.cast(method._steps_per_execution, tf.int32)
        rows = tf.TensorArray(tf.float32, size=steps)
        for i in tf.range(steps):
            rows = rows.write(i, one_step(iterator))
        return columns(rows.stack())

    return tf.function(several if _several(method) else single)


def test_function(method):
    """Makes the function that `evaluate` calls repeatedly: `test_step` on some batches."""
    step = tf.autograph.experimental.do_not_convert(method.test_step)
    if method.jit_compile:
        step = tf.function(step, jit_compile=True)

    @tf.autograph.experimental.do_not_convert
    def single(iterator):
        method.distribute_strategy.run(step, args=(next(iterator),))
        return {}

    def several(iterator):
        for _ in tf.range(method._steps_per_execution):
            single(iterator)
        return {}

    return tf.function(several if _several(method) else single)


def _several(method):
    return int(method._steps_per_execution.numpy()) > 1


def _timed_next(iterator, strategy):
    """Returns the next batch and how many seconds it took to arrive."""
    start = tf.timestamp()
    with tf.control_dependencies([start]):
        batch = next(iterator)
    parts = [
        part
        for value in tf.nest.flatten(batch)
        for part in strategy.experimental_local_results(value)
    ]
    with tf.control_dependencies(parts):
        waited = tf.timestamp() - start
    return batch, tf.cast(waited, tf.float32)
