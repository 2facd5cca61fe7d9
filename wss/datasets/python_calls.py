"""Whether a dataset calls back into Python, for which it needs the process that made it."""

import tensorflow as tf

_OPS = {'PyFunc', 'PyFuncStateless', 'EagerPyFunc'}


def has_python_calls(dataset: tf.data.Dataset) -> bool:
    """Whether any function of a dataset is Python's (`tf.numpy_function` and the like)."""
    variant = tf.data.experimental.to_variant(dataset)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1).numpy()
    graph = tf.compat.v1.GraphDef.FromString(text)
    functions = (function.node_def for function in graph.library.function)
    return any(node.op in _OPS for nodes in (graph.node, *functions) for node in nodes)
