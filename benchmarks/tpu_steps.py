"""Checks whether the steps of an experiment would run on a TPU, and writes them for its compiler.

    python benchmarks/tpu_steps.py --gin_file experiments/paper/voc_4_pseudoseg_xception_65.gin \\
        --replicas 64 --gin_param "Compute.precision = 'mixed_bfloat16'" --export programs

Builds the training and the evaluation step of the experiment for one of `--replicas` cores, at its
crop (both of them), and reports what a TPU would not run. Nothing is trained, and no data is read.
`--export` writes each step as a serialised program of XLA, which `tpu_compile.py` compiles;
docs/tpu.md has the results.
"""

import argparse
import pathlib
import sys

import gin
import tensorflow as tf
from readiness import problems, trace
from run_cost import batch_spec

from wss.configuration import gin_files
from wss.devices import strategies


def make_steps(files: list[str], params: list[str], replicas: int) -> dict:
    """Builds the steps of an experiment.

    Returns:
        By name the step, a `tf.function`, and one replica's part of a batch, all zeros.

    Raises:
        ValueError: If a batch cannot be divided evenly among the replicas.
    """
    gin_files.parse(files, params)
    settings = gin.get_bindings('experiment.run')
    strategies.set_precision(settings.get('precision', 'float32'))
    sizes = [
        _share(settings, f'{role}_batch_size', replicas) for role in ('labelled', 'unlabelled')
    ]
    scored = _share(settings, 'evaluation_batch_size', replicas)
    info, crop = settings['make_dataset']().info, settings['make_views']().crop_size
    network = settings['make_network'](
        num_classes=info.num_classes, num_image_classes=info.num_image_classes
    )
    method = settings['make_method'](network, info)
    method.build_variables((65, 65))  # The variables are the same for every crop.
    method.compile(optimizer=settings['make_optimizer'](steps=settings['steps']))
    method.optimizer.build(method.trainable_variables)
    labelled = batch_spec(info, crop, scored)['labelled']
    parts = {
        'train': (method.train_step, batch_spec(info, crop, *sizes)),
        'evaluate': (method.test_step, {name: labelled[name] for name in ('image', 'label')}),
    }
    return {
        name: (
            tf.function(step, jit_compile=True, autograph=False),
            tf.nest.map_structure(lambda part: tf.zeros(part.shape, part.dtype), spec),
        )
        for name, (step, spec) in parts.items()
    }


def _share(settings, name, replicas):
    size = settings.get(name, 8)
    if size % replicas:
        raise ValueError(f'run.{name} = {size} cannot be divided among {replicas} replicas.')
    return size // replicas


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--gin_file', action='append', required=True, help='an experiment')
    parser.add_argument('--gin_param', action='append', default=[], help='a setting')
    parser.add_argument('--replicas', type=int, default=8, help='cores that share a batch')
    parser.add_argument('--export', type=pathlib.Path, help='folder to write the programs to')
    arguments = parser.parse_args()
    try:
        steps = make_steps(arguments.gin_file, arguments.gin_param, arguments.replicas)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    ready = True
    for name, (step, batch) in steps.items():
        program = trace(step, batch)
        found = problems(program)
        ready = ready and not found
        print(f'{name}: {"not ready" if found else "ready"}; operations: {", ".join(program.ops)}')
        for line in found:
            print(f'  {line}')
        if arguments.export:
            arguments.export.mkdir(parents=True, exist_ok=True)
            serialised = step.experimental_get_compiler_ir(batch)(stage='hlo_serialized')
            (arguments.export / f'{name}.hlo').write_bytes(serialised)
    sys.exit(0 if ready else 1)


if __name__ == '__main__':
    main()
