"""Import of TensorFlow 1 checkpoints: ImageNet classifiers, DeepLab models, the authors' models."""

import difflib
import os
import re

import numpy as np
import tensorflow as tf

from wss.networks.weights.readable import readable
from wss.networks.weights.tf1_names import find_scope, nearest_backbone, variable_names
from wss.settings import ranges

_LAST_LAYERS = ('logits', 'classifier', 'sgc')  # Their shape depends on the classes.
# What optimisers and training programs of TensorFlow 1 keep beside the weights.
_STATE = re.compile(
    r'(^|/)(global_step|beta[12]_power|save_counter)$'
    r'|/(Momentum|Adam(_1)?|RMSProp(_1)?|Adagrad|ExponentialMovingAverage)$'
)
# TensorFlow turns the states of its file reader into errors of many kinds.
_READ_ERRORS = (tf.errors.OpError, ValueError, RuntimeError, IndexError)
_ADVICE = (
    'Unpack it there, or name another path; docs/weights.md says where published checkpoints are.'
)
_SHOWN = 10  # Names in a message.


def load_backbone(method, path: str, scope: str | None = None) -> str:
    """Starts a network from an image classifier (ImageNet): backbone only, heads stay fresh.

    Args:
        method: A `Method` whose variables exist.
        path: See `load_model`.
        scope: See `load_model`.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the file cannot be read, or does not hold the backbone whole, in its shapes.
    """
    _check('tf1_checkpoint.load_backbone', path, scope)
    return _load(method, path, scope, wanted=('backbone',), required=('backbone',))


def load_model(method, path: str, scope: str | None = None, last_layers: bool = True) -> str:
    """Starts a method from a whole trained model, to evaluate it or to train it further.

    Classifier and SGC start fresh if the file lacks them (a supervised model). The result lists
    what was loaded, what starts fresh and what in the file is unused. Optimiser slots, counters and
    moving averages of weights are ignored. An error leaves the method unchanged.

    Args:
        method: A `Method` whose variables exist.
        path: Prefix of the checkpoint (`model.ckpt-30000`; several shards or the old one-file
            format are fine), one of its files, or a folder: its latest checkpoint, or its only one.
        scope: What stands before all names in the file; None finds it.
        last_layers: Whether the layers whose shape depends on the classes are loaded: logits,
            classifier and SGC.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the file cannot be read, or does not hold backbone, decoder (and logits)
            whole, in their shapes.
    """
    _check('tf1_checkpoint.load_model', path, scope)
    ranges.switch('tf1_checkpoint.load_model.last_layers', last_layers)
    wanted = ('backbone', 'decoder') + (_LAST_LAYERS if last_layers else ())
    return _load(method, path, scope, wanted, required=wanted[:3])


def _check(function, path, scope):
    ranges.path(f'{function}.path', path)
    if scope is not None and not isinstance(scope, str):
        ranges.refuse(f'{function}.scope', scope, 'a text or None')


def _load(method, path, scope, wanted, required):
    prefix = _prefix(path)
    parts = variable_names(method.network, getattr(method, 'sgc', None))
    reader = _reader(prefix)
    shapes = reader.get_variable_to_shape_map()
    scope = _scope(prefix, shapes, scope, parts['backbone'])
    held = {name[len(scope) :]: name for name in shapes if name.startswith(scope)}

    chosen = {}
    for part in wanted:
        variables = parts.get(part, {})
        missing = [name for name in variables if name not in held]
        if missing and (part in required or len(missing) < len(variables)):
            raise ValueError(_missing_message(prefix, part, missing, variables, shapes))
        if not missing:
            _check_shapes(prefix, part, variables, {n: shapes[held[n]] for n in variables})
            chosen |= variables
    # Read everything before anything changes: a shard can be missing or cut off.
    values = _read(prefix, reader, {name: held[name] for name in chosen})
    for name, variable in chosen.items():
        variable.assign(values[name].reshape(variable.shape).astype(variable.dtype.as_numpy_dtype))
    taken = {held[name] for name in chosen}
    return _report(prefix, scope, parts, chosen, sorted(set(shapes) - taken))


def _report(prefix, scope, parts, chosen, unused):
    loaded = {part: sum(name in chosen for name in names) for part, names in parts.items()}
    fresh = [part for part, count in loaded.items() if not count]
    state = [name for name in unused if _STATE.search(name)]
    unused = [name for name in unused if not _STATE.search(name)]
    begin = f' (its names begin with {scope})' if scope else ''
    counts = ', '.join(f'{part} ({count} variables)' for part, count in loaded.items() if count)
    return (
        f'Loaded from {prefix}{begin}: {counts}. Start fresh: {", ".join(fresh) or "nothing"}. Not '
        f'used of the file: {_listed(unused) if unused else "nothing"}; and {len(state)} values of '
        'optimiser, step counter and averages.'
    )


def _listed(names):
    more = len(names) - _SHOWN
    shown = ', '.join(names[:_SHOWN])
    return f'{shown} and {more} more ({len(names)} in all)' if more > 0 else shown


def _prefix(path):
    """Returns the prefix of the checkpoint that a user's path means."""
    path = os.path.expanduser(os.fspath(path))
    if tf.io.gfile.isdir(path):
        return _prefix_in(path)
    given, path = path, re.sub(r'\.(index|meta|data-\d{5}-of-\d{5})$', '', path)
    if not tf.io.gfile.exists(path) and not tf.io.gfile.exists(path + '.index'):
        folder = os.path.dirname(path) or '.'
        if not tf.io.gfile.isdir(folder):
            raise FileNotFoundError(
                f'There is no checkpoint {given}: no folder {folder}. {_ADVICE}'
            )
        near = difflib.get_close_matches(os.path.basename(path), _prefixes(folder), n=3)
        hint = f'; near to it are {", ".join(near)}.' if near else f'. {_ADVICE}'
        raise FileNotFoundError(f'There is no checkpoint {given}{hint}')
    return path


def _prefix_in(folder):
    state = tf.train.get_checkpoint_state(folder)
    latest = state.model_checkpoint_path if state else None
    if latest and any(tf.io.gfile.exists(latest + ending) for ending in ('.index', '')):
        return latest
    # Archives come without the list that names the latest, or with paths of another machine.
    there = _prefixes(folder, only_indexed=True)
    if len(there) == 1:
        return os.path.join(folder, there[0])
    what = f'several checkpoints, {_listed(there)}; name one' if there else 'no checkpoint'
    raise FileNotFoundError(f'The folder {folder} holds {what}.')


def _prefixes(folder, only_indexed=False):
    """Lists what may be meant as a checkpoint in a folder."""
    names = [name.rstrip('/') for name in tf.io.gfile.listdir(folder)]
    if only_indexed:
        names = [name for name in names if name.endswith('.index')]
    return sorted({re.sub(r'\.(index|meta|data-\d{5}-of-\d{5})$', '', name) for name in names})


def _reader(prefix):
    if re.search(r'\.(tar|tgz|tar\.\w+|zip)$', prefix):
        raise ValueError(f'{prefix} is an archive; unpack it and give the checkpoint in it.')
    try:
        reader = tf.train.load_checkpoint(readable(prefix))
        names = reader.get_variable_to_shape_map()
    except _READ_ERRORS as error:
        raise _unreadable(prefix, error) from error
    if '_CHECKPOINTABLE_OBJECT_GRAPH' in names:
        raise ValueError(
            f'{prefix} is a checkpoint of TensorFlow 2, not 1. To start from a run of this program '
            'write its weights with python -m wss.export --weights, and use npz.load.'
        )
    return reader


def _read(prefix, reader, names):
    """Returns float arrays by our names, all of them finite."""
    try:
        values = {ours: np.asarray(reader.get_tensor(theirs)) for ours, theirs in names.items()}
    except _READ_ERRORS as error:
        raise _unreadable(prefix, error) from error
    for name, value in values.items():
        if not np.all(np.isfinite(value)):
            raise ValueError(f'{name} in {prefix} has values that are not finite.')
    return values


def _unreadable(prefix, error):
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ValueError(f'The checkpoint {prefix} cannot be read: {reason}')


def _scope(prefix, names, scope, backbone):
    """Returns the text that stands before every name, with its slash; empty for none."""
    if scope is None:
        found = (find_scope(names, name) for name in backbone)
        return next((scope for scope in found if scope is not None), '')
    if scope and not scope.endswith('/'):
        scope += '/'
    if not any(name.startswith(scope) for name in names):
        raise ValueError(
            f'No name in {prefix} begins with the scope {scope!r}. The names are '
            f'{_listed(sorted(names))}.'
        )
    return scope


def _check_shapes(prefix, part, variables, shapes):
    for name, variable in variables.items():
        there, here = tuple(shapes[name]), tuple(variable.shape)
        if _squeezed(there) != _squeezed(here):
            hint = 'use the network that it was made for'
            if part in _LAST_LAYERS:
                hint = 'a model of other classes needs load_model.last_layers = False'
            raise ValueError(f'{name} is {there} in {prefix} and {here} in the network; {hint}.')


def _missing_message(prefix, part, missing, variables, shapes):
    message = (
        f'The checkpoint {prefix} lacks {len(missing)} of {len(variables)} variables of the '
        f'{part}: {_listed(missing)}. '
    )
    if part in ('classifier', 'sgc'):
        return message + (
            'It was made with other options; to start them fresh, with the logits, use '
            'load_model.last_layers = False.'
        )
    if part != 'backbone':
        return message + 'To start from its backbone alone use load_backbone.'
    nearest, share = nearest_backbone(shapes)
    if not share:
        return message + 'It fits none of the backbones.'
    return message + f'The nearest backbone is {nearest} ({share:.0%} of its layers are there).'


def _squeezed(shape):
    """A kernel `[1, 1, D, K]` is a matrix `[D, K]`."""
    return shape[2:] if len(shape) == 4 and shape[:2] == (1, 1) else shape
