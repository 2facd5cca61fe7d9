"""Whether the machines of a TPU can make the batches, which they do without Python."""

import tensorflow as tf

_OPS = {'PyFunc', 'PyFuncStateless', 'EagerPyFunc'}


def has_python_calls(dataset: tf.data.Dataset) -> bool:
    """Whether a dataset calls Python (`tf.numpy_function` and the like)."""
    variant = tf.data.experimental.to_variant(dataset)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1).numpy()
    graph = tf.compat.v1.GraphDef.FromString(text)
    functions = (function.node_def for function in graph.library.function)
    return any(node.op in _OPS for nodes in (graph.node, *functions) for node in nodes)


def check(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> None:
    """Checks that the machines of a TPU can make the batches, which they do without Python.

    TensorFlow sends calls of Python back to this process; on TPUs that was reported to fail, with
    what looks like a lost TPU (tensorflow issue 38762).

    Raises:
        ValueError: If other machines make the batches, and these need Python.
    """
    if not is_tpu(strategy):
        return
    jobs = {tf.DeviceSpec.from_string(name).job for name in strategy.extended.worker_devices}
    if jobs - {None, 'localhost'} and has_python_calls(batches):
        raise ValueError(
            'The machines of this TPU make the batches without Python, but the dataset makes or '
            'decodes its images in Python. Use a dataset that wss.prepare built, or a TPU of one '
            'machine (--tpu local on that machine).'
        )


def check_shapes(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> None:
    """Checks that batches of whole images have the one shape that a TPU needs.

    Raises:
        ValueError: If the strategy is one of TPUs and they differ.
    """
    shapes = [spec.shape for spec in tf.nest.flatten(batches.element_spec)]
    if is_tpu(strategy) and not all(shape.is_fully_defined() for shape in shapes):
        raise ValueError(
            'The images to evaluate differ in size, and a TPU needs batches of one size: set '
            'Validation.size to a height and width that hold all of them (and leave Data.long_side '
            'None, which scores each image at its own size).'
        )


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy computes on TPUs."""
    return isinstance(strategy, tf.distribute.TPUStrategy)
