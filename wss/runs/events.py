"""Keeps the TensorBoard files of a run without a point twice, whatever ended its processes."""

import os
from collections.abc import Callable

import tensorflow as tf
from google.protobuf.message import DecodeError

FOLDER = 'events'


def make_writer(workdir: str | os.PathLike) -> tf.summary.SummaryWriter:
    """Makes the TensorBoard writer of a run; its files are in `events`."""
    return tf.summary.create_file_writer(os.path.join(workdir, FOLDER))


def write_scalars(writer, values: dict[str, float], step: int) -> None:
    """Writes scalars by name at a step."""
    with writer.as_default():
        for name, value in values.items():
            tf.summary.scalar(name, value, step=step)
    writer.flush()


def trim(workdir: str | os.PathLike, is_kept: Callable[[str, int], bool]) -> None:
    """Removes points that a run will write again, and the end of a file that was cut off.

    A process that died has written points for steps after its last checkpoint. Each file is
    replaced whole or not at all.

    Args:
        workdir: Folder of the run.
        is_kept: Whether a point stays, from its tag and step.
    """
    folder = os.path.join(workdir, FOLDER)
    if not tf.io.gfile.isdir(folder):
        return
    for name in sorted(tf.io.gfile.listdir(folder)):
        if name.startswith('events.out.tfevents'):
            _trim_file(os.path.join(folder, name), is_kept)


def _trim_file(path, is_kept):
    kept, whole = [], True
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            if all(is_kept(value.tag, event.step) for value in event.summary.value):
                kept.append(record)
            else:
                whole = False
    except (tf.errors.OpError, DecodeError):  # The process died while it wrote.
        whole = False
    if whole:
        return
    part = os.path.join(os.path.dirname(path), f'part-of-{os.path.basename(path)}')
    with tf.io.TFRecordWriter(part) as file:
        for record in kept:
            file.write(record)
    tf.io.gfile.rename(part, path, overwrite=True)
