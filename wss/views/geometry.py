"""Random scale, pad, crop and flip (Zou et al., 2021, section 4.1 and appendix).

One `Geometry` is sampled for an example and applied to its image, label map and mask, so that these
stay aligned. Only the pixels of the crop are computed; the scaled image never exists.
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
    """Samples a scale, a crop and a flip.

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


def visible_crop(image: tf.Tensor, geometry: Geometry, crop_size: tuple[int, int]) -> tf.Tensor:
    """Returns float32 `[vh, vw, 3]`: the pixels of the crop that show the image, flip included.

    The same as `tf.image.resize(image, scaled_size, antialias=True)` (bilinear, half-pixel
    centres) and then a crop, up to the rounding of float32 positions. At scale 1 the pixels are
    copied; larger images are interpolated, where antialiasing has no effect.

    Args:
        image: uint8 or float32 `[H, W, 3]`, 0..255.
        geometry: Scale, offset and flip.
        crop_size: `(h, w)`; `vh <= h` and `vw <= w`.
    """
    size = tf.shape(image)[:2]
    visible = tf.minimum(geometry.scaled_size - geometry.offset, crop_size)
    larger = tf.reduce_all(geometry.scaled_size >= size)
    same = tf.reduce_all(geometry.scaled_size == size)

    def copied():
        window = _window(image, geometry.offset, geometry.offset + visible)
        return tf.cast(_flipped(window, geometry.flip), tf.float32)

    return tf.switch_case(
        tf.cast(larger, tf.int32) + tf.cast(same, tf.int32),
        [
            lambda: _shrunk(image, geometry, visible),
            lambda: _enlarged(image, geometry, visible),
            copied,
        ],
    )


def scaled_image(image: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Returns float32 `[*scaled_size, 3]`: all of the scaled image, before crop and flip."""
    whole = Geometry(geometry.scaled_size, tf.zeros([2], tf.int32), tf.constant(False))
    return visible_crop(image, whole, geometry.scaled_size)


def crop_of_scaled(scaled: tf.Tensor, geometry: Geometry, crop_size: tuple[int, int]) -> tf.Tensor:
    """Returns from `scaled_image` what `visible_crop` returns from the image itself."""
    stop = tf.minimum(geometry.scaled_size, geometry.offset + crop_size)
    return _flipped(_window(scaled, geometry.offset, stop), geometry.flip)


def _shrunk(image, geometry, visible):
    """Returns the visible crop of an image that is scaled down, antialiased."""
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    crop = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=visible,
        scale=tf.cast(geometry.scaled_size, tf.float32) / size,
        translation=-tf.cast(geometry.offset, tf.float32),
        kernel_type='triangle',
        antialias=True,
    )[0]
    return _flipped(crop, geometry.flip)


def _enlarged(image, geometry, visible):
    """Returns the visible crop of an image that is scaled up: bilinear interpolation."""
    size = tf.shape(image)[:2]
    # float64, for a hundredth of a pixel at position 500 is seen at an edge.
    step = tf.cast(size, tf.float64) / tf.cast(geometry.scaled_size, tf.float64)
    ends = tf.stack([geometry.offset, geometry.offset + visible - 1])
    ends = (tf.cast(ends, tf.float64) + 0.5) * step - 0.5  # In the image: first and last pixel.
    # The part that is needed, with its border doubled: positions reach half a pixel outside.
    start = tf.maximum(tf.cast(tf.floor(ends[0]), tf.int32), 0)
    stop = tf.minimum(tf.cast(tf.floor(ends[1]), tf.int32) + 2, size)
    window = _window(image, start, stop)
    window = tf.concat([window[:1], window, window[-1:]], 0)
    window = tf.concat([window[:, :1], window, window[:, -1:]], 1)
    last = tf.cast(stop - start + 1, tf.float64)
    box = tf.cast((ends - tf.cast(start, tf.float64) + 1.0) / last, tf.float32)
    top, left, bottom, right = tf.unstack(tf.reshape(box, [4]), num=4)
    left, right = tf.where(geometry.flip, right, left), tf.where(geometry.flip, left, right)
    return tf.image.crop_and_resize(
        tf.cast(window, tf.float32)[None], [[top, left, bottom, right]], [0], visible
    )[0]


def _window(image, start, stop):
    """Returns rows and columns from `start` to `stop - 1`."""
    (top, left), (bottom, right) = tf.unstack(start, num=2), tf.unstack(stop, num=2)
    return image[top:bottom, left:right]


def _flipped(image, flip):
    return tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)


def on_canvas(
    visible: tf.Tensor,
    geometry: Geometry,
    crop_size: tuple[int, int],
    padding_value: tuple[float, float, float],
) -> tf.Tensor:
    """Returns float32 `[h, w, 3]`: the visible pixels where they belong, padding elsewhere.

    Args:
        visible: float32 `[vh, vw, 3]` from `visible_crop`.
        geometry: The geometry of that.
        crop_size: `(h, w)`.
        padding_value: RGB outside the image.
    """
    height, width = crop_size
    size = tf.shape(visible)
    # Pieces of a constant, joined: on a CPU several times faster than `tf.where` or `tf.pad`.
    canvas = tf.constant(padding_value, tf.float32) * tf.ones((height, width, 1))
    beside = canvas[: size[0], size[1] :]
    left = tf.cond(geometry.flip, lambda: beside, lambda: visible)
    right = tf.cond(geometry.flip, lambda: visible, lambda: beside)
    rows = tf.concat([left, right], 1)
    return tf.ensure_shape(tf.concat([rows, canvas[size[0] :]], 0), (height, width, 3))


def crop_image(
    image: tf.Tensor,
    geometry: Geometry,
    crop_size: tuple[int, int],
    padding_value: tuple[float, float, float],
) -> tf.Tensor:
    """Returns float32 `[h, w, 3]`: the crop of the scaled image (see `visible_crop`), padded.

    Args:
        image: uint8 or float32 `[H, W, 3]`, 0..255.
        geometry: Scale, offset and flip.
        crop_size: `(h, w)`.
        padding_value: RGB outside the image.
    """
    visible = visible_crop(image, geometry, crop_size)
    return on_canvas(visible, geometry, crop_size, padding_value)


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
        label: int32 or uint8 `[H, W]`.
        geometry: Scale, offset and flip.
        crop_size: `(h, w)`.
        ignore_value: Value outside the image.
    """
    height, width = tf.unstack(tf.shape(label), num=2)
    rows, columns = _rows_and_columns(geometry, crop_size)
    scaled_height, scaled_width = tf.unstack(geometry.scaled_size, num=2)
    # Outside the image a pixel takes the row or column of ignored ones that is put behind it.
    source_rows = nearest_source(rows, height, scaled_height)
    source_rows = tf.where(rows < scaled_height, source_rows, height)
    source_columns = nearest_source(columns, width, scaled_width)
    source_columns = tf.where(columns < scaled_width, source_columns, width)
    label = tf.pad(label, [[0, 1], [0, 1]], constant_values=tf.cast(ignore_value, label.dtype))
    # Whole rows are gathered much faster than pixels out of rows.
    turned = tf.transpose(tf.gather(label, source_rows))
    crop = tf.transpose(tf.gather(turned, source_columns))
    return tf.ensure_shape(tf.cast(crop, tf.int32), crop_size)
