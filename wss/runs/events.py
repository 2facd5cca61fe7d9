"""Keeps the TensorBoard files of a run without a point twice, whatever ended its processes."""

import os
from collections.abc import Callable

import numpy as np
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


def write_picture(writer, name: str, picture: np.ndarray, step: int) -> None:
    """Writes a picture, uint8 `[H, W, 3]`, at a step."""
    with writer.as_default():
        tf.summary.image(name, picture[None], step=step)
    writer.flush()


def write_text(writer, name: str, text: str, step: int) -> None:
    """Writes a text, which TensorBoard shows as it is, at a step."""
    indented = ''.join(f'    {line}\n' for line in text.splitlines())  # Code, in its Markdown.
    with writer.as_default():
        tf.summary.text(name, indented, step=step)
    writer.flush()


def trim(workdir: str | os.PathLike, is_kept: Callable[[str, int], bool]) -> set[str]:
    """Removes points that a run will write again, and the end of a file that was cut off.

    A process that died has written points for steps after its last checkpoint. Each file is
    replaced whole or not at all.

    Args:
        workdir: Folder of the run.
        is_kept: Whether a point stays, from its tag and step.

    Returns:
        The tags of the points that are left.
    """
    folder, tags = os.path.join(workdir, FOLDER), set()
    if not tf.io.gfile.isdir(folder):
        return tags
    for name in sorted(tf.io.gfile.listdir(folder)):
        if name.startswith('events.out.tfevents'):
            tags |= _trim_file(os.path.join(folder, name), is_kept)
    return tags


def _trim_file(path, is_kept):
    kept, tags, whole = [], set(), True
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            if all(is_kept(value.tag, event.step) for value in event.summary.value):
                kept.append(record)
                tags |= {value.tag for value in event.summary.value}
            else:
                whole = False
    except (tf.errors.OpError, DecodeError):  # The process died while it wrote.
        whole = False
    if whole:
        return tags
    part = os.path.join(os.path.dirname(path), f'part-of-{os.path.basename(path)}')
    with tf.io.TFRecordWriter(part) as file:
        for record in kept:
            file.write(record)
    tf.io.gfile.rename(part, path, overwrite=True)
    return tags
