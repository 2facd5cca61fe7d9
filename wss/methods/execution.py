"""One call of training: some steps in a row, on all replicas, with the time that input took."""

import tensorflow as tf


def train_function(method):
    """Makes the function that `fit` calls again and again.

    Args:
        method: A compiled `Method`. It takes as many steps a call as `steps_per_execution` says;
            with `jit_compile` XLA compiles the step.

    Returns:
        A `tf.function` from an iterator of batches to float32 arrays `[steps]`: every value that
        `train_step` returns, by name, and `input_wait`, seconds from asking for a batch to having
        it. With several steps a call, batches are asked for while the device still computes, and
        the time is an upper bound of what it waits.
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

    return tf.function(several if int(method._steps_per_execution.numpy()) > 1 else single)


def _timed_next(iterator, strategy):
    """Returns the next batch and how many seconds it took to come."""
    asked = tf.timestamp()
    with tf.control_dependencies([asked]):
        batch = next(iterator)
    parts = [
        part
        for value in tf.nest.flatten(batch)
        for part in strategy.experimental_local_results(value)
    ]
    with tf.control_dependencies(parts):
        waited = tf.timestamp() - asked
    return batch, tf.cast(waited, tf.float32)
