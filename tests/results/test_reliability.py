"""Reliability of probabilities, by hand."""

import numpy as np
import pytest

from wss.results import reliability


def test_counts_by_hand():
    """Five intervals of 0.2. The pixel with the ignored label does not count."""
    probabilities = np.array([[0.5, 0.5], [0.35, 0.65], [0.8, 0.2], [0.1, 0.9], [1.0, 0.0]])
    counted = reliability.counts(np.array([1, 1, 1, 255, 0]), probabilities, bins=5)
    # 0.5 (class 0, wrong) is in 0.4 to 0.6; 0.65 (right) and 0.8 (wrong) in 0.6 to 0.8; 1 (right).
    np.testing.assert_allclose(counted, [[0, 0, 1, 2, 1], [0, 0, 0, 1, 1], [0, 0, 0.5, 1.45, 1]])
    # |0 - 0.5| of 1, |0.5 - 0.725| of 2 and |1 - 1| of 1 pixel.
    error = (0.5 * 1 + 0.225 * 2 + 0) / 4
    assert reliability.expected_calibration_error(counted) == pytest.approx(error)
    assert reliability.expected_calibration_error(np.zeros([3, 5])) is None


def test_maps_are_counted_as_their_pixels():
    random = np.random.default_rng(0)
    maps = random.dirichlet(np.ones(4), (2, 5, 6))
    labels = random.integers(0, 4, (2, 5, 6))
    counted = reliability.counts(labels, maps)
    assert counted[0].sum() == 60
    assert counted[1].sum() == (maps.argmax(-1) == labels).sum()
    np.testing.assert_allclose(counted[2].sum(), maps.max(-1).sum())
    assert not counted[0, :3].any()  # No pixel is less confident than a quarter.


def test_a_bar_ends_at_the_accuracy():
    counted = np.zeros([3, 15])
    counted[:, 11] = (8, 6, 6.2)  # Confidence 11/15 to 12/15; accuracy 0.75.
    picture = reliability.picture({'fused': counted, 'sgc': counted})
    bar = (picture == (62, 114, 170)).all(axis=-1)
    column = bar[:, 34 + 11 * 16 + 5]
    (first, *_), above = np.flatnonzero(column), 2 * 34
    assert first == above + 60  # A quarter of 240 pixels below the top.
    assert not bar[:, 34 + 9 * 16 : 34 + 10 * 16].any()
