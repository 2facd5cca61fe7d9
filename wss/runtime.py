"""What a run stands on: seeds, precision and devices."""

import contextlib
import dataclasses
import functools
import os
import sys

import tensorflow as tf
import tf_keras as keras

from wss import cluster, replicas
from wss.datasets import python_calls

PRECISIONS = ('float32', 'mixed_bfloat16')
STRATEGIES = ('auto', 'one', 'mirrored', 'multi_worker', 'tpu')
# Between two looks at signals and values; at half a second a step well inside the 30 seconds that
# a preempted machine has left.
_MOST_STEPS_PER_EXECUTION = 20
LOST_STATUS = 75  # EX_TEMPFAIL of sysexits.h.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def set_seed(seed: int) -> None:
    """Makes initialisation and dropout a function of `seed`."""
    if not 0 <= seed < 2**32:
        raise ValueError(f'run.seed is {seed}; it must be 0 to {2**32 - 1}.')
    keras.utils.set_random_seed(seed)


def set_precision(precision: str) -> None:
    """Sets what layers compute in; weights, statistics, losses and pseudo labels stay float32.

    Args:
        precision: `float32`, or `mixed_bfloat16` for TPUs and for GPUs and CPUs that have it.

    Raises:
        ValueError: If it is neither.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'run.precision is {precision!r}; it can be one of {PRECISIONS}.')
    keras.mixed_precision.set_global_policy(precision)


@dataclasses.dataclass(frozen=True)
class Devices:
    """Where a run computes.

    Attributes:
        strategy: One of `STRATEGIES`. `auto` takes a TPU if one is named here or in `TPU_NAME`,
            several workers if `TF_CONFIG` lists them, all GPUs if there are several, else one
            device.
        tpu: Name or address of a TPU or pod, or `local` for that of this machine.
        replicas: How many GPUs of this machine to use, or, where it has none, how many logical
            devices to divide its CPU into; None for all GPUs or one CPU.
    """

    strategy: str = 'auto'
    tpu: str | None = None
    replicas: int | None = None


@functools.lru_cache(maxsize=1)  # A process can have one strategy of several devices only.
def make_strategy(devices: Devices) -> tf.distribute.Strategy:
    """Returns where variables live and steps run. Call it before any TensorFlow operation.

    Raises:
        ValueError: If the devices are not there, or `TF_CONFIG` is damaged.
    """
    if devices.strategy not in STRATEGIES:
        raise ValueError(f'--strategy is {devices.strategy!r}; it can be one of {STRATEGIES}.')
    if devices.replicas is not None and devices.replicas < 1:
        raise ValueError(f'--replicas is {devices.replicas}; it must be 1 or more.')
    if devices.tpu == '':  # Such as that of a shell's variable that is not set.
        raise ValueError('--tpu is empty; name a TPU, or leave it out.')
    tpu = devices.tpu or os.environ.get('TPU_NAME')
    gpus = tf.config.list_physical_devices('GPU')
    kind = devices.strategy
    if kind == 'auto':
        several = (devices.replicas or len(gpus)) > 1
        choices = {'tpu': tpu, 'multi_worker': len(cluster.workers()) > 1, 'mirrored': several}
        kind = next((choice for choice, holds in choices.items() if holds), 'one')
    if devices.tpu and kind != 'tpu':
        raise ValueError(f'--tpu is given with --strategy {kind}; leave one of them out.')
    if devices.replicas and kind in ('tpu', 'multi_worker', 'one') and devices.replicas > 1:
        raise ValueError(
            f'--replicas {devices.replicas} goes with --strategy mirrored, not with {kind}.'
        )
    if kind == 'multi_worker':
        return _multi_worker_strategy()
    os.environ.pop('TF_CONFIG', None)  # Whoever computes alone is no worker, and writes.
    if kind == 'tpu':
        return _tpu_strategy(tpu or 'local')
    if kind == 'mirrored':
        return tf.distribute.MirroredStrategy(_replica_devices(gpus, devices.replicas))
    return tf.distribute.get_strategy()


def _tpu_strategy(tpu):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
        if tpu != 'local':
            print(f'Waiting for the TPU {tpu}.', flush=True)
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = (str(error).splitlines() or ['no reason given'])[0].split('. ')[0]
        raise ValueError(
            f'The TPU {tpu!r} cannot be used: {reason}. Name one that is ready (--tpu NAME), or '
            '`local` on a TPU machine, with a TensorFlow for TPUs.'
        ) from error


def _multi_worker_strategy():
    if not cluster.workers():
        raise ValueError(
            '--strategy multi_worker needs the environment variable TF_CONFIG with the addresses '
            'of all workers and the index of this one.'
        )
    cluster.check()
    addresses = cluster.workers()
    if len(addresses) > 1:
        print(f'Waiting until all workers have started: {", ".join(addresses)}.', flush=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.UnavailableError, tf.errors.DeadlineExceededError) as error:
        _end_lost('Another worker', error)
    except (RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'Workers cannot be joined: {reason}. Is every address of TF_CONFIG that of its '
            'machine, and its port free?'
        ) from error


def _replica_devices(gpus, count):
    """Returns names of as many GPUs, or else of logical devices of the CPU."""
    if gpus:
        if count and count > len(gpus):
            raise ValueError(f'--replicas is {count}, but this machine has {len(gpus)} GPUs.')
        return [f'GPU:{i}' for i in range(count or len(gpus))]
    count = count or 1
    cpu = tf.config.list_physical_devices('CPU')[0]
    try:
        if len(tf.config.get_logical_device_configuration(cpu) or [0]) != count:
            part = tf.config.LogicalDeviceConfiguration()
            tf.config.set_logical_device_configuration(cpu, [part] * count)
    except RuntimeError as error:  # TensorFlow has started with another number.
        raise ValueError(
            f'The CPU cannot be divided into {count} devices after TensorFlow has computed '
            'something; make the strategy first.'
        ) from error
    return [f'CPU:{i}' for i in range(count)]


def check_input(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> None:
    """Makes sure that the machines of a TPU can make the batches, which they do without Python.

    TensorFlow sends calls of Python back to this process; on TPUs that was reported to fail, with
    what looks like a lost TPU (tensorflow issue 38762).

    Raises:
        ValueError: If other machines make the batches, and these need Python.
    """
    if not isinstance(strategy, tf.distribute.TPUStrategy):
        return
    jobs = {tf.DeviceSpec.from_string(name).job for name in strategy.extended.worker_devices}
    if jobs - {None, 'localhost'} and python_calls.has_python_calls(batches):
        raise ValueError(
            'The machines of this TPU make the batches by themselves, and the dataset makes or '
            'decodes its images in Python, which they do not have. Take one that wss.prepare '
            'built, or a TPU of one machine (--tpu local on it).'
        )


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes take part, each of which runs this program."""
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and len(cluster.workers()) > 1
    )


def mean_over_workers(strategy: tf.distribute.Strategy, value: float) -> float:
    """Returns the mean of a number over all workers, which all of them must ask for."""
    if not is_multi_worker(strategy):
        return value
    return float(_mean_function(strategy)(tf.constant(value, tf.float64)))


@functools.cache
def _mean_function(strategy):
    @tf.function
    def mean(value):
        result = strategy.run(replicas.mean, args=(value,))
        return strategy.experimental_local_results(result)[0]

    return mean


def check_workers_agree(strategy: tf.distribute.Strategy, step: int, workdir) -> None:
    """Makes sure that all workers go on from the same checkpoint.

    Raises:
        ValueError: If they do not, which means that they do not see the same folder.
    """
    mean = mean_over_workers(strategy, float(step))
    # The mean may be the step of one of them; all are to end with the same sentence.
    if mean_over_workers(strategy, float(mean != step)):
        raise ValueError(
            f'Workers disagree: here {workdir} holds a run at step {step}, elsewhere another. All '
            'workers need the same folder, on a shared file system or gs://.'
        )


@contextlib.contextmanager
def company(strategy: tf.distribute.Strategy):
    """Ends the program with status 75 if another worker or the TPU is lost inside a `with`.

    Launchers know 75 as a failure that passes: all workers are to be started again.
    """
    try:
        yield
    except _LOST as error:
        if not is_multi_worker(strategy) and not isinstance(strategy, tf.distribute.TPUStrategy):
            raise
        is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
        _end_lost('The TPU' if is_tpu else 'Another worker', error)


def _end_lost(what, error):
    """Says what was lost, and ends with the status for it."""
    reason = str(error).strip().splitlines()[0]
    print(
        f'{what} was lost: {reason}\nStart all workers again with the same command; the run goes '
        'on from its last checkpoint.',
        file=sys.stderr,
        flush=True,
    )
    raise SystemExit(LOST_STATUS) from error


def steps_per_execution(strategy: tf.distribute.Strategy, wanted: int | None, marks) -> int:
    """Returns how many steps to run between two looks at them.

    Args:
        strategy: Where steps run.
        wanted: The number, or None for 1 on CPUs, and elsewhere for what divides all marks, at
            most 20.
        marks: Steps after which something is to happen, or to happen again and again.

    Raises:
        ValueError: If a mark is no multiple of the wanted number.
    """
    marks = [mark for mark in marks if mark]
    if wanted is not None:
        odd = [mark for mark in marks if mark % wanted]
        if odd:
            raise ValueError(
                f'run.steps_per_execution is {wanted}, and something is to happen at step '
                f'{odd[0]}, which is no multiple of it; change it, or run.steps, log_every, '
                'evaluate_every, checkpoint_every or picture_every.'
            )
        return wanted
    has_gpu = tf.config.list_logical_devices('GPU')
    if not has_gpu and not isinstance(strategy, tf.distribute.TPUStrategy):
        return 1
    numbers = range(_MOST_STEPS_PER_EXECUTION, 0, -1)
    return next(n for n in numbers if not any(mark % n for mark in marks))
