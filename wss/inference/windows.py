"""Cuts a large image into windows that overlap, and blends what is predicted in them."""

from collections.abc import Callable, Iterator

import numpy as np


def places(length: int, side: int, overlap: float) -> list[tuple[int, np.ndarray]]:
    """Returns where windows lie along one side of an image, and how much each counts there.

    Neighbours overlap by the share that is asked for, or more, so that all are inside the image.
    Weights rise linearly from the borders of a window to its middle. At each pixel those of all
    windows sum to 1. A weight of the plane is the product of that of the row and that of the
    column, and these sum to 1, too.

    Args:
        length: Pixels of the image along this side.
        side: Pixels of a window.
        overlap: Share of a window that the next one shows again, 0 to 0.9.

    Returns:
        For each window its first pixel and the weights of its pixels, float32 `[side]`; one window
        of `[length]` where the image is not longer than a window.

    Example:
        >>> from wss.inference import windows
        >>> [(first, len(weights)) for first, weights in windows.places(1000, 513, 0.33)]
        [(0, 513), (244, 513), (487, 513)]
    """
    side = min(side, length)
    step = max(1, int(side * (1 - overlap)))
    count = -(-(length - side) // step) + 1
    firsts = np.linspace(0, length - side, count).round().astype(int)
    weights = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1))
    sums = np.zeros(length)
    for first in firsts:
        sums[first : first + side] += weights
    return [
        (int(first), (weights / sums[first : first + side]).astype(np.float32)) for first in firsts
    ]


def bands(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    side: int,
    overlap: float,
    at_once: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """Predicts an image window by window, and yields its rows from the top as they are finished.

    The predictions of all windows of a row of windows are held at a time, not those of the image.

    Args:
        predict: From windows, `[n, h, w, 3]`, to probabilities, float32 `[n, h, w, C]`.
        image: `[H, W, 3]`.
        side: Pixels of the sides of a window.
        overlap: See `places`.
        at_once: How many windows are predicted at a time, at most.

    Yields:
        The number of the first row, and blended probabilities, float32 `[rows, W, C]`. Who lets
        go of them before the next ones never has two rows of windows in memory.
    """
    rows = places(image.shape[0], side, overlap)
    columns = places(image.shape[1], side, overlap)
    ends = [first for first, _ in rows[1:]] + [image.shape[0]]
    above = np.zeros([0, image.shape[1], 1], np.float32)  # What these rows have from other windows.
    for (top, down), end in zip(rows, ends, strict=True):
        band = _row_of_windows(predict, image[top : top + len(down)], columns, at_once)
        band *= down[:, np.newaxis, np.newaxis]
        band[: len(above)] += above
        yield top, band[: end - top]
        above = band[end - top :].copy()
        del band  # Before the next one is made.


def _row_of_windows(predict, image, columns, at_once):
    band = None
    for number in range(0, len(columns), at_once):
        batch = columns[number : number + at_once]
        parts = [image[:, left : left + len(across)] for left, across in batch]
        for found, (left, across) in zip(predict(np.stack(parts)), batch, strict=True):
            if band is None:
                band = np.zeros([*image.shape[:2], found.shape[-1]], np.float32)
            band[:, left : left + len(across)] += found * across[:, np.newaxis]
    return band
