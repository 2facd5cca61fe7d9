"""Whether a step could run on a TPU, told without one; see `docs/tpu.md`.

A step is traced once for XLA. Its operations must have shapes that are known from the shapes of the
batch, and kernels for the types that they are used with in the part of TensorFlow that compiles for
TPUs; the program that XLA makes of it must have neither a dynamic dimension nor a call out of it.
"""

import dataclasses
import functools
import pathlib
import re

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework import kernels

# The operations of functions that are called are looked at themselves.
_NO_KERNEL_NEEDED = {'NoOp', 'PartitionedCall', 'StatefulPartitionedCall'}
# Handles are no data. The texts of assertions are left out of the program, and so are these.
_WITHOUT_DATA = {types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT}
_TEXTS = {'Const', 'Assert'}
# There are kernels for double precision, but TPUs have none in hardware: a mistake in a step.
_UNWANTED = {types_pb2.DT_DOUBLE}
# Working memory of the batch norm of GPUs, which its own gradient alone reads; empty elsewhere.
_WORKSPACE = ('FusedBatchNormV3', 5)
_WORKSPACE_INPUT = re.compile(r'batch_?norm.*(:5|:reserve_space_3:0)$', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Program:
    """A step as XLA gets it.

    Attributes:
        nodes: Operations of the graph and of all functions in it, with `_output_shapes`.
        hlo: The program as text, before any backend has optimised it.
    """

    nodes: list
    hlo: str

    @property
    def ops(self) -> list[str]:
        """The types of the operations, each once, sorted."""
        return sorted({node.op for node in self.nodes} - {'Placeholder', *_NO_KERNEL_NEEDED})


def trace(step, *arguments) -> Program:
    """Traces a step for XLA.

    Args:
        step: A `tf.function` with `jit_compile=True`.
        arguments: What it is called with: tensors in any structure, or each a `tf.TensorSpec`.

    Raises:
        Exception: If XLA refuses it; the kind differs between versions of TensorFlow.
    """
    nodes = graph_nodes(step, *arguments)
    return Program(nodes, step.experimental_get_compiler_ir(*arguments)(stage='hlo'))


def graph_nodes(step, *arguments) -> list:
    """Returns the operations of a `tf.function` and of all functions that it calls."""
    graph = step.get_concrete_function(*arguments).graph.as_graph_def(add_shapes=True)
    return [*graph.node, *(node for f in graph.library.function for node in f.node_def)]


def problems(program: Program) -> list[str]:
    """Says what a TPU would not run, a line for each; empty if the step is ready."""
    return [
        *dynamic_shapes(program.nodes),
        *missing_kernels(program.nodes),
        *(f'The program has a dynamic dimension: {shape}.' for shape in _dynamic(program.hlo)),
        *(f'The program calls {name} outside of it.' for name in _calls(program.hlo)),
    ]


def dynamic_shapes(nodes) -> list[str]:
    """Says which outputs of operations have a shape that is not known before the step runs."""
    found = []
    for node in nodes:
        for i, shape in enumerate(node.attr['_output_shapes'].list.shape):
            static = not shape.unknown_rank and all(side.size >= 0 for side in shape.dim)
            if not static and not _is_workspace(node, i):
                found.append(f'Output {i} of {node.op} {node.name} has no static shape.')
    return found


def _is_workspace(node, output):
    if node.op == 'ZerosLike':  # Stands for the gradient of the workspace; nobody reads it.
        return bool(_WORKSPACE_INPUT.search(node.input[0]))
    return (node.op, output) == _WORKSPACE


def missing_kernels(nodes) -> list[str]:
    """Says which operations have no kernel for TPUs with the types that they are used with."""
    found = []
    for node in nodes:
        if node.op in _NO_KERNEL_NEEDED:
            continue
        if node.op not in tpu_kernels():
            found.append(f'{node.op} {node.name} has no kernel.')
            continue
        reasons = [_unfit(node, kernel) for kernel in tpu_kernels()[node.op]]
        if all(reasons):
            found.append(f'{node.op} {node.name} has no kernel for {reasons[0]}.')
    return found


def _unfit(node, kernel):
    """Returns the first types of a node that a kernel does not take, as text, or None."""
    for name, allowed in kernel.items():
        attribute = node.attr[name]
        types = {attribute.type} if attribute.type else set(attribute.list.type)
        if not types <= allowed:
            wrong = ', '.join(types_pb2.DataType.Name(value) for value in sorted(types - allowed))
            return f'{name} = {wrong}'
    return None


@functools.cache
def tpu_kernels() -> dict[str, list[dict[str, set[int]]]]:
    """Returns the kernels that compile for TPUs, by operation: allowed types by attribute.

    TensorFlow registers a kernel of XLA for all backends unless it names some. The backend of TPUs
    itself is only in builds for TPU machines, so what counts here is what the two backends of this
    build share, with the types that `tpu_defs.h` of this build gives to the backend of TPUs.
    """
    tf.function(lambda: tf.zeros([]), jit_compile=True)()  # The first use registers them.
    by_backend = {'XLA_CPU_JIT': {}, 'XLA_GPU_JIT': {}}
    for kernel in kernels.get_all_registered_kernels().kernel:
        if kernel.device_type in by_backend:
            by_backend[kernel.device_type].setdefault(kernel.op, []).append(kernel)
    on_tpu = tpu_types() - _UNWANTED | _WITHOUT_DATA
    return {
        'Placeholder': [{'dtype': on_tpu}],  # An argument of the step.
    } | {
        op: [
            {
                constraint.name: set(constraint.allowed_values.list.type)
                & (on_tpu | {types_pb2.DT_STRING} if op in _TEXTS else on_tpu)
                for constraint in kernel.constraint
            }
            for kernel in registered
        ]
        for op, registered in by_backend['XLA_CPU_JIT'].items()
        if op in by_backend['XLA_GPU_JIT']
    }


def tpu_types() -> set[int]:
    """Returns the data types of TensorFlow's backend for TPUs, as its header lists them."""
    header = pathlib.Path(tf.sysconfig.get_include(), 'tensorflow/core/tpu/tpu_defs.h').read_text()
    (listed,) = re.findall(r'kTpuAllTypes\s*=\s*\{(.*?)\};', header, re.DOTALL)
    return {types_pb2.DataType.Value(name) for name in re.findall(r'DT_\w+', listed)}


def _dynamic(hlo):
    return sorted(set(re.findall(r'\w+\[[\d,]*<=[\d,<=]*\]', hlo)))


def _calls(hlo):
    targets = re.findall(r'custom_call_target="([^"]*)"', hlo)
    return sorted({*targets, *re.findall(r' (infeed|outfeed|send|recv)\(', hlo)})
