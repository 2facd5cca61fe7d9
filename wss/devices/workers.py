"""The workers of a run, as the environment variable `TF_CONFIG` lists them."""

import contextlib
import functools
import json
import os
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from wss.devices import replicas

_ROLES = ('chief', 'worker')


def addresses() -> list[str]:
    """Returns the addresses of the workers that `TF_CONFIG` lists, the chief first.

    Raises:
        ValueError: If it is damaged.
    """
    cluster, _ = _read_cluster()
    return [address for role in _ROLES for address in cluster.get(role, [])]


def is_chief() -> bool:
    """Whether this process writes the shared files: the first of `TF_CONFIG`, or the only one."""
    cluster, task = _read_cluster()
    if len(addresses()) < 2:
        return True
    first = 'chief' if cluster.get('chief') else 'worker'
    return (task.get('type'), int(task.get('index', 0))) == (first, 0)


def check():
    """Refuses a `TF_CONFIG` with which workers would fail, or wait for each other without end.

    Raises:
        ValueError: If it is damaged.
    """
    cluster, task = _read_cluster()
    listed, role, index = addresses(), task.get('type'), task.get('index')
    ports = [re.fullmatch(r'.+:(\d{1,5})', str(address)) for address in listed]
    bad = next((a for a, port in zip(listed, ports, strict=True) if not port), None)
    twice = next((a for a in listed if listed.count(a) > 1), None)
    count = len(cluster.get(role) or []) if role in _ROLES else 0
    if bad is not None:
        fault = f'the address {bad!r} is not of the form host:port'
    elif twice is not None:
        fault = f'the address {twice!r} is listed twice'
    elif len(cluster.get('chief', [])) > 1:
        fault = 'there can be only one chief'
    elif not count:
        fault = f'task.type is {role!r}, which the cluster does not list; give chief or worker'
    elif index is None or not 0 <= index < count:
        fault = f'task.index is {index}; it must be 0 to {count - 1}, one for each {role}'
    else:
        return
    raise ValueError(f'The environment variable TF_CONFIG is damaged: {fault}.')


def _read_cluster():
    """Returns addresses by role, and the role and number of this process, of `TF_CONFIG`."""
    text = os.environ.get('TF_CONFIG') or '{}'
    try:
        content = json.loads(text)
        cluster, task = content.get('cluster') or {}, content.get('task') or {}
        if not all(isinstance(cluster.get(role, []), list) for role in _ROLES):
            raise TypeError('no lists')
        # TensorFlow takes a number in quotes too.
        whole = {**task, 'index': int(task['index'])} if 'index' in task else {**task}
        return cluster, whole
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f'The environment variable TF_CONFIG is damaged: {text[:300]!r}.'
        ) from error


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes take part, each of which runs this program."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and len(addresses()) > 1


def mean_over_workers(strategy: tf.distribute.Strategy, value: float) -> float:
    """Returns the mean of a number over all workers; every worker must call this."""
    if not is_multi_worker(strategy):
        return value
    return float(_mean_function(strategy)(tf.constant(value, tf.float64)))


def compare(strategy: tf.distribute.Strategy, values: Mapping[str, str]) -> None:
    """Checks that all workers have the same values; every worker must call this.

    Args:
        strategy: Where they compute.
        values: Texts by the name that an error gives them, such as settings.

    Raises:
        ValueError: If they differ; on every worker, with the same sentence.
    """
    if not is_multi_worker(strategy):
        return
    content = [json.loads(text) for text in _gathered(strategy, json.dumps(dict(values)))]
    names = sorted({name for one in content for name in one})
    differing = [name for name in names if len({one.get(name) for one in content}) > 1]
    if differing:
        shown = '; '.join(_difference(name, content) for name in differing[:5])
        more = f'; and {len(differing) - 5} more' if len(differing) > 5 else ''
        raise ValueError(
            f'The workers of this run differ: {shown}{more}. Start all of them with the same '
            'command, program and files.'
        )


def _difference(name, content):
    """Describes which worker has another value than the first."""
    first = content[0].get(name, 'not set')
    i, other = next(
        (i, one.get(name, 'not set'))
        for i, one in enumerate(content)
        if one.get(name, 'not set') != first
    )
    return f'{name} is {_short(first)} on worker 0 and {_short(other)} on worker {i}'


def _short(text):
    return text if len(text) <= 100 else f'{text[:97]}...'


def _gathered(strategy, text):
    """Returns the texts of all workers, in the order of `addresses`."""
    count, own = len(addresses()), _index()
    content = np.frombuffer(text.encode(), np.uint8)
    lengths = np.zeros([count])
    lengths[own] = len(content)
    lengths = _sum_over_workers(strategy, lengths)
    table = np.zeros([count, lengths.max()])
    table[own, : len(content)] = content
    table = _sum_over_workers(strategy, table).astype(np.uint8)
    return [bytes(row[:size]).decode() for row, size in zip(table, lengths, strict=True)]


def _sum_over_workers(strategy, values):
    """Sums float64 values that are whole numbers over all workers; returns them as int64."""
    mean = _mean_function(strategy)(tf.constant(values, tf.float64))
    return np.rint(mean.numpy() * len(addresses())).astype(np.int64)


def _index():
    """Returns the position of this process in `addresses`."""
    cluster, task = _read_cluster()
    index = int(task.get('index', 0))
    return index + (len(cluster.get('chief', [])) if task.get('type') == 'worker' else 0)


@functools.cache
def _mean_function(strategy):
    @tf.function
    def mean(value):
        result = strategy.run(replicas.mean, args=(value,))
        return strategy.experimental_local_results(result)[0]

    return mean


@contextlib.contextmanager
def all_or_none(strategy: tf.distribute.Strategy):
    """Ends every worker if one of them fails inside a `with`; every worker must enter it.

    Without it, the others would take a worker that refuses its settings for a lost one.

    Raises:
        ValueError: If another worker failed.
    """
    failure = None
    try:
        yield
    except Exception as error:
        failure = error
    failures = mean_over_workers(strategy, float(failure is not None))
    if failure is not None:
        raise failure
    if failures:
        raise ValueError('Another worker cannot take part; its own output has the reason.')


def check_workers_agree(strategy: tf.distribute.Strategy, step: int, workdir) -> None:
    """Checks that all workers resume from the same checkpoint.

    Raises:
        ValueError: If they do not, because they do not see the same folder.
    """
    mean = mean_over_workers(strategy, float(step))
    # The mean may be the step of one worker, but all must end with the same sentence.
    if mean_over_workers(strategy, float(mean != step)):
        raise ValueError(
            f'Workers disagree: here {workdir} holds a run at step {step}, on others at another '
            'step. All workers need the same folder, on a shared file system or gs://.'
        )
