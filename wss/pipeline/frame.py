"""How a photo of any size is brought before a network: scaled down, then padded."""

import dataclasses

import numpy as np
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.networks import resize

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Frame:
    """The one rule of sizes, for training, evaluation and prediction.

    It looks at one photo alone, so no prediction depends on what else is in a folder or a batch.

    Attributes:
        stride: Output stride of the backbone.
        padding_value: Three floats in 0..255, the RGB outside the photo.
        size: Height and width to which whole photos are padded; None, or a photo that is larger,
            means the photo's own multiple: the smallest sides of the form `k * stride + 1`, at
            least `2 * stride + 1`. With these the corners of feature maps and photo coincide.
        long_side: Pixels of the longer side to which larger photos are scaled down; None for no
            scaling.

    Example:
        >>> from wss.pipeline.frame import Frame
        >>> frame = Frame(stride=16, padding_value=(127.5, 127.5, 127.5), size=(513, 513))
        >>> frame.padded_size([[375, 500], [333, 600]]).numpy().tolist()
        [[513, 513], [337, 609]]
    """

    stride: int
    padding_value: tuple[float, float, float]
    size: Size | None = None
    long_side: int | None = None

    def scaled_size(self, size) -> tf.Tensor:
        """Returns int32 `[..., 2]`, the sizes of scaled photos; `size` has their own."""
        return scaled_size(size, self.long_side)

    def padded_size(self, size) -> tf.Tensor:
        """Returns int32 `[..., 2]`: to what (scaled) photos of the sizes `[..., 2]` are padded."""
        size = tf.convert_to_tensor(size, tf.int32)
        # No negative number is divided: runtimes of exports round its quotient another way.
        steps = tf.maximum((size + self.stride - 2) // self.stride, 2)
        own = steps * self.stride + 1
        if self.size is None:
            return own
        fits = tf.reduce_all(size <= self.size, axis=-1, keepdims=True)
        return tf.where(fits, tf.constant(self.size, tf.int32), own)

    def padded(self, images, size) -> tf.Tensor:
        """Pads (scaled) images at the bottom and on the right.

        Args:
            images: uint8 or float32 `[N, H, W, 3]` in [0, 255].
            size: Height and width to pad to, integers or int32 `[2]`.

        Returns:
            float32 `[N, *size, 3]`.
        """
        # Pieces of a constant, joined: on a CPU several times faster than `tf.where` or `tf.pad`.
        count, height, width = tf.unstack(tf.shape(images)[:3])
        colour = tf.constant(self.padding_value, tf.float32)
        beside = tf.broadcast_to(colour, [count, height, size[1] - width, 3])
        below = tf.broadcast_to(colour, [count, size[0] - height, size[1], 3])
        return tf.concat([tf.concat([tf.cast(images, tf.float32), beside], 2), below], 1)


def for_backbone(backbone, size: Size | None = None, long_side: int | None = None) -> Frame:
    """Returns the `Frame` of a network with this backbone."""
    return Frame(backbone.output_stride, tuple(backbone.padding_value), size, long_side)


def scaled_size(size, long_side: int | None) -> tf.Tensor:
    """Returns int32 `[..., 2]`: sizes whose longer side is `long_side` at most, of the same shape.

    Args:
        size: Heights and widths in pixels, `[..., 2]`.
        long_side: See `Frame`.
    """
    size = tf.convert_to_tensor(size, tf.int32)
    if long_side is None:
        return size
    longest = tf.cast(tf.reduce_max(size, axis=-1, keepdims=True), tf.int64)
    # Rounded in whole numbers, which are the same on every device.
    scaled = (2 * tf.cast(size, tf.int64) * long_side + longest) // (2 * longest)
    scaled = tf.maximum(tf.cast(scaled, tf.int32), 1)
    return tf.where(tf.cast(longest, tf.int32) > long_side, scaled, size)


def scaled_images(images: tf.Tensor, long_side: int | None) -> tf.Tensor:
    """Scales images down as `scaled_size` says, by `resized`.

    Args:
        images: uint8 or float32 `[N, H, W, 3]` in [0, 255].
        long_side: See `Frame`.

    Returns:
        The same type, `[N, h, w, 3]`; the images themselves where nothing is to be done.
    """
    if long_side is None:
        return images
    size = tf.shape(images)[1:3]
    scaled = scaled_size(size, long_side)

    return tf.cond(tf.reduce_all(scaled == size), lambda: images, lambda: resized(images, scaled))


def resized(images: tf.Tensor, size) -> tf.Tensor:
    """Resizes images: bilinear, half-pixel centres, antialiased, rounded to whole values.

    Args:
        images: uint8 or float32 `[N, H, W, 3]` in [0, 255].
        size: Height and width, int32 `[2]`.

    Returns:
        The same type, `[N, *size, 3]`.
    """
    values = tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=size,
        scale=tf.cast(size, tf.float32) / tf.cast(tf.shape(images)[1:3], tf.float32),
        translation=[0.0, 0.0],
        kernel_type='triangle',
        antialias=True,
    )
    return tf.cast(tf.clip_by_value(tf.round(values), 0.0, 255.0), images.dtype)


def scaled_examples(examples: Examples, long_side: int | None) -> Examples:
    """Returns the examples, scaled down as they are loaded; label maps by nearest neighbour."""
    if long_side is None:
        return examples
    original = examples.load

    def load(index):
        example = dict(original(index))
        image = scaled_images(example['image'][tf.newaxis], long_side)[0]
        if 'label' in example:
            size = tf.shape(image)[:2]
            label = tf.raw_ops.ResizeNearestNeighbor(
                images=example['label'][tf.newaxis, ..., tf.newaxis],
                size=size,
                half_pixel_centers=True,
            )
            example['label'] = tf.ensure_shape(label[0, ..., 0], (None, None))
        return {**example, 'image': tf.ensure_shape(image, (None, None, 3))}

    sizes = examples.sizes
    if sizes is None:
        max_size = tuple(min(side, long_side) for side in examples.max_size)
    else:
        sizes = scaled_size(sizes, long_side).numpy()
        max_size = tuple(sizes.max(axis=0).tolist())
    return dataclasses.replace(examples, load=load, sizes=sizes, max_size=max_size)


def original_grid(scaled, original) -> resize.Grid:
    """Returns where the pixels of a photo lie in its scaled copy, half-pixel centres.

    Args:
        scaled: Height and width of the copy.
        original: Height and width of the photo.
    """

    def positions(small, large):
        step = tf.cast(small, tf.float32) / tf.cast(large, tf.float32)
        found = (tf.cast(tf.range(large), tf.float32) + 0.5) * step - 0.5
        return tf.clip_by_value(found, 0.0, tf.cast(small - 1, tf.float32))

    return resize.Grid(positions(scaled[0], original[0]), positions(scaled[1], original[1]))


def typical_size(examples: Examples) -> Size | None:
    """Returns the median height and width of examples; None if their sizes are not known."""
    if examples.sizes is None or not len(examples.sizes):
        return None
    height, width = np.median(examples.sizes, axis=0)
    return round(height), round(width)
