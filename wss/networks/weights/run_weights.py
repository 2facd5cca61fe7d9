"""Weights of a run of this program, to start another one from: all parts that fit."""

import collections
import json
import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from wss.networks.weights.readable import readable, whole_steps
from wss.settings import ranges

_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'
# Layers whose last axis counts classes, and whether these are the classes of image-level labels.
# In SGC, every axis does.
_LAST_LAYERS = {
    'network/logits': False,
    'network/classifier': True,
    'second_network/logits': False,
    'second_network/classifier': True,
    'sgc/output_convolution': False,
    'sgc/batch_norm': False,
}


def load_run(method, folder: str, checkpoint: str = 'best') -> str:
    """Starts a method from all weights of a run that fit; returns a sentence about which did.

    The backbone must fit. Each other part is loaded whole, or starts fresh if it has other shapes.
    The last layers take the weights of each class that the run knows by the same name; other
    classes start fresh. Where the run averaged its weights, the averages are taken, and of two
    networks the one that it was evaluated with, such as a teacher.

    Args:
        method: A `Method` whose variables exist.
        folder: Folder of the run, local or `gs://`.
        checkpoint: `best` or `last`.

    Raises:
        FileNotFoundError: If the folder is not that of a run, or has no such checkpoint.
        ValueError: If a setting is out of range, a file is damaged, or the backbone of the run is
            another one.
    """
    ranges.path('run_weights.load_run.folder', folder)
    ranges.choice('run_weights.load_run.checkpoint', checkpoint, ('best', 'last'))
    folder = os.path.expanduser(os.fspath(folder))
    classes = _classes(folder)
    path = _path(folder, checkpoint)
    info = method.info
    try:
        reader = tf.train.load_checkpoint(readable(path))
        names = _weights(reader.get_variable_to_shape_map())
        theirs = _as_evaluated(reader, {name: reader.get_tensor(name) for name in names})
        averages = _averages(reader)
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f'Checkpoint {path} is damaged or cut off: {reason}') from error
    # On a TPU, only the host has these files.
    options = tf.train.CheckpointOptions(experimental_io_device='/job:localhost')
    saver = tf.train.Checkpoint(method=method)
    with tempfile.TemporaryDirectory() as place:
        prefix = saver.write(os.path.join(place, 'fresh'), options)
        fresh = tf.train.load_checkpoint(prefix)
        ours = {name: fresh.get_tensor(name) for name in fresh.get_variable_to_shape_map()}
        used = _use_averages(theirs, averages, _trainable(method, place, ours))
        loaded = _fitting(ours, theirs, classes, info)
        if not any(name.startswith('method/network/backbone/') for name in loaded):
            raise ValueError(
                f'The backbone of the run in {folder} is another one than that of this run: '
                f'{_first_difference(ours, theirs)}. Take the network of that run, or leave '
                'Experiment.initial_weights out.'
            )
        _write(os.path.join(place, 'start'), ours | loaded)
        saver.read(os.path.join(place, 'start'), options).expect_partial()
    return _report(path, ours, loaded, classes, info, used, bool(averages))


def _classes(folder):
    """Returns the names of the classes of a run, and of those of image-level labels."""
    path = os.path.join(folder, 'dataset.json')
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f'{folder} is not the folder of a run: it has no dataset.json; name the folder in '
            'run_weights.load_run.folder.'
        )
    try:
        with tf.io.gfile.GFile(path, 'rb') as file:
            content = json.loads(file.read())
        names = [str(name) for name in content['class_names']]
        return names, names[1:] if content['has_background'] else names
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'{path} is damaged; restore it, or name another run.') from error


def _path(folder, checkpoint):
    """Returns the prefix of a checkpoint of a run."""
    place = os.path.join(folder, 'checkpoints', checkpoint)
    steps = whole_steps(place)
    if not steps:
        other = 'last' if checkpoint == 'best' else 'best'
        raise FileNotFoundError(
            f'{place} holds no checkpoint; train that run first, or set '
            f"run_weights.load_run.checkpoint = '{other}'."
        )
    return os.path.join(place, f'ckpt-{max(steps)}')


def _weights(names):
    """Returns which names in a checkpoint are of weights.

    Those of the optimiser, of averages, of what started fresh and of counts of updates are not.
    """
    others = ('method/optimizer/', 'method/averages/', 'method/fresh/')
    counts = f'/updates{_VALUE}'
    return [
        name
        for name in names
        if name.startswith('method/')
        and name.endswith(_VALUE)
        and not name.startswith(others)
        and not name.endswith(counts)
        and '.OPTIMIZER_SLOT' not in name
    ]


def _averages(reader):
    """Returns the averages of the trainable weights in a checkpoint, in their order."""
    found = []
    while reader.has_tensor(f'method/averages/{len(found)}{_VALUE}'):
        found.append(reader.get_tensor(f'method/averages/{len(found)}{_VALUE}'))
    return found


def _nodes(reader):
    """Returns a function from the path of an object to its number in a checkpoint, or None."""
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(reader.get_tensor(_GRAPH))

    def node(path):
        at = 0
        for part in path.split('/'):
            children = {child.local_name: child.node_id for child in graph.nodes[at].children}
            at = children.get(part.replace('.S', '/').replace('..', '.'))
            if at is None:
                return None
        return at

    return node


def _as_evaluated(reader, weights):
    """Puts the second network of a run in place of the first, if it was evaluated with that."""
    node = _nodes(reader)
    evaluated = node('method/evaluated')
    if evaluated is None or evaluated != node('method/second_network'):
        return weights
    first, second = 'method/network/', 'method/second_network/'
    kept = {name: value for name, value in weights.items() if not name.startswith(first)}
    return {name.replace(second, first, 1): value for name, value in kept.items()}


def _trainable(method, place, names):
    """Returns the names of the trainable weights in a checkpoint, in the order of the averages."""
    ordered = tf.train.Checkpoint(method=method, order=list(method.trainable_variables))
    node = _nodes(tf.train.load_checkpoint(ordered.write(os.path.join(place, 'order'))))
    by_node = {node(name.removesuffix(_VALUE)): name for name in names if name.endswith(_VALUE)}
    return [by_node.get(node(f'order/{i}')) for i in range(len(method.trainable_variables))]


def _use_averages(theirs, averages, trainable):
    """Puts averages in place of weights, if their order is that of our weights; returns whether."""
    pairs = list(zip(trainable, averages, strict=False))
    fits = all(name in theirs and theirs[name].shape == mean.shape for name, mean in pairs)
    if fits:
        theirs.update(pairs)
    return bool(pairs) and fits


def _part(name):
    """Returns the part that a weight belongs to, such as `network/aspp`."""
    parts = name.split('/')
    return '/'.join(parts[1:3])


def _fitting(ours, theirs, classes, info):
    """Returns the weights to start from, by name: of the parts that fit as a whole."""
    own_names = list(info.class_names)
    own = own_names, own_names[1:] if info.has_background else own_names
    parts = collections.defaultdict(list)
    for name in _weights(ours):
        parts[_part(name)].append(name)
    loaded = {}
    for part, names in parts.items():
        of_images = _LAST_LAYERS.get(part)
        if of_images is None:
            values = {name: theirs.get(name) for name in names}
        else:
            there, here = classes[of_images], own[of_images]
            values = {
                name: _by_class(ours[name], theirs.get(name), there, here, part.startswith('sgc/'))
                for name in names
            }
        if all(v is not None and v.shape == ours[name].shape for name, v in values.items()):
            loaded |= values
    return loaded


def _by_class(fresh, stored, there, here, every_axis):
    """Returns the fresh weights with those of the classes that both know; None if none fits."""
    known = [(here.index(name), there.index(name)) for name in here if name in there]
    if stored is None or not known or stored.ndim != fresh.ndim or not fresh.ndim:
        return None
    axes = range(fresh.ndim) if every_axis else [fresh.ndim - 1]
    for axis in range(fresh.ndim):
        counts = (len(here), len(there)) if axis in axes else (stored.shape[axis],) * 2
        if (fresh.shape[axis], stored.shape[axis]) != counts:
            return None
    to, of = (np.array(places) for places in zip(*known, strict=True))
    value = fresh.copy()
    chosen = [np.arange(size) for size in fresh.shape]
    value[np.ix_(*(to if axis in axes else chosen[axis] for axis in range(fresh.ndim)))] = stored[
        np.ix_(*(of if axis in axes else chosen[axis] for axis in range(fresh.ndim)))
    ]
    return value


def _write(prefix, values):
    """Writes a checkpoint of values by name."""
    names = sorted(values)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[''] * len(names),
        tensors=[tf.constant(values[name]) for name in names],
    )


def _first_difference(ours, theirs):
    """Describes a weight of the backbone that does not fit."""
    for name in sorted(_weights(ours)):
        if name.startswith('method/network/backbone/'):
            short = name.removeprefix('method/network/').removesuffix(_VALUE)
            if name not in theirs:
                return f'it has no {short}'
            if theirs[name].shape != ours[name].shape:
                return f'{short} is {theirs[name].shape} there and {ours[name].shape} here'
    return 'it has no weights'


def _report(path, ours, loaded, classes, info, used_averages, has_averages):
    """Returns a sentence about what was loaded and what starts fresh."""
    parts = sorted({_part(name) for name in loaded})
    fresh = sorted({_part(name) for name in _weights(ours)} - set(parts))
    if not any(part.startswith('second_network/') for part in parts):
        # It starts from the first one, as its method says.
        fresh = [part for part in fresh if not part.startswith('second_network/')]
    known = [name for name in info.class_names if name in classes[0]]
    new = [name for name in info.class_names if name not in classes[0]]
    averages = ''
    if has_averages:
        averages = ', as averages' if used_averages else ', not as averages, whose order differs'
    loaded_parts = ', '.join(part.removeprefix('network/') for part in parts)
    fresh_parts = ', '.join(part.removeprefix('network/') for part in fresh) or 'nothing'
    return (
        f'Loaded {len(loaded)} weights from {path}{averages}: {loaded_parts}. Start fresh: '
        f'{fresh_parts}. Classes of the run: {", ".join(known) or "none"}; new: '
        f'{", ".join(new) or "none"}.'
    )
