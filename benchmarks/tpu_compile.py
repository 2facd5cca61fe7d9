"""Compiles programs for a TPU with its own compiler, on a machine without one.

    python -m venv tpu_compiler && tpu_compiler/bin/pip install 'jax[tpu]==0.10.2'
    tpu_compiler/bin/python benchmarks/tpu_compile.py programs/*.hlo --chip v5e:2x2

The programs are those that `tpu_steps.py --export` writes. The compiler is in the package libtpu,
which JAX calls; both are kept out of the project's own environment, and TensorFlow is not needed.
Says of each program whether it compiles for one core, and how much memory of that core it takes.
`--chip` is a kind of TPU and a layout of chips: v2:2x2, v3:2x2, v4:2x2x1, v5e:2x2, v5p:2x2x1.
"""

import argparse
import os
import pathlib
import re
import sys
import time

os.environ |= {
    'JAX_PLATFORMS': 'cpu',
    'TPU_SKIP_MDS_QUERY': '1',  # Else it asks the network what machine this is.
    'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',  # Nothing here is used up by a process.
}

import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jax.experimental import topologies
from jaxlib import _jax, xla_client


def as_module(serialised: bytes):
    """Returns a serialised `HloModuleProto` as the module that the compiler's client takes."""
    with mlir.make_ir_context():
        text = str(ir.Module.parse(_jax.mlir.hlo_to_stablehlo(serialised)))
        # StableHLO has no copy, with which XLA's programs end; a reshape to the same shape is one.
        copy = r'mhlo\.copy (%\w+)(?: \{[^}]*\})? : (.*)'
        return ir.Module.parse(re.sub(copy, r'stablehlo.reshape \1 : (\2) -> \2', text))


def compile_for(device, serialised: bytes):
    """Compiles a program for one core.

    Raises:
        jax.errors.JaxRuntimeError: If the compiler refuses it.
    """
    options = xla_client.CompileOptions()
    options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]], 'int32'))
    devices = xla_client.DeviceList((device,))
    return device.client.compile(as_module(serialised), devices, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('programs', nargs='+', type=pathlib.Path)
    parser.add_argument('--chip', default='v5e:2x2', help='kind and layout of the TPU')
    arguments = parser.parse_args()
    for path in arguments.programs:
        if not path.is_file():
            parser.error(f'there is no file {path}; tpu_steps.py --export writes programs')
    try:
        device = topologies.get_topology_desc(arguments.chip, 'tpu').devices[0]
    except (ValueError, _jax.JaxRuntimeError) as error:
        parser.error(f'--chip {arguments.chip} is not known to this libtpu: {error}')
    failed = False
    for path in arguments.programs:
        start = time.monotonic()
        try:
            compiled = compile_for(device, path.read_bytes())
        except _jax.JaxRuntimeError as error:
            failed = True
            print(f'{path} does not compile for {device.device_kind}: {error}')
            continue
        memory = compiled.get_compiled_memory_stats()
        needed = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            - memory.alias_size_in_bytes
            + memory.temp_size_in_bytes
            + memory.generated_code_size_in_bytes
        )
        seconds = time.monotonic() - start
        print(
            f'{path} compiles for {device.device_kind} in {seconds:.0f} s and takes '
            f'{needed / 2**30:.2f} GiB of a core: {memory.temp_size_in_bytes / 2**30:.2f} for what '
            f'it computes, {memory.argument_size_in_bytes / 2**30:.2f} for variables and batch.'
        )
    sys.exit(failed)


if __name__ == '__main__':
    main()
