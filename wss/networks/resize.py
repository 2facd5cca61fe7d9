"""The two resampling rules of the method, both those of TensorFlow 1 (the authors' program)."""

import tensorflow as tf


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
