"""CutOut: one square of the strong view is removed (Zou et al., 2021, section 4.1)."""

from typing import NamedTuple

import tensorflow as tf


class Square(NamedTuple):
    """Rows `top` to `bottom - 1` and columns `left` to `right - 1` of a crop; int32 scalars."""

    top: tf.Tensor
    bottom: tf.Tensor
    left: tf.Tensor
    right: tf.Tensor


def square_at(crop_size: tuple[int, int], half_size: int, centre: tf.Tensor) -> Square:
    """Returns rows and columns `[centre - half_size, centre + half_size)`, cut at the border.

    Args:
        crop_size: `(h, w)`.
        half_size: Half the side of the square in pixels; 0 gives no square.
        centre: int32 `[2]`, row and column.
    """
    start = tf.unstack(tf.maximum(centre - half_size, 0), num=2)
    stop = tf.unstack(tf.minimum(centre + half_size, crop_size), num=2)
    return Square(start[0], stop[0], start[1], stop[1])


def sample_square(crop_size: tuple[int, int], half_size: int, seed: tf.Tensor) -> Square:
    """Returns a square whose centre is uniform over the pixels.

    Args:
        crop_size: `(h, w)`.
        half_size: Half the side of the square in pixels; 0 gives no square.
        seed: int32 or int64 `[2]`.
    """
    row_seed, column_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2), num=2)
    row = tf.random.stateless_uniform([], row_seed, maxval=crop_size[0], dtype=tf.int32)
    column = tf.random.stateless_uniform([], column_seed, maxval=crop_size[1], dtype=tf.int32)
    return square_at(crop_size, half_size, tf.stack([row, column]))


def inside(square: Square, crop_size: tuple[int, int]) -> tf.Tensor:
    """Returns bool `[h, w]`: true in the square."""
    rows, columns = tf.range(crop_size[0]), tf.range(crop_size[1])
    in_rows = (rows >= square.top) & (rows < square.bottom)
    in_columns = (columns >= square.left) & (columns < square.right)
    return in_rows[:, None] & in_columns[None]


def filled(image: tf.Tensor, square: Square, value: tuple[float, float, float]) -> tf.Tensor:
    """Returns the image with one colour in the square.

    Args:
        image: float32 `[h, w, 3]`.
        square: Where.
        value: RGB of the square.
    """
    top, bottom, left, right = square
    rows = image[top:bottom]
    block = tf.constant(value, tf.float32) * tf.ones([bottom - top, right - left, 1])
    rows = tf.concat([rows[:, :left], block, rows[:, right:]], 1)
    return tf.ensure_shape(tf.concat([image[:top], rows, image[bottom:]], 0), image.shape)
