"""Images of 16 bits: how many of them hold data, and how they become 8."""

import functools

import numpy as np
import tensorflow as tf

# Sets whose values need so few bits would reach the network with a quarter of the range, or less.
_DARK_BITS = 14
_MASK_OF_NOTHING = 65535  # Satellites mark missing pixels so, and sensors saturated ones.


def check_bit_depth(name: str, bit_depth: int | None) -> None:
    """Refuses a depth that 16-bit files cannot hold (ValueError)."""
    if bit_depth is not None and (type(bit_depth) is not int or not 8 <= bit_depth <= 16):
        raise ValueError(
            f'Dataset {name!r}: bit_depth must be None or an int in 8..16, not {bit_depth!r}.'
        )


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


def png_values(content: bytes) -> np.ndarray:
    """Decodes a PNG of 16 bits a channel, whose low bytes Pillow drops from colours.

    Returns:
        uint16 `[H, W, 3]`; alpha is dropped.
    """
    return tf.io.decode_png(content, channels=3, dtype=tf.uint16).numpy()
