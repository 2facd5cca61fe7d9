"""Reads what runs of tests have written, and damages it."""

import numpy as np
import tensorflow as tf

from wss.runs.configuration import Configuration


def configuration(text):
    """What makes a configuration of this text, some of whose settings may change."""
    return lambda: Configuration(text, frozenset({'Schedule.log_every', 'Schedule.extend'}))


def saved(workdir, kind):
    """All values of the last or best checkpoint by name, but for the graph that names them."""
    reader = tf.train.load_checkpoint(str(workdir / 'checkpoints' / kind))
    names = set(reader.get_variable_to_shape_map()) - {'_CHECKPOINTABLE_OBJECT_GRAPH'}
    return {name: reader.get_tensor(name) for name in names}


def last_weights(workdir):
    """All variables of the last checkpoint by name."""
    values = saved(workdir, 'last')
    return {name: value for name, value in values.items() if name.endswith('VARIABLE_VALUE')}


def check_equal(found, expected):
    """Compares values by name, bit for bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)


def logged(workdir):
    """`{tag: [steps]}` of the TensorBoard files."""
    tags = {}
    for path in sorted((workdir / 'events').iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    return tags


def forget_the_end(workdir, step):
    """Makes a finished run of 4 steps look as if it had died after the checkpoint of `step`."""
    for path in (workdir / 'checkpoints' / 'last').glob('ckpt-4.*'):
        path.unlink()
    (workdir / 'result.json').unlink()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:100])


def points(workdir):
    """`{(tag, step): value}` of the TensorBoard files, but for what measures time and memory.

    Pictures and texts are bytes.
    """
    found = {}
    for path in sorted((workdir / 'events').glob('events.out.*')):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if not value.tag.startswith(('speed/', 'memory/')):
                    content = tf.make_ndarray(value.tensor).ravel().tolist()
                    found[value.tag, event.step] = content if len(content) > 1 else content[0]
    return found
