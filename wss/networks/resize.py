"""The two resampling rules of the method, both those of TensorFlow 1 (the authors' program)."""

from typing import NamedTuple

import tensorflow as tf

_VALUES_AT_A_TIME = 2**22  # Of float32, for labels.


class Grid(NamedTuple):
    """Where in images pixels are asked for: those of each row with each column.

    Attributes:
        rows: float32 `[H']`, rows in pixels of the image, in `[0, H - 1]`.
        columns: float32 `[W']`, columns, in `[0, W - 1]`.
    """

    rows: tf.Tensor
    columns: tf.Tensor


def all_pixels(size) -> Grid:
    """Returns the grid of all pixels of images of a size `(H, W)`."""
    return Grid(*(tf.range(side, dtype=tf.float32) for side in (size[0], size[1])))


def bilinear(maps: tf.Tensor, size) -> tf.Tensor:
    """Resizes float maps bilinearly with aligned corners.

    The corner pixels of input and output coincide: output row `i` samples input row
    `i * (H - 1) / (H' - 1)`.

    Args:
        maps: float `[N, H, W, D]`.
        size: `(H', W')`, integers or an int32 tensor of shape `[2]`.

    Returns:
        float `[N, H', W', D]` of the same type, computed in float32; `maps` itself where the static
        size is already right.
    """
    known = maps.shape[1:3].is_fully_defined() and not tf.is_tensor(size)
    if known and tuple(maps.shape[1:3]) == tuple(size):
        return maps
    # The raw operations: the wrappers of TensorFlow 1 print a warning at each start.
    resized = tf.raw_ops.ResizeBilinear(
        images=tf.cast(maps, tf.float32), size=size, align_corners=True
    )
    return tf.cast(resized, maps.dtype)


def nearest(maps: tf.Tensor, size) -> tf.Tensor:
    """Resizes masks and label maps by nearest neighbour, neither aligned nor half-pixel.

    Output row `i` takes input row `floor(i * H / H')`.

    Args:
        maps: `[N, H, W]` of any number type.
        size: `(H', W')`.

    Returns:
        `[N, H', W']` of the same type.
    """
    return tf.raw_ops.ResizeNearestNeighbor(images=maps[..., tf.newaxis], size=size)[..., 0]


def spatial_size(maps: tf.Tensor):
    """Returns `(height, width)` of `[N, H, W, ...]`: integers where static, else int32 `[2]`."""
    size = maps.shape[1:3]
    return tuple(size) if size.is_fully_defined() else tf.shape(maps)[1:3]


def sample(maps: tf.Tensor, size, grid: Grid) -> tf.Tensor:
    """Resizes maps as `bilinear` does to the size of their images, and returns pixels of these.

    Args:
        maps: float `[N, h, w, D]`.
        size: `(H, W)` of the images, integers or an int32 tensor of shape `[2]`.
        grid: Rows `[H']` and columns `[W']`.

    Returns:
        float32 `[N, H', W', D]`.
    """
    last = [side - 1 for side in (spatial_size(maps)[0], spatial_size(maps)[1])]
    # Rows first: that is the smaller part of the work.
    rows = _between(tf.cast(maps, tf.float32), grid.rows, last[0], size[0] - 1, axis=1)
    return _between(rows, grid.columns, last[1], size[1] - 1, axis=2)


def sample_labels(maps: tf.Tensor, size, grid: Grid) -> tf.Tensor:
    """Returns the channel of the highest value of `sample`.

    Strips of rows are computed one after another: all values of a photo of 12 million pixels would
    take a gigabyte for 21 classes. The result does not depend on the strips.

    Args:
        maps: float `[N, h, w, C]`.
        size: See `sample`.
        grid: See `sample`.

    Returns:
        int32 `[N, H', W']`.
    """

    def labels(rows):
        values = sample(maps, size, Grid(rows, grid.columns))
        return tf.argmax(values, axis=-1, output_type=tf.int32)

    number, rows, columns = (
        known or tf.shape(tensor)[0]
        for known, tensor in ((tensor.shape[0], tensor) for tensor in (maps, *grid))
    )
    static = not any(map(tf.is_tensor, (number, rows, columns)))
    smaller, larger = (min, max) if static else (tf.minimum, tf.maximum)
    of_strip = _VALUES_AT_A_TIME // (number * columns * maps.shape[-1])
    of_strip = smaller(larger(of_strip, 1), rows)
    if static and of_strip == rows:
        return labels(grid.rows)
    strips = -(-rows // of_strip)

    def strip(index):
        here = tf.minimum(index * of_strip + tf.range(of_strip), rows - 1)
        return labels(tf.gather(grid.rows, here))

    found = tf.map_fn(strip, tf.range(strips), parallel_iterations=1, fn_output_signature=tf.int32)
    found = tf.transpose(found, [1, 0, 2, 3])
    return tf.reshape(found, [number, strips * of_strip, columns])[:, :rows]


def _between(maps, positions, last, image_last, axis):
    """Interpolates maps `[N, h, w, D]` along an axis, at positions of their images."""
    step = tf.cast(last, tf.float32) / tf.cast(tf.maximum(image_last, 1), tf.float32)
    places = positions * step
    before = tf.floor(places)
    share = tf.reshape(places - before, [-1, 1] if axis == 2 else [-1, 1, 1])
    before = tf.minimum(tf.cast(before, tf.int32), last)
    low = tf.gather(maps, before, axis=axis)
    high = tf.gather(maps, tf.minimum(before + 1, last), axis=axis)
    return low + (high - low) * share
