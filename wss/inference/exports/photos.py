"""The photos that an export is made with: some of many, read one at a time."""

import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from wss.datasets.files import finding
from wss.datasets.lists import sampling
from wss.inference import given, places
from wss.inference.given import Picture


def of_files(
    paths: Iterable[str | os.PathLike], count: int, report: Callable[[str], None] = print
) -> list[str]:
    """Returns the paths of photos, spread evenly over all that there are.

    Args:
        paths: Folders, images, patterns and lists; see `places.find`.
        count: How many at most.
        report: Prints a sentence about images that are left out.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
        ValueError: If a list is not one.
    """
    return sampling.spread(places.images(map(os.fspath, paths), report), count)


def read(
    images: Iterable[Picture], bit_depth: int | None, report: Callable[[str], None] = print
) -> Iterator[np.ndarray]:
    """Yields images as uint8 `[H, W, 3]`; reports those that cannot be read.

    Args:
        images: See `Predictor.predict`.
        bit_depth: That of the dataset.
        report: Prints a sentence about an image that is left out.
    """
    for image in images:
        try:
            yield np.round(given.as_rgb(image, bit_depth)).astype(np.uint8)
        except (OSError, ValueError) as error:
            report(finding.shown(f'Left out: {error}'))
