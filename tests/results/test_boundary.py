"""Boundary IoU by hand, and against erosion as its authors have it."""

import numpy as np
import pytest
from scipy import ndimage

from wss.results import boundary


def test_a_square_that_is_moved_by_hand():
    """A square of 4 x 4 inside 8 x 8, and the same one column to the right."""
    labels, moved = np.zeros([2, 8, 8], int)
    labels[2:6, 2:6] = 1
    moved[2:6, 3:7] = 1
    near, all_ = boundary.counts(labels, moved, [1, 2], 2)
    # The rings have 12 pixels each. They share three columns of the upper and lower rows, and
    # nothing else: 6 of 18.
    assert near[:, 1].tolist() == [6, 18]
    # Two steps reach the middle: all of both squares, 12 of 20.
    assert all_[:, 1].tolist() == [12, 20]


def test_ignored_pixels_belong_to_no_class():
    labels = np.array([[1, 1, 1, 255, 255, 0]])
    found = boundary.counts(labels, np.ones_like(labels), [1], 2)
    # One row: every pixel is at a contour. The last one is predicted wrongly.
    assert found[0].tolist() == [[0, 3], [1, 4]]
    nothing = boundary.counts(np.full([3, 3], 255), np.zeros([3, 3], int), [1], 2)
    assert not nothing.any()


@pytest.mark.parametrize('distance', [1, 3, 6])
def test_masks_less_their_erosion(distance):
    random = np.random.default_rng(1)
    labels, predictions = (
        (ndimage.gaussian_filter(random.normal(size=(40, 50)), 3) * 20).round().clip(0, 2)
        for _ in range(2)
    )
    found = boundary.counts(labels.astype(int), predictions.astype(int), [distance], 3)[0]
    for index in range(3):
        rings = []
        for mask in (labels == index, predictions == index):
            square = np.ones([2 * distance + 1] * 2)
            rings.append(
                mask
                & ~ndimage.binary_erosion(np.pad(mask, distance), square)[
                    distance:-distance, distance:-distance
                ]
            )
        one, other = rings
        assert found[:, index].tolist() == [(one & other).sum(), (one | other).sum()]
