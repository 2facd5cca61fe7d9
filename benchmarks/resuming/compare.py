"""Compares two runs that must be the same: weights, scores, logs, and no file left over."""

import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from resuming.folder import newest

_MEASURED = ('speed/', 'memory/')  # Tags whose values differ with the machine and the hour.
# Not what is learned but which functions a process has built, such as that of evaluation.
_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_MOST = 5  # Differences that are listed.


def differences(whole: pathlib.Path, killed: pathlib.Path) -> dict[str, list[str]]:
    """Compares the folders of two runs.

    Args:
        whole: Folder of a run that was never ended.
        killed: Folder of one that was.

    Returns:
        What was compared, with how much of it there is, and what differs: nothing if it is equal.
    """
    found = {}
    for which in ('last', 'best'):
        expected, here = weights(whole, which), weights(killed, which)
        found[f'{which} checkpoint: {len(expected)} variables'] = _unequal(expected, here)
    for name in ('result.json', 'checkpoints/scores.json'):
        expected, here = _read(whole / name), _read(killed / name)
        found[name] = [] if expected == here else [f'{expected} became {here}']
    expected, here = points(whole), points(killed)
    found[f'{len(expected)} TensorBoard points'] = compare_points(expected, here)
    found['nothing left over'] = leftovers(killed)
    state = (_read(killed / 'run.json') or {}).get('state')
    found['run.json: finished'] = [] if state == 'finished' else [f'its state is {state}']
    return {name: _shortened(lines) for name, lines in found.items()}


def weights(workdir: pathlib.Path, which: str) -> dict:
    """Returns all that the newest checkpoint `last` or `best` holds, its step too, by name."""
    folder = workdir / 'checkpoints' / which
    step = newest(folder)
    if step < 0:
        return {}
    reader = tf.train.load_checkpoint(str(folder / f'ckpt-{step}'))
    found = {}
    for name in reader.get_variable_to_shape_map():
        if name == _GRAPH:
            continue
        value = reader.get_tensor(name)
        # Compare the bytes of numbers, so that NaN is equal to itself; the rest is text.
        is_array = isinstance(value, np.ndarray) and value.dtype != object
        found[name] = (value.dtype.name, value.shape, value.tobytes()) if is_array else value
    return found


def _unequal(expected, here):
    if not expected:
        return ['it is missing']
    lines = [f'{name} is missing' for name in sorted(expected.keys() - here.keys())]
    lines += [f'{name} is new' for name in sorted(here.keys() - expected.keys())]
    both = sorted(expected.keys() & here.keys())
    return lines + [f'{name} differs' for name in both if expected[name] != here[name]]


def points(workdir: pathlib.Path) -> dict[tuple[str, int], list[bytes]]:
    """Returns the values of all TensorBoard points by tag and step; two if it was written twice."""
    found = {}
    for path in sorted((workdir / 'events').rglob('*tfevents*')):  # What TensorBoard reads.
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                content = value.tensor.SerializeToString(deterministic=True)
                found.setdefault((value.tag, event.step), []).append(content)
    return found


def compare_points(expected: dict, here: dict) -> list[str]:
    """Lists points that are missing, new, doubled or changed; speed and memory may change."""
    if not expected:
        return ['all are missing']

    def lines(points, what):
        return [f'{tag} at step {step} {what}' for tag, step in sorted(points)]

    doubled = [point for point, values in here.items() if len(values) > 1]
    both = expected.keys() & here.keys()
    compared = [point for point in both if not point[0].startswith(_MEASURED)]
    other = [point for point in compared if here[point][0] != expected[point][0]]
    return [
        *lines(expected.keys() - here.keys(), 'is missing'),
        *lines(here.keys() - expected.keys(), 'is new'),
        *lines(doubled, 'is there more than once'),
        *lines(other, 'has another value'),
    ]


def leftovers(workdir: pathlib.Path) -> list[str]:
    """Lists files that only a killed process can have left."""
    paths = sorted(str(path.relative_to(workdir)) for path in workdir.rglob('*'))
    there = set(paths)
    signs = '_temp', '.tmp', '.part', 'part-of-', '.damaged'
    left = [path for path in paths if any(sign in os.path.basename(path) for sign in signs)]
    orphans = [
        path
        for path in paths
        if '.data-' in path and f'{path.split(".data-")[0]}.index' not in there
    ]
    return sorted({*left, *orphans})


def _read(path):
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _shortened(lines):
    return lines if len(lines) <= _MOST else [*lines[:_MOST], f'and {len(lines) - _MOST} more']
