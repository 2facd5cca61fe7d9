"""How fast one and two replicas train, and whether input or compute is the limit.

    python benchmarks/scaling.py [--gin_file experiments/shapes_pseudoseg.gin] [--json]
    python benchmarks/scaling.py --replicas 2 --batch 8

An experiment is measured with one replica, with two at the same batch, and with two at twice the
batch (the same a replica), each in a process of its own, since a process can divide its devices
once. `--replicas` measures one row alone. Each row has the images a second of three things:
training, the same steps on one batch that stays in memory, and the input pipeline alone. Replicas
are GPUs, or parts of the CPU without a GPU. Parts of a CPU share its cores, so two of them are not
faster than one; what they lose is the cost of replication. Nothing is kept.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from unittest import mock

from wss.configuration import gin_files
from wss.configuration.quiet import tf
from wss.devices.strategies import Devices
from wss.experiment import Experiment
from wss.training import loop

_UNCOUNTED = 4  # Executions that trace, and take what the input has made ahead.


def rows(batch: int) -> list[tuple[int, int]]:
    """Returns the rows that are measured by default: replicas and labelled images a step."""
    return [(1, batch), (2, batch), (2, 2 * batch)]


def reduced_bytes(method, losses: int) -> dict[str, int]:
    """Counts the bytes that every replica gives to the averages of one step.

    Args:
        method: A `Method` whose variables exist.
        losses: How many losses it has, their sum among them.

    Returns:
        Bytes of `gradients` (a variable that no loss reaches counts too), of `statistics` of batch
        norm, of `losses`, and in `total`. The pixel counts by which losses are divided, one number
        each, are left out, and so is what batch norm averages if it is synchronised.
    """
    mean = tf.VariableAggregation.MEAN
    counted = {
        'gradients': method.trainable_variables,
        'statistics': [v for v in method.non_trainable_variables if v.aggregation == mean],
    }
    sizes = {name: sum(map(_bytes, variables)) for name, variables in counted.items()}
    sizes['losses'] = losses * tf.float32.size
    return sizes | {'total': sum(sizes.values())}


def _bytes(variable):
    return variable.shape.num_elements() * variable.dtype.size


def limit(step: float, pipeline: float) -> str:
    """Returns what limits training, from the images a second of steps and of input alone."""
    return 'input' if pipeline < step else 'compute'


def time_calls(call, images: int, calls: int, repeats: int) -> dict:
    """Times calls of a function, after a few that do not count.

    Args:
        call: Returns how many seconds it waited for input.
        images: Images of one call.
        calls: Calls that are timed at once.
        repeats: How many times they are timed.

    Returns:
        Images a second (`rate`, the median, `least` and `most`); `milliseconds`, the CPU time of
        an image, on which other programs have little effect; and `waited`, the share of the
        time that was spent waiting.
    """
    for _ in range(_UNCOUNTED):
        call()
    rates, waited, total = [], 0.0, 0.0
    cpu = time.process_time()
    for _ in range(repeats):
        start = time.perf_counter()
        waited += sum(call() for _ in range(calls))
        seconds = time.perf_counter() - start
        total += seconds
        rates.append(calls * images / seconds)
    return {
        'rate': statistics.median(rates),
        'least': min(rates),
        'most': max(rates),
        'milliseconds': 1e3 * (time.process_time() - cpu) / (repeats * calls * images),
        'waited': min(1.0, waited / total),
    }


def measure_training(arguments, workdir, method, inputs, schedule, compute, notes, profile) -> dict:
    """Measures instead of `loop.train`, with its arguments."""
    del workdir, notes, profile
    strategy = method.distribute_strategy
    count = compute.steps_an_execution(strategy, schedule.intervals())
    method.compile(
        optimizer=method.optimizer, steps_per_execution=count, jit_compile=compute.jit_compile
    )
    function = method.make_train_function()
    names = []

    def batches(change=lambda dataset, replicas: dataset):
        def of_host(context):
            replicas = context.num_replicas_in_sync // context.num_input_pipelines
            return change(inputs.make_batches(0, context=context), replicas)

        return iter(strategy.distribute_datasets_from_function(of_host))

    def execution(iterator):
        values = {name: value.numpy() for name, value in function(iterator).items()}
        names[:] = sorted(values)
        return float(values['input_wait'].sum())

    def element(iterator):
        next(iterator)
        return 0.0

    def in_memory(dataset, replicas):
        return dataset.take(replicas).cache().repeat().prefetch(2 * replicas)

    calls = -(-arguments.steps // count)
    timed = functools.partial(time_calls, calls=calls, repeats=arguments.repeats)
    images = count * inputs.images_per_step
    results = {
        'training': timed(functools.partial(execution, batches()), images),
        'step': timed(functools.partial(execution, batches(in_memory)), images),
    }
    timed = functools.partial(timed, calls=calls * count)
    results['input'] = timed(functools.partial(element, batches()), inputs.images_per_step)
    losses = [name for name in names if name not in ('input_wait', 'gradient_norm')]
    return {
        'replicas': strategy.num_replicas_in_sync,
        'images_per_step': inputs.images_per_step,
        'steps_per_execution': count,
        **results,
        'limit': limit(results['step']['rate'], results['input']['rate']),
        'reduced_bytes': reduced_bytes(method, len(losses)),
    }


def measure_row(arguments) -> dict:
    """Measures an experiment in this process; returns the content of a row."""
    params = [
        *arguments.gin_param,
        f'Labelled.batch_size = {arguments.batch}',
        f'Unlabelled.batch_size = {arguments.batch}',
        'Validation.split = None',
    ]
    gin_files.parse([arguments.gin_file], params)
    experiment, devices = gin_files.build(Experiment), Devices(replicas=arguments.replicas)
    # `train` makes the parts as for any run, but then starts the measurement.
    measurement = functools.partial(measure_training, arguments)
    with (
        tempfile.TemporaryDirectory() as workdir,
        mock.patch.object(loop, 'train', measurement),
    ):
        return experiment.train(workdir, devices=devices)


def measure_rows(arguments) -> list[dict]:
    """Measures every row in a process of its own.

    Raises:
        SystemExit: If one fails, with its exit status.
    """
    found = []
    for replicas, batch in rows(arguments.batch):
        command = [sys.executable, __file__, '--json', '--gin_file', arguments.gin_file]
        for name in ('steps', 'repeats'):
            command += [f'--{name}', str(getattr(arguments, name))]
        for param in arguments.gin_param:
            command += ['--gin_param', param]
        command += ['--replicas', str(replicas), '--batch', str(batch)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        found += json.loads(done.stdout.splitlines()[-1])['rows']
    return found


def show(results: dict) -> None:
    """Prints the results as a table."""
    print(
        f'{results["gin_file"]}, {results["cores"]} cores; '
        'images a second (least to most), CPU ms of an image\n'
    )
    heads = ('training', 'step alone', 'input alone')
    print(f'{"replicas":>8}{"images":>8}' + ''.join(f'{h:>26}' for h in heads), end='')
    print(f'{"waiting":>9}{"limit":>9}{"MB reduced":>12}')
    for row in results['rows']:
        print(f'{row["replicas"]:8}{row["images_per_step"]:8}', end='')
        for name in ('training', 'step', 'input'):
            cell = '{rate:.0f} ({least:.0f} to {most:.0f}), {milliseconds:.1f}'.format(**row[name])
            print(f'{cell:>26}', end='')
        reduced = row['reduced_bytes']['total'] / 1e6 if row['replicas'] > 1 else 0.0
        print(f'{row["training"]["waited"]:9.1%}{row["limit"]:>9}{reduced:12.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--gin_file', default='experiments/shapes_pseudoseg.gin', help='an experiment'
    )
    parser.add_argument('--gin_param', action='append', default=[], help='a setting')
    parser.add_argument('--replicas', type=int, help='measure this number of replicas alone')
    parser.add_argument('--batch', type=int, default=8, help='labelled images; as many unlabelled')
    parser.add_argument('--steps', type=int, default=10, help='steps that are timed at once')
    parser.add_argument('--repeats', type=int, default=3, help='how many times they are timed')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    arguments = parser.parse_args()
    for name in ('batch', 'steps', 'repeats', 'replicas'):
        if (getattr(arguments, name) or name != 'replicas') and getattr(arguments, name) < 1:
            parser.error(f'--{name} must be 1 or more')
    try:
        found = [measure_row(arguments)] if arguments.replicas else measure_rows(arguments)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    results = {'gin_file': arguments.gin_file, 'cores': cores, 'rows': found}
    if arguments.json:
        print(json.dumps(results))
    else:
        show(results)


if __name__ == '__main__':
    main()
