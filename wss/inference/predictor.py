"""Predicts single images of any size with a trained method."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from wss.datasets.files import checks, decoding, depth
from wss.inference import averaging, memory, windows
from wss.inference.averaging import Averaging
from wss.pipeline import frame
from wss.pipeline.frame import Frame
from wss.results import pictures

Picture = str | os.PathLike | Image.Image | np.ndarray


class Predictor:
    """A trained method, for use from Python.

    Attributes:
        method: The `Method`; its `network` is a Keras model.
        frame: How images are scaled and padded.

    Args:
        method: A `Method` with its weights.
        size: Height and width to which images are padded; None, or a larger image, for the image's
            own size, rounded up (`Frame`). It is the size of the run's evaluation.
        long_side: Pixels of the longer side to which larger images are scaled down; predictions
            have the size of the image as given. None for no scaling.

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

    def __init__(self, method, size: tuple[int, int] | None = None, long_side: int | None = None):
        self.method = method
        self.frame = frame.for_backbone(method.network.backbone, size, long_side)
        self._labels = _function(method.predict_labels, self.frame)
        self._probabilities = _function(method.predict_probabilities, self.frame)
        self._averaged = {}  # Functions by `Averaging`.

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices in a label map."""
        return self.method.info.class_names

    def predict(
        self,
        image: Picture,
        probabilities: bool = False,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        window: int | None = None,
        overlap: float = 0.33,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predicts one image.

        Args:
            image: Path, PIL image, or RGB array `[H, W, 3]` with values in 0..255. Files and PIL
                images are turned upright by their EXIF orientation, as viewers show them; an array
                is taken as it is. A uint16 array is scaled by the `bit_depth` of the dataset, as
                16-bit files are, and refused without one.
            probabilities: Whether the probabilities of the classes are returned too.
            scales: The probabilities are averaged over copies of the image, scaled by these
                factors, 0.1 to 4.
            flip: Whether each copy is predicted mirrored, too.
            window: Pixels, 33 to 4097. An image with a longer side is predicted in square windows
                of these sides, and its memory is that of a row of windows; None for whole images.
            overlap: Share of a window that the next one shows again, 0 to 0.9.

        Returns:
            Label map int32 `[H, W]`, upright as the image is; with `probabilities` also float32
            `[H, W, C]`, whose sum over the classes is 1.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the image is damaged or is not RGB, or an option is out of range.
        """
        how = self._fitting(Averaging(tuple(scales), flip, window, overlap))
        pixels = as_rgb(image, self.method.info.bit_depth)
        size = pixels.shape[:2]
        if how.seen(size) != size:
            return self._in_windows(pixels, how, probabilities)
        if how.of_window.is_plain and not probabilities:
            return self._labels(_one(pixels))[0].numpy()
        found = self._probabilities_of(how.of_window)(_one(pixels))[0].numpy()
        labels = found.argmax(axis=-1).astype(np.int32)
        return (labels, found) if probabilities else labels

    def _in_windows(self, pixels, how, probabilities):
        """Predicts an image in windows; keeps the probabilities only if they are asked for."""
        compute, size = self._probabilities_of(how.of_window), pixels.shape[:2]
        labels = np.empty(size, np.int32)
        kept = np.empty([*size, len(self.classes)], np.float32) if probabilities else None
        found = windows.bands(
            lambda part: compute(_one(part))[0].numpy(), pixels, how.window, how.overlap
        )
        for top, band in found:
            rows = slice(top, top + len(band))
            labels[rows] = band.argmax(axis=-1)
            if probabilities:
                kept[rows] = band
        return (labels, kept) if probabilities else labels

    def _fitting(self, how):
        """Leaves windows out where no scaled image is larger; refuses those that would cut one."""
        long_side = self.frame.long_side
        if how.window is None or long_side is None:
            return how
        if long_side > how.window:
            raise ValueError(
                f'window is {how.window}, but images are scaled down to a longer side of '
                f'{long_side} pixels (Data.long_side of the run), which needs no windows; leave '
                'it out.'
            )
        return how.of_window

    def _probabilities_of(self, copies):
        """Returns what computes probabilities; each has a graph, made when it is asked for."""
        if copies.is_plain:
            return self._probabilities
        if copies not in self._averaged:
            self._averaged[copies] = _graph(
                lambda images: averaging.probabilities(
                    self.method.predict_probabilities, self.frame, copies, images
                )
            )
        return self._averaged[copies]

    def bytes_of(self, copies: Averaging) -> Callable[[tuple[int, int]], float]:
        """Returns a function from height and width to the bytes that `predict` needs, about.

        Raises:
            ValueError: If windows would cut images that are scaled down to `Data.long_side`.
        """
        copies = self._fitting(copies)
        largest, classes = max(copies.scales), self.method.info.num_classes

        def padded_size(size):
            seen = tf.cast(self.frame.scaled_size(size), tf.float32)
            return self.frame.padded_size(tf.cast(tf.round(largest * seen), tf.int32))

        of_network = memory.network_bytes(self.method, padded_size)
        return lambda size: of_network(copies.seen(size)) + copies.bytes_of_sums(size, classes)

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


def predict_whole(predict: Callable[..., tf.Tensor], rule: Frame, images: tf.Tensor) -> tf.Tensor:
    """Calls a prediction of a method on images that are scaled and padded as in evaluation.

    Args:
        predict: `Method.predict_labels` or `Method.predict_probabilities`.
        rule: How images are scaled and padded.
        images: float32 `[N, H, W, 3]` in [0, 255].

    Returns:
        `[N, H, W, ...]`, without padding and of the size of the images.
    """
    size = tf.shape(images)[1:3]
    scaled = frame.scaled_images(images, rule.long_side)
    scaled_size = tf.shape(scaled)[1:3]
    padded = rule.padded(scaled, rule.padded_size(scaled_size))
    if rule.long_side is None:
        return predict(padded)[:, : size[0], : size[1]]
    return predict(padded, frame.original_grid(scaled_size, size))


def _one(pixels):
    """Returns a batch of one image, as the graphs take it."""
    return pixels[np.newaxis].astype(np.float32)


def _function(predict, rule):
    """Returns a graph of `predict_whole` for one image of any size."""
    return _graph(lambda images: predict_whole(predict, rule, images))


def _graph(function):
    spec = tf.TensorSpec([1, None, None, 3], tf.float32)
    return tf.function(function, input_signature=[spec], autograph=False)
