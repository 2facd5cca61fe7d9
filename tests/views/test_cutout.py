import numpy as np
import tensorflow as tf

from wss.views import cutout


def test_square_by_hand():
    square = cutout.square_at((5, 6), 1, tf.constant([2, 3])).numpy()
    expected = np.zeros((5, 6), bool)
    expected[1:3, 2:4] = True
    np.testing.assert_array_equal(square, expected)


def test_square_is_clipped_at_the_border():
    square = cutout.square_at((5, 6), 2, tf.constant([0, 5])).numpy()
    expected = np.zeros((5, 6), bool)
    expected[0:2, 3:6] = True
    np.testing.assert_array_equal(square, expected)


def test_half_size_0_takes_nothing():
    assert not cutout.sample_square((5, 6), 0, tf.constant([0, 0])).numpy().any()


def test_centre_is_anywhere():
    # A square of half-size 1 covers its centre as its last row and column.
    centres = set()
    for i in range(150):
        rows, columns = np.nonzero(cutout.sample_square((3, 4), 1, tf.constant([1, i])).numpy())
        centres.add((rows.max(), columns.max()))
    assert centres == {(row, column) for row in range(3) for column in range(4)}
