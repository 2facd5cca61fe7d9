"""Samples a new list of labelled images from a dataset, and reports what is in it."""

import dataclasses

import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.files.reasons import reason
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import mask_classes, selection


@dataclasses.dataclass(frozen=True)
class Sampled:
    """A list that was sampled.

    Attributes:
        ids: Its ids, in the order of the dataset.
        available: Number of images to sample from.
        images: From each class name to the number of sampled images that show it.
        absent: Names of classes that no image to sample from shows; None if unknown.
    """

    ids: tuple[str, ...]
    available: int
    images: dict[str, int]
    absent: tuple[str, ...] | None


def sample(dataset, choice: selection.Choice) -> Sampled:
    """Samples labelled images as a run with these settings would.

    Args:
        dataset: A dataset, with `info` and `examples(split, labels, ids)`.
        choice: Split, list to sample from, amount, seed, and whether with every class.

    Returns:
        The list.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, the list does not fit it, or the amount is out of
            range or too small for every class.
    """
    pool = selection.pool(dataset, choice)
    sampled = selection.sample(pool, choice)
    names = dataset.info.class_names
    absent = None
    if pool.mask_classes is not None:
        shown = pool.mask_classes.any(axis=0)
        absent = tuple(name for name, there in zip(names, shown, strict=True) if not there)
    counts = mask_classes.shown(sampled, dataset.info).sum(axis=0).tolist()
    return Sampled(sampled.ids, len(pool), dict(zip(names, counts, strict=True)), absent)


def refuse_folder(path: str) -> None:
    """Refuses a path that cannot be a list, before the work is done (ValueError)."""
    if not path or tf.io.gfile.isdir(whole.expanded(path)):
        raise ValueError(f'{path or "An empty --out"} is not a file to write; name a file.')


def write(path: str, ids) -> None:
    """Writes a list, but does not replace another one.

    Args:
        path: File to write, local or `gs://`.
        ids: Its ids.

    Raises:
        ValueError: If the file exists and holds anything else.
        OSError: If it cannot be written.
    """
    path = whole.expanded(path)
    if not holds(path, id_lists.content(ids)):
        try:
            id_lists.write_ids(path, ids)
        except tf.errors.OpError as error:
            raise OSError(f'{path} cannot be written: {reason(error)}.') from error


def holds(path: str, content: bytes) -> bool:
    """Whether a file is there already with this content; False if there is none.

    Raises:
        ValueError: If the file exists and holds anything else.
        OSError: If it cannot be read.
    """
    try:
        same = tf.io.gfile.exists(path) and whole.read(path) == content
        other = not same and tf.io.gfile.exists(path)
    except tf.errors.OpError as error:
        raise OSError(f'{path} cannot be written: {reason(error)}.') from error
    if other:
        raise ValueError(
            f'{path} exists and holds something else; name another --out, or delete it first.'
        )
    return same


def report(sampled: Sampled, choice: selection.Choice, path: str) -> str:
    """Returns text about a sample: its size, and how many images of it show each class."""
    source = f'split {choice.split!r}'
    if choice.list_file is not None:
        source = f'{choice.list_file} ({source})'
    share = 100 * len(sampled.ids) / sampled.available
    classes = ', every class among them' if choice.every_class else ''
    width = max(map(len, ('class', *sampled.images)))
    lines = [
        f'Sampled {len(sampled.ids)} of {sampled.available} images ({share:.1f} %) of {source} '
        f'with seed {choice.seed}{classes}.',
        f'{"class":{width}}  images',
        *(f'{name:{width}}  {count:6d}' for name, count in sampled.images.items()),
    ]
    if sampled.absent:
        lines.append(f'No image to sample from shows {", ".join(sampled.absent)}.')
    digest = whole.sha256(id_lists.content(sampled.ids))
    return '\n'.join([*lines, f'The list is {path} (SHA-256 {digest}).'])
