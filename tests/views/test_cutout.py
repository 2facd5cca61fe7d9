import numpy as np
import tensorflow as tf

from wss.views import cutout


def inside(square, crop_size):
    return cutout.inside(square, crop_size).numpy()


def test_square_by_hand():
    square = inside(cutout.square_at((5, 6), 1, tf.constant([2, 3])), (5, 6))
    expected = np.zeros((5, 6), bool)
    expected[1:3, 2:4] = True
    np.testing.assert_array_equal(square, expected)


def test_square_is_clipped_at_the_border():
    square = inside(cutout.square_at((5, 6), 2, tf.constant([0, 5])), (5, 6))
    expected = np.zeros((5, 6), bool)
    expected[0:2, 3:6] = True
    np.testing.assert_array_equal(square, expected)


def test_half_size_0_takes_nothing():
    square = cutout.sample_square((5, 6), 0, tf.constant([0, 0]))
    assert not inside(square, (5, 6)).any()
    image = tf.random.stateless_uniform([5, 6, 3], [0, 0])
    np.testing.assert_array_equal(cutout.filled(image, square, (9.0, 8.0, 7.0)), image)


def test_centre_is_anywhere():
    # A square of half-size 1 covers its centre as its last row and column.
    centres = set()
    for i in range(150):
        square = cutout.sample_square((3, 4), 1, tf.constant([1, i]))
        rows, columns = np.nonzero(inside(square, (3, 4)))
        centres.add((rows.max(), columns.max()))
    assert centres == {(row, column) for row in range(3) for column in range(4)}


def test_filled_by_hand():
    image = tf.reshape(tf.range(36.0), [3, 4, 3])
    square = cutout.square_at((3, 4), 1, tf.constant([1, 0]))
    filled = cutout.filled(image, square, (100.0, 101.0, 102.0)).numpy()
    expected = np.arange(36.0).reshape(3, 4, 3)
    expected[0:2, 0:1] = [100, 101, 102]
    np.testing.assert_array_equal(filled, expected)
