"""Predictions averaged over copies of an image, as DeepLab is evaluated, and over windows."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from wss.pipeline import frame
from wss.pipeline.frame import Frame
from wss.settings import ranges

_MOST_SCALES = 20
_SCALES = (0.1, 4.0)
# A sum, a summand, and what it is interpolated from, at the size of the image.
_MAPS = 4
# Rows of windows: one that is filled, and what it shares with the one above.
_BANDS = 2
_WINDOWS = (33, 4097)


@dataclasses.dataclass(frozen=True)
class Averaging:
    """Which copies and which windows of an image are predicted.

    The probabilities of the copies are averaged at the pixels of the image. Chen et al.,
    *Encoder-Decoder with Atrous Separable Convolution* (ECCV 2018), section 4: scales 0.5 to 1.75
    in steps of 0.25, with mirrored copies. An image that is larger than a window is predicted
    window by window (`windows`), with the copies of each window.

    Attributes:
        scales: Factors of the size that the network sees, which `Data.long_side` limits; 0.1 to 4.
        flip: Whether each copy is predicted mirrored, too.
        window: Pixels of the sides of a window, 33 to 4097; None to see each image as a whole.
        overlap: Share of a window that the next one shows again, 0 to 0.9.
        veto: Classes that the image-level classifier gives a lower probability are left out of what
            the network sees at a time: an image or a window. 0 to 1; 0 leaves none out.

    Raises:
        ValueError: If there is no scale, or a value is out of range.

    Example:
        >>> from wss.inference.averaging import Averaging
        >>> Averaging(scales=(0.5, 1), flip=True).copies
        4
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: int | None = None
    overlap: float = 0.33
    veto: float = 0.0

    def __post_init__(self):
        ranges.several('scales', self.scales, range(1, _MOST_SCALES + 1), ranges.number, *_SCALES)
        ranges.switch('flip', self.flip)
        if self.window is not None:
            ranges.whole('window', self.window, *_WINDOWS)
        ranges.number('overlap', self.overlap, 0, 0.9)
        ranges.share('veto', self.veto)
        object.__setattr__(self, 'scales', tuple(float(scale) for scale in self.scales))

    @property
    def is_plain(self) -> bool:
        """Whether the whole image itself is all that is predicted."""
        return self == Averaging(overlap=self.overlap)

    @property
    def of_window(self) -> 'Averaging':
        """The copies of one window."""
        return Averaging(self.scales, self.flip, veto=self.veto)

    def seen(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns height and width of the windows of an image, or of the image itself."""
        most = self.window or max(size)
        return min(size[0], most), min(size[1], most)

    def cuts(self, size: tuple[int, int]) -> bool:
        """Whether an image of this height and width is larger than a window."""
        return self.window is not None and max(size) > self.window

    @property
    def copies(self) -> int:
        """How many copies there are."""
        return len(self.scales) * (1 + self.flip)

    def bytes_of_sums(self, size: tuple[int, int], num_classes: int) -> int:
        """Returns the bytes of memory that the sums over copies and windows of an image need."""
        height, width = self.seen(size)
        of_copies = 0 if self.of_window.is_plain else _MAPS * height * width
        of_windows = _BANDS * height * size[1] if self.cuts(size) else 0
        return 4 * num_classes * (of_copies + of_windows)

    def __str__(self):
        """Names what is averaged, for a file or a line: `scales_0.5_1_flip_window_513_0.33`."""
        scales = '_'.join(f'{scale:g}' for scale in self.scales)
        windows = f'_window_{self.window}_{self.overlap:g}' if self.window else ''
        veto = f'_veto_{self.veto:g}' if self.veto else ''
        return f'scales_{scales}{"_flip" if self.flip else ""}{windows}{veto}'


PLAIN = Averaging()  # The image as it is.


def probabilities(
    predict: Callable[..., tf.Tensor], rule: Frame, averaging: Averaging, images: tf.Tensor
) -> tf.Tensor:
    """Returns the mean of the probabilities of all copies.

    Args:
        predict: `Method.predict_probabilities`.
        rule: How images are scaled and padded.
        averaging: The copies.
        images: float32 `[N, H, W, 3]` in [0, 255].

    Returns:
        float32 `[N, H, W, C]`.
    """
    size = tf.shape(images)[1:3]
    seen = frame.scaled_images(images, rule.long_side)
    total = 0.0
    for scale in averaging.scales:
        copy = _scaled(seen, scale)
        for mirrored in (False, True)[: 1 + averaging.flip]:
            # One after another: side by side, they would need the memory of all at a time.
            with tf.control_dependencies([tf.convert_to_tensor(total)]):
                total += _of_copy(predict, rule, tf.identity(copy), size, mirrored)
    return total / averaging.copies


def _scaled(images, scale):
    if scale == 1:
        return images
    size = tf.cast(tf.shape(images)[1:3], tf.float32)
    return frame.resized(images, tf.maximum(tf.cast(tf.round(scale * size), tf.int32), 1))


def _of_copy(predict, rule, images, size, mirrored):
    """Returns the probabilities of one copy, at the pixels of the image."""
    images = tf.reverse(images, [2]) if mirrored else images
    own = tf.shape(images)[1:3]
    padded = rule.padded(images, rule.padded_size(own))
    found = predict(padded, frame.original_grid(own, size))
    return tf.reverse(found, [2]) if mirrored else found
