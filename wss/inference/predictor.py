"""Predicts single images of any size with a trained method."""

import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from wss.datasets.files import checks, finding
from wss.inference import averaging, folder, memory, windows
from wss.inference.averaging import PLAIN, Averaging
from wss.inference.given import Picture, as_rgb
from wss.inference.outputs import Outputs
from wss.pipeline import frame
from wss.pipeline.frame import Frame
from wss.results import pictures
from wss.settings import ranges

MASKS = Outputs()
_MOST_AT_ONCE = 4096
_KEPT = 8  # Bytes of each kept probability: float32, and what is written.


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
        self._network_bytes = memory.network_bytes(method)  # It looks at the network once.

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
        veto: float = 0.0,
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
            veto: Classes that the image-level classifier gives a lower probability are left out;
                0 leaves none out.

        Returns:
            Label map int32 `[H, W]`, upright as the image is; with `probabilities` also float32
            `[H, W, C]`, whose sum over the classes is 1.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the image is damaged or is not RGB, needs more memory than there is, or
                an option is out of range.
        """
        how = Averaging(tuple(scales), flip, window, overlap, veto)
        pixels = as_rgb(image, self.method.info.bit_depth)
        is_path = isinstance(image, str | os.PathLike)
        name = finding.shown(image) if is_path else 'The image'
        memory.check(pixels.shape[:2], 0, self.needed(how, 1, probabilities), name)
        labels, found = self.predict_images(pixels[np.newaxis], how, probabilities)
        return (labels[0], found[0]) if probabilities else labels[0]

    def predict_images(
        self,
        images: np.ndarray,
        how: Averaging = PLAIN,
        probabilities: bool = False,
        batch_size: int = 1,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Predicts images of one size together, or one after another in windows.

        Args:
            images: uint8 or float `[N, H, W, 3]` in 0..255.
            how: Which copies and windows of each image are predicted and averaged.
            probabilities: Whether the probabilities of the classes are returned too.
            batch_size: How many windows are predicted at a time.

        Returns:
            Label maps int32 `[N, H, W]`, and float32 `[N, H, W, C]` or None.

        Raises:
            ValueError: If windows would cut images that are scaled down to `Data.long_side`.
        """
        how = self.fitting(how)
        if how.cuts(images.shape[1:3]):
            return self._in_windows(images, how, probabilities, batch_size)
        if how.of_window.is_plain and not probabilities:
            return self._labels(images.astype(np.float32)).numpy(), None
        found = self._probabilities_of(how.of_window)(images.astype(np.float32)).numpy()
        return found.argmax(axis=-1).astype(np.int32), found if probabilities else None

    def predict_folder(
        self,
        images: str | os.PathLike | Sequence[str | os.PathLike],
        out: str | os.PathLike,
        how: Averaging = PLAIN,
        outputs: Outputs = MASKS,
        batch_size: int = 1,
        report: Callable[[str], None] = print,
    ) -> folder.Predicted:
        """Predicts a folder of images into files; see `folder.predict_folder`.

        Args:
            images: Folder of images, or one image; also several, patterns and lists of these.
            out: Folder for the files of each image.
            how: Which copies and windows of each image are predicted and averaged.
            outputs: What is written for each image.
            batch_size: How many images of one size, or windows of an image, are predicted at a
                time, where the memory suffices for all of them; else one. Images of one size are
                predicted together where they follow each other.
            report: Prints a line about an image that is not predicted, or not wholly.

        Raises:
            FileNotFoundError: If there is no such folder, or no image in it.
            ValueError: If an option is out of range, or `out` cannot be the place.
            OSError: If `out` cannot be written, or the disk is full.
        """
        ranges.whole('batch_size', batch_size, 1, _MOST_AT_ONCE)
        keep, fitting = outputs.keeps_probabilities, self.fitting(how)
        of_batch = self.needed(how, batch_size, keep)

        def at_once(size):
            if batch_size == 1 or memory.fits(size, of_batch):
                return batch_size
            return 1

        def predict(batch):
            return self.predict_images(batch, how, keep, at_once(batch.shape[1:3]))

        return folder.predict_folder(
            images,
            out,
            predict,
            self.method.info,
            report,
            self.needed(how, 1, keep),
            outputs,
            lambda size: 1 if fitting.cuts(size) else at_once(size),
        )

    def _in_windows(self, images, how, probabilities, batch_size):
        """Predicts images in windows; keeps the probabilities only if they are asked for."""
        compute, size = self._probabilities_of(how.of_window), images.shape[:3]
        labels = np.empty(size, np.int32)
        kept = np.empty([*size, len(self.classes)], np.float32) if probabilities else None

        def predict(parts):
            return compute(parts.astype(np.float32)).numpy()

        for number, image in enumerate(images):
            for top, band in windows.bands(predict, image, how.window, how.overlap, batch_size):
                rows = slice(top, top + len(band))
                labels[number, rows] = band.argmax(axis=-1)
                if probabilities:
                    kept[number, rows] = band
                del band  # `bands` says why.
        return labels, kept

    def _probabilities_of(self, copies):
        """Returns what computes probabilities; each has a graph, made when it is asked for."""
        if copies.is_plain:
            return self._probabilities
        if copies not in self._averaged:
            predict = self.method.predict_probabilities
            if copies.veto:
                predict = functools.partial(predict, veto=copies.veto)
            self._averaged[copies] = _graph(
                lambda images: averaging.probabilities(predict, self.frame, copies, images)
            )
        return self._averaged[copies]

    def fitting(self, how: Averaging) -> Averaging:
        """Leaves windows out where no scaled image is larger.

        Args:
            how: Which copies and windows of each image are predicted.

        Raises:
            ValueError: If windows would cut images that are scaled down to `Data.long_side`.
        """
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

    def needed(
        self, how: Averaging = PLAIN, batch_size: int = 1, probabilities: bool = False
    ) -> memory.Needed:
        """Returns how much memory a prediction needs.

        Args:
            how: Which copies and windows of each image are predicted.
            batch_size: How many images or windows are predicted at a time.
            probabilities: Whether the probabilities of the classes are kept.

        Raises:
            ValueError: If windows would cut images that are scaled down to `Data.long_side`.
        """
        how = self.fitting(how)
        largest, classes = max(how.scales), self.method.info.num_classes
        of_pixel = memory.ARRAYS + (_KEPT * classes if probabilities else 0)

        def arrays(size):
            images = 1 if how.cuts(size) else batch_size
            return images * (of_pixel * size[0] * size[1] + how.bytes_of_sums(size, classes))

        def seen(size):
            scaled = tf.cast(self.frame.scaled_size(how.seen(size)), tf.float32)
            padded = self.frame.padded_size(tf.cast(tf.round(largest * scaled), tf.int32))
            return int(padded[0]), int(padded[1])

        return memory.Needed(arrays, seen, self._network_bytes, batch_size)

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


def _function(predict, rule):
    """Returns a graph of `predict_whole` for images of any size."""
    return _graph(lambda images: predict_whole(predict, rule, images))


def _graph(function):
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    return tf.function(function, input_signature=[spec], autograph=False)
