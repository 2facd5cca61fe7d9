"""Predicts single images of any size with a trained method."""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from wss.datasets.files import checks, decoding, depth
from wss.pipeline import evaluation
from wss.results import pictures

Picture = str | os.PathLike | Image.Image | np.ndarray


class Predictor:
    """A trained method, for use from Python.

    Attributes:
        method: The `Method`; its `network` is a Keras model.

    Args:
        method: A `Method` with its weights.
        size: Height and width to which images are padded, as they were for evaluation; a larger
            image gets a size of its own, one more than a multiple of the output stride.

    Example:
        >>> import wss
        >>> model = wss.load('runs/mine', checkpoint='last')
        >>> labels, probabilities = model.predict('photo.jpg', probabilities=True)
        >>> labels.shape, probabilities.shape
        ((60, 80), (60, 80, 7))
        >>> model.overlay('photo.jpg', labels).save('overlay.png')
        >>> model.classes[:3]
        ('background', 'stripes', 'checks')
    """

    def __init__(self, method, size: tuple[int, int]):
        self.method = method
        self._labels = _function(method.predict_labels, method, size)
        self._probabilities = _function(method.predict_probabilities, method, size)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices in a label map."""
        return self.method.info.class_names

    def predict(
        self, image: Picture, probabilities: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predicts one image.

        Args:
            image: Path, PIL image, or RGB array `[H, W, 3]` with values in 0..255. Files and PIL
                images are turned upright by their EXIF orientation, as viewers show them; an array
                is taken as it is. A uint16 array is scaled by the `bit_depth` of the dataset, as
                16-bit files are, and refused without one.
            probabilities: Whether the probabilities of the classes are returned too.

        Returns:
            Label map int32 `[H, W]`, upright as the image is; with `probabilities` also float32
            `[H, W, C]`, whose sum over the classes is 1.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the image is damaged or is not RGB.
        """
        pixels = as_rgb(image, self.method.info.bit_depth)[np.newaxis].astype(np.float32)
        if not probabilities:
            return self._labels(pixels)[0].numpy()
        found = self._probabilities(pixels)[0].numpy()
        return found.argmax(axis=-1).astype(np.int32), found

    def overlay(self, image: Picture, labels: np.ndarray) -> Image.Image:
        """Draws a label map over its image.

        Args:
            image: As for `predict`.
            labels: int32 `[H, W]`, classes of this model.

        Returns:
            A PIL image of the same size.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the image is refused as by `predict`, or the labels do not fit it.
        """
        info = self.method.info
        pixels, labels = as_rgb(image, info.bit_depth), np.asarray(labels)
        if labels.shape != pixels.shape[:2] or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f'The labels are {labels.dtype} of the shape {labels.shape}; they must be integers '
                f'of the shape {pixels.shape[:2]}, that of the image.'
            )
        checks.check_values(labels, info, 'The label map')
        return Image.fromarray(pictures.overlay(pixels, labels, info))


def as_rgb(image: Picture, bit_depth: int | None = None) -> np.ndarray:
    """Returns an image as uint8 or float RGB `[H, W, 3]` in 0..255; see `Predictor.predict`."""
    if isinstance(image, Image.Image):
        return decoding.to_rgb(image, bit_depth=bit_depth)
    if isinstance(image, str | os.PathLike):
        return decoding.decode_image(image, bit_depth=bit_depth)
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f'The image is a {type(image).__name__}; it must be a path, a PIL image or an array.'
        )
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f'The image has the shape {image.shape}; it must be [H, W, 3], RGB.')
    if image.dtype == np.uint16:
        if bit_depth is None:
            raise ValueError(
                'The image is an array of uint16, and how many bits hold data is not known. Scale '
                'it to 0..255, such as image / 4095 * 255 for 12 bits, or convert it to uint8 if '
                'its values are in 0..255 already.'
            )
        return depth.to_8_bits(image, bit_depth, 'The image')
    if image.dtype != np.uint8:
        if not np.issubdtype(image.dtype, np.number) or np.iscomplexobj(image):
            raise ValueError(f'The image has values of type {image.dtype}; they must be numbers.')
        low, high = image.min(), image.max()
        if not (np.isfinite([low, high]).all() and low >= 0 and high <= 255):
            raise ValueError(f'The image has values in {low}..{high}; they must be in 0..255.')
        if np.issubdtype(image.dtype, np.floating) and 0 < high <= 1:
            raise ValueError('The image has values in 0..1; multiply them by 255.')
    return image


def pad(images: tf.Tensor, backbone, size: tuple[int, int]) -> tf.Tensor:
    """Pads images as in evaluation, at the bottom and on the right.

    Args:
        images: float32 `[N, H, W, 3]` in [0, 255].
        backbone: The backbone, for its padding value and output stride.
        size: See `Predictor`.

    Returns:
        float32 `[N, H', W', 3]`.
    """
    given = tf.shape(images)[1:3]
    own_size = tf.stack(evaluation.evaluation_size((given[0], given[1]), backbone.output_stride))
    padded_size = tf.where(tf.reduce_all(given <= size), tf.constant(size), own_size)
    room = padded_size - given
    paddings = [[0, 0], [0, room[0]], [0, room[1]], [0, 0]]
    inside = tf.pad(tf.ones_like(images[..., :1], tf.bool), paddings)
    return tf.where(inside, tf.pad(images, paddings), tf.constant(backbone.padding_value))


def predict_padded(
    predict: Callable[[tf.Tensor], tf.Tensor], method, images: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Calls a prediction of a method on padded images; returns `[N, H, W, ...]` without padding."""
    height, width = tf.unstack(tf.shape(images)[1:3])
    return predict(pad(images, method.network.backbone, size))[:, :height, :width]


def _function(predict, method, size):
    """Returns a graph of `predict_padded` for one image of any size."""
    spec = tf.TensorSpec([1, None, None, 3], tf.float32)
    return tf.function(
        lambda images: predict_padded(predict, method, images, size),
        input_signature=[spec],
        autograph=False,
    )
