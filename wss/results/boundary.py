"""Boundary IoU: Cheng et al., *Boundary IoU* (CVPR 2021).

The IoU of two masks of a class, counted only within a distance of the contour of each. It tells how
good outlines are, which the IoU of large regions hardly does.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def counts(
    labels: np.ndarray,
    predictions: np.ndarray,
    distances: Sequence[int],
    num_classes: int,
    ignore_value: int = 255,
) -> np.ndarray:
    """Counts the pixels of an image near the contours of its classes.

    Pixels whose label is to be ignored belong to no class in either label map, so contours run
    along them, too. The border of the image is a contour.

    Args:
        labels: Integers `[H, W]`, classes or the ignore value.
        predictions: Integers `[H, W]`, classes.
        distances: How far a pixel may be from the other side of the contour, in steps to any of the
            eight neighbours: 1 or more.
        num_classes: `C`.
        ignore_value: Label of the pixels that do not count.

    Returns:
        int64 `[D, 2, C]`: for each distance the pixels of intersection and union.

    Example:
        >>> from wss.results import boundary
        >>> mask = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]])
        >>> boundary.counts(mask, np.zeros_like(mask), [1], 2)[0].tolist()
        [[7, 0], [12, 8]]
    """
    found = np.zeros([len(distances), 2, num_classes], np.int64)
    predictions = np.where(labels == ignore_value, ignore_value, predictions)
    shown = np.union1d(labels, predictions)
    for index in shown[shown < num_classes]:
        of_class = (labels == index, predictions == index)
        place = _bounds(of_class[0] | of_class[1])
        steps = [_steps_to_contour(mask[place]) for mask in of_class]
        for row, distance in enumerate(distances):
            one, other = ((each > 0) & (each <= distance) for each in steps)
            found[row, :, index] = (one & other).sum(), (one | other).sum()
    return found


def _bounds(mask):
    """Returns the rows and columns of a mask, as slices."""
    return ndimage.find_objects(mask.astype(np.uint8))[0]


def _steps_to_contour(mask):
    """Returns for each pixel of a mask how many steps lead out of it, 0 outside."""
    return ndimage.distance_transform_cdt(np.pad(mask, 1), 'chessboard')[1:-1, 1:-1]
