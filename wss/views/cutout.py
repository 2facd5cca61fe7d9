"""CutOut: one square of the strong view is taken away (Zou et al., 2021, section 4.1)."""

import tensorflow as tf


def square_at(crop_size: tuple[int, int], half_size: int, centre: tf.Tensor) -> tf.Tensor:
    """Returns bool `[h, w]`: true in rows and columns `[centre - half_size, centre + half_size)`.

    Args:
        crop_size: `(h, w)`.
        half_size: Half the side of the square in pixels; 0 gives no square.
        centre: int32 `[2]`, row and column. The square is clipped at the border.
    """
    rows = tf.range(crop_size[0]) - centre[0]
    columns = tf.range(crop_size[1]) - centre[1]
    in_rows = (rows >= -half_size) & (rows < half_size)
    in_columns = (columns >= -half_size) & (columns < half_size)
    return in_rows[:, None] & in_columns[None]


def sample_square(crop_size: tuple[int, int], half_size: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns bool `[h, w]`: true in a square whose centre is uniform over the pixels.

    Args:
        crop_size: `(h, w)`.
        half_size: Half the side of the square in pixels; 0 gives no square.
        seed: int32 or int64 `[2]`.
    """
    row_seed, column_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2), num=2)
    row = tf.random.stateless_uniform([], row_seed, maxval=crop_size[0], dtype=tf.int32)
    column = tf.random.stateless_uniform([], column_seed, maxval=crop_size[1], dtype=tf.int32)
    return square_at(crop_size, half_size, tf.stack([row, column]))
