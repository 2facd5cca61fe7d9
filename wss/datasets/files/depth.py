"""Images of 16 bits: how many of them hold data, and how they become 8."""

import functools
import warnings

import numpy as np
import tensorflow as tf
from PIL import Image

_MODES = ('I;16', 'I;16L', 'I;16B', 'I;16N')
# Sets whose values need so few bits would reach the network with a quarter of the range, or less.
_DARK_BITS = 14
_MASK_OF_NOTHING = 65535  # Satellites mark missing pixels so, and sensors saturated ones.


def to_8_bits(values: np.ndarray, bit_depth: int, name: str) -> np.ndarray:
    """Scales values of some bits to 8, rounded: the largest one becomes 255.

    Args:
        values: uint16 of any shape.
        bit_depth: How many bits hold data.
        name: Name of the image in messages.

    Returns:
        uint8 of the same shape.

    Raises:
        ValueError: If a value needs more bits.
    """
    top = int(values.max(initial=0))
    if top >= 1 << bit_depth:
        raise ValueError(
            f'{name} holds the value {top}, which needs {top.bit_length()} bits, but bit_depth of '
            f'the dataset is {bit_depth}; set it to {top.bit_length()} or more.'
        )
    return _table(bit_depth)[values]


@functools.lru_cache
def _table(bit_depth):
    top = (1 << bit_depth) - 1
    return ((np.arange(top + 1) * 255 + top // 2) // top).astype(np.uint8)


def high_value(values: np.ndarray) -> int:
    """Returns the value below which 99.9 % of the pixels lie, those of 65535 left out.

    A few hot pixels, and those that mark missing data, do not hide that an image holds 12 bits.
    """
    counts = np.bincount(values.ravel(), minlength=1 << 16)
    if counts[:_MASK_OF_NOTHING].any():
        counts[_MASK_OF_NOTHING] = 0
    return int(np.searchsorted(counts.cumsum(), 0.999 * counts.sum()))


def is_dark(high: int) -> bool:
    """Whether an image of this `high_value` would be dark if its values were read as 16 bits."""
    return high < 1 << _DARK_BITS


def likely_bits(high: int) -> int:
    """Returns the bits that data of this `high_value` probably have."""
    return min(bits for bits in (8, 10, 12, 14, 16) if high < 1 << bits)


def warn_if_dark(high: int | None, name: str) -> None:
    """Warns that an image of this `high_value` is dark; None is no 16-bit image."""
    if high is not None and is_dark(high):
        warnings.warn(
            f'{name} has 16 bits, but almost all pixels are at most {high} of 65535, so that it is '
            f'almost black. If its bits are {likely_bits(high)}, the dataset of the training '
            'needs this bit_depth.',
            stacklevel=3,
        )


def is_16_bit(image: Image.Image) -> bool:
    """Whether an image is grey of 16 bits."""
    # Some versions of Pillow give 16-bit PNG files in the mode of 32-bit integers.
    return image.mode in _MODES or (image.mode == 'I' and image.format in ('PNG', 'PPM'))


def header_bits(image: Image.Image, content: bytes | None) -> int:
    """Returns the bits of a channel by the header of the file, where they can be more than 8.

    Args:
        image: The image; need not be decoded.
        content: The file, or its first 25 bytes; None if it is not known.
    """
    if image.format == 'PNG' and content is not None:
        return content[24]
    if image.format == 'TIFF':
        return int(np.max(image.tag_v2.get(258, 8)))
    return 8


def rgb(
    image: Image.Image, name: str, bit_depth: int | None, content: bytes | None = None
) -> tuple[np.ndarray, int | None]:
    """Converts a decoded image to RGB of 8 bits, as `decoding.decode_image` says.

    Args:
        image: The image.
        name: Its name in messages.
        bit_depth: How many bits of 16 hold data; None if this is not known.
        content: The file, from which colours of 16 bits are read; None if there is none.

    Returns:
        uint8 `[H, W, 3]`, and the `high_value` of 16-bit values of an unknown depth, else None.

    Raises:
        ValueError: If values need more bits, or cannot be scaled.
        tf.errors.OpError: If the file is damaged.
    """
    bits = header_bits(image, content)
    if is_16_bit(image):
        values = np.asarray(image).astype(np.uint16)[..., None]
    elif bits > 8 and image.format == 'PNG':  # Pillow drops the low bytes.
        values = tf.io.decode_png(content, channels=3, dtype=tf.uint16).numpy()
    elif bits > 8:
        return _of_high_bytes(np.asarray(image.convert('RGB')), name, bit_depth)
    else:
        return np.asarray(image.convert('RGB')), None
    if 8 < bits < 16:
        bit_depth = bits  # TIFF files say so.
    high = None if bit_depth else high_value(values)
    pixels = to_8_bits(values, bit_depth or 16, name)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy(), high


def _of_high_bytes(pixels, name, bit_depth):
    """Returns what `rgb` returns, where only the high bytes of 16 bits can be read."""
    if bit_depth not in (None, 16):
        raise ValueError(
            f'{name} has colours of 16 bits, of which 8 can be read; save it as PNG, so that '
            f'bit_depth = {bit_depth} applies.'
        )
    return pixels, None if bit_depth else high_value(pixels.astype(np.uint16) * 257)
