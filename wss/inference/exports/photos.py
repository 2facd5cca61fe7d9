"""The photos that an export is made with: some of many, of a bounded size."""

import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.files import finding
from wss.datasets.info import DatasetInfo
from wss.inference import given, places
from wss.pipeline import frame

_LONG_SIDE = 1024  # The probabilities of a photo of 12 million pixels take a gigabyte.


def of_files(
    paths: Iterable[str | os.PathLike],
    info: DatasetInfo,
    count: int,
    report: Callable[[str], None] = print,
) -> list[np.ndarray]:
    """Reads photos.

    Args:
        paths: Folders, images, patterns and lists; see `places.find`.
        info: The classes and the bit depth.
        count: How many at most.
        report: Prints a line about a photo that cannot be read.

    Returns:
        uint8 `[H, W, 3]` each, spread evenly over all that there are.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
        ValueError: If no photo can be read.
    """
    read = []
    for path in spread(places.images(map(os.fspath, paths), report), count):
        try:
            read.append(given.as_rgb(path, info.bit_depth))
        except (OSError, ValueError) as error:
            report(finding.shown(f'Left out: {error}'))
    if not read:
        raise ValueError('No image of --images can be read.')
    return bounded(read)


def spread(items: Sequence, count: int) -> list:
    """Returns `count` items at most, evenly spaced.

    Example:
        >>> from wss.inference.exports import photos
        >>> photos.spread('abcdefgh', 3)
        ['a', 'c', 'f']
    """
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def bounded(images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Returns images as uint8, scaled down to a longer side of 1,024 pixels."""
    whole = (tf.constant(np.round(image)[np.newaxis], tf.uint8) for image in images)
    return [frame.scaled_images(image, _LONG_SIDE)[0].numpy() for image in whole]
