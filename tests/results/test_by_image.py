"""Scores of single images, and intervals of differences."""

import numpy as np
import pytest

from wss.results import by_image
from wss.results.by_image import ByImage


def run(*images):
    """Counts of images of two classes: right, true and predicted pixels of each."""
    counts = np.array(images)
    names = tuple(f'{number}.jpg' for number in range(len(images)))
    return ByImage(names, counts, np.zeros([len(images), 2, 2, 2], int))


GOOD = [[4, 4], [4, 4], [4, 4]]
HALF = [[4, 0], [4, 4], [8, 0]]  # Class 0: 4 of 8; class 1: 0 of 4.
EMPTY = [[0, 0], [0, 0], [0, 0]]


def test_an_image_by_hand():
    labels = np.array([[0, 0, 1], [1, 255, 2]])
    predictions = np.array([[0, 1, 1], [1, 0, 1]])
    counts, boundaries = by_image.of_image(labels, predictions, 4, 255)
    assert counts.tolist() == [[1, 2, 0, 0], [2, 2, 1, 0], [1, 4, 0, 0]]
    assert boundaries.shape == (2, 2, 4)
    # Every pixel is near a contour, so these are the IoU of the whole: 1 of 2, 2 of 4, 0 of 1.
    assert boundaries[0].tolist() == [[1, 2, 0, 0], [2, 4, 1, 0]]


def test_the_worst_images_come_first():
    images = run(GOOD, HALF, EMPTY, [[4, 1], [4, 4], [7, 1]])
    np.testing.assert_allclose(images.miou(), [1, 0.25, np.nan, (4 / 7 + 1 / 4) / 2])
    assert images.worst(2) == [1, 3] and images.worst(9) == [1, 3, 0]


def test_boundary_scores_are_over_all_images():
    boundaries = np.zeros([2, 2, 2, 3], int)
    boundaries[0, 0] = [[1, 0, 0], [2, 0, 4]]
    boundaries[1, 0] = [[2, 0, 1], [2, 0, 1]]
    images = ByImage(('a', 'b'), np.zeros([2, 3, 3], int), boundaries)
    assert images.boundary_scores() == {
        'boundary_iou_3_pixels': [0.75, None, 0.2],
        'boundary_miou_3_pixels': pytest.approx(0.475),
        'boundary_iou_2_percent': [None, None, None],
        'boundary_miou_2_percent': None,
    }


def test_two_equal_images_have_no_interval():
    """Every sample of images that are alike is the whole: all intervals have no width."""
    found = by_image.difference(run(HALF, HALF), run(GOOD, GOOD))
    assert found['miou'] == [0.25, 1.0, 0.75, 0.75, 0.75]
    assert found['iou'] == [[0.5, 1.0, 0.5, 0.5, 0.5], [0.0, 1.0, 1.0, 1.0, 1.0]]


def test_the_interval_is_that_of_all_samples():
    """Three images; 27 samples of equal probability, counted one by one."""
    first, second = run(HALF, HALF, GOOD), run(GOOD, HALF, GOOD)
    found = by_image.difference(first, second)

    def miou(counts):
        right, true, predicted = np.sum(counts, axis=0).astype(float)
        return np.mean(right / (true + predicted - right))

    samples = [
        miou(second.counts[list(drawn)]) - miou(first.counts[list(drawn)])
        for drawn in np.ndindex(3, 3, 3)
    ]
    one, other, change, low, high = found['miou']
    assert (one, other) == (miou(first.counts), miou(second.counts))
    assert change == other - one
    # Of 27 the lowest 8 are 0 (the first image is not drawn) and the highest 1 is 0.75.
    assert (low, high) == (np.percentile(samples, 2.5), pytest.approx(max(samples)))
    assert by_image.difference(first, second) == found


def test_a_class_that_nothing_shows_has_no_difference():
    counts = np.array([[[4, 0], [4, 0], [4, 0]]])
    one = ByImage(('a',), counts, np.zeros([1, 2, 2, 2], int))
    found = by_image.difference(one, one)
    assert found['iou'] == [[1.0, 1.0, 0.0, 0.0, 0.0], None] and found['miou'][0] == 1
    values = ('first', 'second', 'difference', 'low', 'high')
    compared = {
        'iou': {'cat': dict(zip(values, found['iou'][0], strict=True)), 'dog': None},
        'miou': dict(zip(values, (0.5, 0.25, -0.25, -0.5, 0.125), strict=True)),
    }
    assert by_image.table(compared).splitlines() == [
        'IoU %   first  second  difference (95 %)',
        'cat    100.00  100.00       +0.00 (+0.00 to +0.00)',
        'dog         -       -           -',
        'mIoU    50.00   25.00      -25.00 (-50.00 to +12.50)',
    ]


def test_runs_on_other_images_are_not_compared():
    other = ByImage(('x.jpg',), np.array([GOOD]), np.zeros([1, 2, 2, 2], int))
    with pytest.raises(ValueError, match='scored on different images'):
        by_image.difference(run(GOOD), other)
    with pytest.raises(ValueError, match='scored on different masks'):
        by_image.difference(run(GOOD), run([[4, 2], [4, 2], [4, 4]]))
