"""Random scale, pad, crop and flip (Zou et al., 2021, section 4.1 and appendix).

One `Geometry` is drawn for a sample and applied to its image, its label map and its mask, so that
they stay aligned. Only the pixels of the crop are computed: the scaled image never exists.
"""

from typing import NamedTuple

import tensorflow as tf


class Geometry(NamedTuple):
    """Where a crop lies in the scaled, padded image.

    Attributes:
        scaled_size: int32 `[2]`, height and width of the scaled image in pixels.
        offset: int32 `[2]`, row and column of the crop's top left pixel in the scaled image.
        flip: bool scalar, whether the crop is mirrored left to right afterwards.
    """

    scaled_size: tf.Tensor
    offset: tf.Tensor
    flip: tf.Tensor


def scaled_size(size: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Returns int32 `[2]` = `size * scale` in float32, cut down to whole pixels and at least 1."""
    return tf.maximum(tf.cast(tf.cast(size, tf.float32) * scale, tf.int32), 1)


def sample_geometry(
    size: tf.Tensor,
    crop_size: tuple[int, int],
    scales: tuple[float, ...],
    flip_probability: float,
    seed: tf.Tensor,
) -> Geometry:
    """Draws a scale, a crop and a flip.

    Args:
        size: int32 `[2]`, height and width of the image in pixels.
        crop_size: Height and width of the crop.
        scales: Factors to choose from, each equally likely.
        flip_probability: Probability of a left-right flip, 0..1.
        seed: int32 or int64 `[2]`.

    Returns:
        The geometry. A scaled image smaller than the crop starts at the crop's top left corner.
    """
    scale_seed, offset_seed, flip_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3), num=3
    )
    choice = tf.random.stateless_uniform([], scale_seed, maxval=len(scales), dtype=tf.int32)
    scaled = scaled_size(size, tf.gather(tf.constant(scales, tf.float32), choice))
    room = tf.maximum(scaled - tf.constant(crop_size, tf.int32), 0)
    share = tf.random.stateless_uniform([2], offset_seed)
    offset = tf.minimum(tf.cast(share * tf.cast(room + 1, tf.float32), tf.int32), room)
    flip = tf.random.stateless_uniform([], flip_seed) < flip_probability
    return Geometry(scaled, offset, flip)


def unchanged(size: tf.Tensor) -> Geometry:
    """Returns the geometry that only pads (or cuts) at the bottom and on the right."""
    return Geometry(tf.cast(size, tf.int32), tf.zeros([2], tf.int32), tf.constant(False))


def _rows_and_columns(geometry: Geometry, crop_size: tuple[int, int]):
    """Returns the row `[h]` and column `[w]` of the scaled image that each crop pixel shows."""
    rows = geometry.offset[0] + tf.range(crop_size[0])
    columns = tf.range(crop_size[1])
    columns = tf.where(geometry.flip, columns[::-1], columns)
    return rows, geometry.offset[1] + columns


def inside(geometry: Geometry, crop_size: tuple[int, int]) -> tf.Tensor:
    """Returns bool `[h, w]`: true where the crop shows the image, false on padding."""
    rows, columns = _rows_and_columns(geometry, crop_size)
    return (rows < geometry.scaled_size[0])[:, None] & (columns < geometry.scaled_size[1])[None]


def crop_image(
    image: tf.Tensor,
    geometry: Geometry,
    crop_size: tuple[int, int],
    padding_value: tuple[float, float, float],
) -> tf.Tensor:
    """Returns float32 `[h, w, 3]`: the crop of the scaled image.

    The same as `tf.image.resize(image, scaled_size, antialias=True)` (bilinear, half-pixel
    centres) and then a crop, up to float32 rounding; at scale 1 the pixels are copied exactly.

    Args:
        image: uint8 or float32 `[H, W, 3]`, 0..255.
        geometry: Scale, offset and flip.
        crop_size: `(h, w)`.
        padding_value: RGB outside the image.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    crop = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=crop_size,
        scale=tf.cast(geometry.scaled_size, tf.float32) / size,
        translation=-tf.cast(geometry.offset, tf.float32),
        kernel_type='triangle',
        antialias=True,
    )[0]
    crop = tf.where(geometry.flip, crop[:, ::-1], crop)
    visible = inside(geometry, crop_size)[..., None]
    crop = tf.where(visible, crop, tf.constant(padding_value, tf.float32))
    return tf.ensure_shape(crop, (*crop_size, 3))


def nearest_source(index: tf.Tensor, size: tf.Tensor, scaled: tf.Tensor) -> tf.Tensor:
    """Returns the source pixel of nearest-neighbour scaling with aligned corners, along one axis.

    `round(index * (size - 1) / (scaled - 1))` in float32, halves rounded up, as
    `tf.compat.v1.image.resize(method=NEAREST_NEIGHBOR, align_corners=True)` computes it.

    Args:
        index: int32 `[n]`, pixels of the scaled image; those outside it give some source pixel.
        size: int32 scalar, pixels of the source.
        scaled: int32 scalar, pixels of the scaled image.

    Returns:
        int32 `[n]` in `0..size - 1`.
    """
    aligned = tf.cast(size - 1, tf.float32) / tf.cast(tf.maximum(scaled - 1, 1), tf.float32)
    step = tf.where(scaled > 1, aligned, tf.cast(size, tf.float32))
    position = tf.cast(index, tf.float32) * step
    below = tf.floor(position)
    # Not floor(position + 0.5): that sum rounds in float32 and may cross the half.
    nearest = tf.cast(below, tf.int32) + tf.cast(position - below >= 0.5, tf.int32)
    return tf.clip_by_value(nearest, 0, size - 1)


def crop_label(
    label: tf.Tensor, geometry: Geometry, crop_size: tuple[int, int], ignore_value: int
) -> tf.Tensor:
    """Returns int32 `[h, w]`: the crop of the scaled label map, `ignore_value` on padding.

    Args:
        label: int32 `[H, W]`.
        geometry: Scale, offset and flip.
        crop_size: `(h, w)`.
        ignore_value: Value outside the image.
    """
    size = tf.shape(label)
    rows, columns = _rows_and_columns(geometry, crop_size)
    rows = nearest_source(rows, size[0], geometry.scaled_size[0])
    columns = nearest_source(columns, size[1], geometry.scaled_size[1])
    crop = tf.gather(tf.gather(label, rows), columns, axis=1)
    return tf.where(inside(geometry, crop_size), crop, ignore_value)
