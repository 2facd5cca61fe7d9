"""Drawing a new list of labelled images from a dataset, and what to say about it."""

import dataclasses
import hashlib
import os

import tensorflow as tf

from wss import selection
from wss.datasets import presence, splits


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A list that was drawn.

    Attributes:
        ids: Its ids, in the order of the dataset.
        available: How many there were to draw from.
        images: From each class name to the number of drawn images that show it.
        absent: Names of classes that none of the images to draw from shows; None if not known.
    """

    ids: tuple[str, ...]
    available: int
    images: dict[str, int]
    absent: tuple[str, ...] | None


def draw(dataset, choice: selection.Choice) -> Drawn:
    """Draws labelled images as a run with these settings would.

    Args:
        dataset: A dataset, with `info` and `examples(split, labels, ids)`.
        choice: Split, list to draw from, amount, seed and whether with every class.

    Returns:
        What was drawn.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, the list does not fit it, or the amount is out of
            range or too small for every class.
    """
    pool = selection.pool(dataset, choice)
    drawn = selection.draw(pool, choice)
    names = dataset.info.class_names
    absent = None
    if pool.mask_classes is not None:
        shown = pool.mask_classes.any(axis=0)
        absent = tuple(name for name, there in zip(names, shown, strict=True) if not there)
    counts = presence.of(drawn, dataset.info).sum(axis=0).tolist()
    return Drawn(drawn.ids, len(pool), dict(zip(names, counts, strict=True)), absent)


def refuse_folder(path: str) -> None:
    """Refuses, before the work is done, a path at which there cannot be a list (ValueError)."""
    if not path or tf.io.gfile.isdir(os.path.expanduser(path)):
        raise ValueError(f'{path or "An empty --out"} is no file to write; name a file.')


def write(path: str, ids) -> None:
    """Writes a list, but never over another one.

    Args:
        path: File to write, local or `gs://`.
        ids: Its ids.

    Raises:
        ValueError: If the file is there and holds anything else.
        OSError: If it cannot be written.
    """
    path = os.path.expanduser(path)
    try:
        if not tf.io.gfile.exists(path):
            _write_whole(path, ids)
            return
        with tf.io.gfile.GFile(path, 'rb') as file:
            same = file.read() == splits.content(ids)
    except tf.errors.OpError as error:
        raise OSError(f'{path} cannot be written: {error.message}') from error
    if not same:
        raise ValueError(
            f'{path} is there and holds something else; name another --out, or remove it first.'
        )


def _write_whole(path, ids):
    """Writes a new list, of which nothing is left if that fails."""
    try:
        splits.write_ids(path, ids)
    except tf.errors.OpError:
        if tf.io.gfile.exists(path):
            tf.io.gfile.remove(path)
        raise


def report(drawn: Drawn, choice: selection.Choice, path: str) -> str:
    """Says what was drawn: how many, and how many of them show each class."""
    source = f'split {choice.split!r}'
    if choice.list_file is not None:
        source = f'{choice.list_file} ({source})'
    share = 100 * len(drawn.ids) / drawn.available
    classes = ', every class among them' if choice.every_class else ''
    width = max(map(len, ('class', *drawn.images)))
    lines = [
        f'Drew {len(drawn.ids)} of {drawn.available} images ({share:.1f} %) of {source} with seed '
        f'{choice.seed}{classes}.',
        f'{"class":{width}}  images',
        *(f'{name:{width}}  {count:6d}' for name, count in drawn.images.items()),
    ]
    if drawn.absent:
        lines.append(f'No image to draw from shows {", ".join(drawn.absent)}.')
    digest = hashlib.sha256(splits.content(drawn.ids)).hexdigest()
    return '\n'.join([*lines, f'The list is {path} (SHA-256 {digest}).'])
