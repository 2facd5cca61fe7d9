"""What efficiency to expect of an experiment on 8, 32 and 256 cores, computed and not measured.

    python benchmarks/scaling_model.py --gin_file experiments/paper/voc_4_pseudoseg_xception_65.gin

The step of the experiment is built and counted: floating-point operations of a pair (a labelled
and an unlabelled image), bytes of its variables that replicas average, bytes of its batches. A step
then takes the time of its operations at an assumed share of the peak, and after that the time of
one ring all-reduce through the slowest link of the ring; nothing overlaps. docs/scaling.md has the
assumptions and their sources.
"""

import argparse
import dataclasses
import json

import gin
import tensorflow as tf
from run_cost import batch_spec, measure
from scaling import reduced_bytes

_LOSSES = 5  # Supervised, SGC, classification, consistency and their sum.


@dataclasses.dataclass(frozen=True)
class Machine:
    """One replica is a core of a TPU, or a GPU.

    Attributes:
        name: Name.
        peak: Floating-point operations a second of a replica, bfloat16.
        replicas_per_host: Replicas of one host.
        inside: Bytes a second, each way, of the slowest link of a ring inside a host.
        between: The same of a ring through several hosts.
        latency: Seconds of one message between neighbours of the ring.
        host_cores: Physical cores of a host.
    """

    name: str
    peak: float
    replicas_per_host: int
    inside: float
    between: float
    latency: float
    host_cores: int


MACHINES = (
    Machine('TPU v2', 22.5e12, 8, 62e9, 62e9, 2e-6, 48),
    Machine('TPU v3', 61.5e12, 8, 82e9, 82e9, 2e-6, 48),
    Machine('A100, 100 Gbit/s', 312e12, 8, 300e9, 12.5e9, 1e-5, 48),
    Machine('A100, 1.6 Tbit/s', 312e12, 8, 300e9, 200e9, 1e-5, 48),
)


@dataclasses.dataclass(frozen=True)
class Work:
    """What a step asks for.

    Attributes:
        flops: Floating-point operations of a pair of images.
        reduced: Bytes that every replica gives to the averages of a step.
        decoded: Bytes of a pair on its way from a host to a replica.
        host_seconds: Time of a host's core to make a pair.
    """

    flops: float
    reduced: float
    decoded: float
    host_seconds: float


def expected(work: Work, machine: Machine, replicas: int, pairs: int, utilisation: float) -> dict:
    """Computes the expected time of a step and what it asks of a host.

    Args:
        work: What a step asks for.
        machine: Where it runs.
        replicas: How many replicas there are.
        pairs: Pairs of images a replica.
        utilisation: Share of the peak that the operations reach, in (0, 1].

    Returns:
        Seconds of a step: `compute`, `reduce`, `input` (if all cores of a host make pairs) and
        `step`, the longer of input and the sum of the others; `efficiency`, the rate beside that of
        as many replicas that wait for nothing; `pairs_per_second`; and what every host needs to
        keep up with compute and all-reduce: `host_cores` and `host_bytes`, bytes a second.
    """
    hosts = -(-replicas // machine.replicas_per_host)
    link = machine.inside if hosts == 1 else min(machine.inside, machine.between)
    compute = pairs * work.flops / (machine.peak * utilisation)
    # Each part of the bytes goes round twice, once to be summed and once to be given out.
    messages = 2 * (replicas - 1)
    reduce = messages * (work.reduced / replicas / link + machine.latency)
    of_host = pairs * min(replicas, machine.replicas_per_host)
    host = of_host * work.host_seconds / machine.host_cores
    step = max(compute + reduce, host)
    return {
        'compute': compute,
        'reduce': reduce,
        'input': host,
        'step': step,
        'efficiency': compute / step,
        'pairs_per_second': replicas * pairs / step,
        'host_cores': of_host * work.host_seconds / (compute + reduce),
        'host_bytes': of_host * work.decoded / (compute + reduce),
    }


def plans(batch: int) -> dict[str, list[tuple[int, int]]]:
    """Returns replicas and pairs a replica: 4 a replica as the authors, and one whole batch."""
    return {
        'weak': [(replicas, 4) for replicas in (8, 32, 256)],
        'strong': [(replicas, batch // replicas) for replicas in (8, 32, 64) if replicas <= batch],
    }


def count(arguments) -> tuple[Work, dict]:
    """Counts what a step of the experiment asks for; returns it and the cost of the run."""
    cost = measure([arguments.gin_file], arguments.gin_param)
    settings = gin.get_bindings('experiment.run')
    info, crop = settings['make_dataset']().info, settings['make_views']().crop_size
    network = settings['make_network'](
        num_classes=info.num_classes, num_image_classes=info.num_image_classes
    )
    method = settings['make_method'](network, info)
    method.build_variables((65, 65))
    spec = batch_spec(info, crop)
    if not method.needs_unlabelled:
        del spec['unlabelled']
    decoded = sum(s.shape.num_elements() * s.dtype.size for s in tf.nest.flatten(spec))
    reduced = reduced_bytes(method, _LOSSES)['total']
    flops = cost['flops_per_image_pair']
    return Work(flops, reduced, decoded, arguments.input_ms / 1e3), cost


def show(results: dict) -> None:
    """Prints the results as Markdown."""
    work = results['work']
    print(
        f'A pair: {work["flops"] / 1e9:,.0f} GFLOP, {work["decoded"] / 1e6:.1f} MB decoded, '
        f'{1e3 * work["host_seconds"]:.1f} ms of a core. '
        f'A step: {work["reduced"] / 1e6:.1f} MB reduced.'
    )
    for plan, rows in results['plans'].items():
        print(f'\n{plan} scaling\n')
        print(
            '| | replicas | pairs a replica, in all | compute ms | all-reduce ms | efficiency '
            '| pairs/s | hours | host cores | host GB/s |\n' + '|---' * 10 + '|'
        )
        for row in rows:
            print(
                f'| {row["machine"]} | {row["replicas"]} | {row["pairs"]}, '
                f'{row["replicas"] * row["pairs"]:,} | {1e3 * row["compute"]:.1f} '
                f'| {1e3 * row["reduce"]:.1f} | {row["efficiency"]:.1%} '
                f'| {row["pairs_per_second"]:,.0f} | {row["hours"]:.2f} '
                f'| {row["host_cores"]:.1f} | {row["host_bytes"] / 1e9:.1f} |'
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--gin_file', required=True, help='an experiment')
    parser.add_argument('--gin_param', action='append', default=[], help='a setting')
    parser.add_argument('--utilisation', type=float, default=0.3, help='share of the peak')
    parser.add_argument(
        '--input_ms', type=float, default=18.0, help='time of a core to make a pair, see input.py'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    arguments = parser.parse_args()
    if not 0 < arguments.utilisation <= 1:
        parser.error('--utilisation must be above 0 and at most 1')
    try:
        work, cost = count(arguments)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    found = {
        plan: [
            {'machine': machine.name, 'replicas': replicas, 'pairs': pairs}
            | expected(work, machine, replicas, pairs, arguments.utilisation)
            for machine in MACHINES
            for replicas, pairs in chosen
        ]
        for plan, chosen in plans(cost['batch']).items()
    }
    for row in (row for rows in found.values() for row in rows):
        row['hours'] = cost['steps'] * cost['batch'] / row['pairs_per_second'] / 3600
    results = {'work': dataclasses.asdict(work), 'cost': cost, 'plans': found}
    if arguments.json:
        print(json.dumps(results))
    else:
        show(results)


if __name__ == '__main__':
    main()
