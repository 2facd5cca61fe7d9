"""The devices of a run: where variables are stored and steps run."""

import contextlib
import dataclasses
import faulthandler
import functools
import os
import subprocess
import sys

import tensorflow as tf
import tf_keras as keras

from wss.devices import lost, workers
from wss.settings import ranges

_LONGEST_WAIT = 7 * 24 * 60  # Minutes.
STRATEGIES = ('auto', 'one', 'mirrored', 'multi_worker', 'tpu')


def set_seed(seed: int) -> None:
    """Makes initialisation and dropout a function of `seed`."""
    ranges.whole('Experiment.seed', seed, 0, ranges.SEEDS)
    keras.utils.set_random_seed(seed)


@dataclasses.dataclass(frozen=True)
class Devices:
    """Where a run computes.

    Attributes:
        strategy: One of `STRATEGIES`. `auto` takes a TPU if one is named here or in `TPU_NAME`,
            several workers if `TF_CONFIG` lists them, all GPUs if there are several, else one
            device.
        tpu: Name or address of a TPU or pod, or `local` for that of this machine.
        replicas: How many GPUs of this machine to use; without a GPU, into how many logical devices
            to divide its CPU. None for all GPUs, or one CPU.
        wait_minutes: How long a worker waits for the others to start.
    """

    strategy: str = 'auto'
    tpu: str | None = None
    replicas: int | None = None
    wait_minutes: float = 10.0


def only_one(devices: Devices, what: str) -> Devices:
    """Returns one device, for what cannot be divided.

    Raises:
        ValueError: If several devices, or a TPU, are asked for.
    """
    if devices.strategy not in ('auto', 'one') or devices.tpu or devices.replicas not in (None, 1):
        raise ValueError(f'{what} takes one device; leave out --strategy, --tpu and --replicas.')
    return Devices('one')


@functools.lru_cache(maxsize=1)  # A process can have one strategy of several devices only.
def make_strategy(devices: Devices) -> tf.distribute.Strategy:
    """Makes the strategy of a run. Call it before any TensorFlow operation.

    Raises:
        ValueError: If the devices are missing, or `TF_CONFIG` is damaged.
    """
    if devices.strategy not in STRATEGIES:
        raise ValueError(f'--strategy is {devices.strategy!r}; it can be one of {STRATEGIES}.')
    if devices.replicas is not None and devices.replicas < 1:
        raise ValueError(f'--replicas is {devices.replicas}; it must be 1 or more.')
    if devices.tpu == '':  # Such as an unset variable of a shell.
        raise ValueError('--tpu is empty; name a TPU, or leave it out.')
    tpu = devices.tpu or os.environ.get('TPU_NAME')
    gpus = tf.config.list_physical_devices('GPU')
    kind = devices.strategy
    if kind == 'auto':
        several = (devices.replicas or len(gpus)) > 1
        choices = {'tpu': tpu, 'multi_worker': len(workers.addresses()) > 1, 'mirrored': several}
        kind = next((choice for choice, holds in choices.items() if holds), 'one')
    if devices.tpu and kind != 'tpu':
        raise ValueError(f'--tpu is given with --strategy {kind}; leave one of them out.')
    if devices.replicas and kind in ('tpu', 'multi_worker', 'one') and devices.replicas > 1:
        raise ValueError(
            f'--replicas {devices.replicas} goes with --strategy mirrored, not with {kind}.'
        )
    if kind == 'multi_worker':
        if not 0 < devices.wait_minutes <= _LONGEST_WAIT:
            raise ValueError(
                f'--wait_minutes is {devices.wait_minutes}; it must be above 0 and at most '
                f'{_LONGEST_WAIT}.'
            )
        return _multi_worker_strategy(devices.wait_minutes)
    os.environ.pop('TF_CONFIG', None)  # A process that computes alone writes the files.
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


def _multi_worker_strategy(wait_minutes):
    if not workers.addresses():
        raise ValueError(
            '--strategy multi_worker needs the environment variable TF_CONFIG with the addresses '
            'of all workers and the index of this one.'
        )
    workers.check()
    addresses = workers.addresses()
    if len(addresses) > 1:
        print(f'Waiting until all workers have started: {", ".join(addresses)}.', flush=True)
    limit = _ends_after(wait_minutes, addresses) if len(addresses) > 1 else contextlib.nullcontext()
    try:
        with limit:
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.UnavailableError, tf.errors.DeadlineExceededError) as error:
        lost.end('Another worker', error)
    except (RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'Workers cannot be joined: {reason}. Is every address of TF_CONFIG that of its '
            'machine, and its port free?'
        ) from error


@contextlib.contextmanager
def _ends_after(minutes, addresses):
    """Ends the program with a sentence and status 1 if a `with` takes longer.

    TensorFlow waits in one call, during which no other thread of Python runs. `faulthandler` has a
    clock of its own, but prints nothing for users, so another process prints for it.
    """
    sentence = (
        f'Not all workers have started within {minutes:g} minutes: {", ".join(addresses)}. Start '
        'all of them within that time, or wait longer with --wait_minutes. If all have started, is '
        'every address of TF_CONFIG that of its machine, and its port reachable?'
    )
    program = 'import sys; sys.stdin.buffer.read() and print(sys.argv[1], file=sys.stderr)'
    command = [sys.executable, '-I', '-c', program, sentence]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        faulthandler.dump_traceback_later(60 * minutes, exit=True, file=process.stdin)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


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
