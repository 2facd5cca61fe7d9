"""Finds images whose file ends early although it is well formed: decoders fill such rows silently.

Pillow raises an error where a file is cut off. A file that was cut off and closed properly, as some
recovery tools and broken writers leave it, passes: missing rows of a PNG become black, which is the
background in a mask, and missing rows of a JPEG grey.
"""

import io
import zlib

import numpy as np
from PIL import Image

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # By the colour type of a PNG.
# First column, first row, and the steps between columns and rows, of each pass of Adam7.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_EXTRA = bytes(range(1, 255)) * 4  # No 255, which begins a marker.


def lacks_rows(image: Image.Image, content: bytes) -> bool:
    """Whether the data of a decoded PNG or JPEG end before its last row.

    Whole files are told apart by their last pixels, without further cost, in almost every case.

    Args:
        image: The decoded image.
        content: The file.
    """
    if image.format == 'PNG':
        width, height = image.size
        interlaced = content[28] == 1
        last = np.asarray(image.crop((0, height - 1, width, height)))
        return (interlaced or not last.any()) and _png_is_short(content)
    if image.format == 'JPEG':
        return _ends_in_grey(image) and _reads_on(image, content)
    return False


def _png_is_short(content):
    """Whether the pixels of a PNG, unpacked, have fewer bytes than its header says."""
    unpack, needed, start = zlib.decompressobj(), _png_needs(content), 8
    while needed > 0 and start + 8 <= len(content):
        length = int.from_bytes(content[start : start + 4], 'big')
        if content[start + 4 : start + 8] == b'IDAT':
            packed = content[start + 8 : start + 8 + length]
            needed -= len(unpack.decompress(packed, needed))
        start += length + 12
    return needed > 0


def _png_needs(content):
    """Returns how many bytes the pixels of a PNG must have by its header, filter bytes included."""
    width, height = (int.from_bytes(content[i : i + 4], 'big') for i in (16, 20))
    bits = content[24] * _CHANNELS[content[25]]
    passes = _PASSES if content[28] else ((0, 0, 1, 1),)
    needed = 0
    for left, top, step_x, step_y in passes:
        columns, rows = -(-(width - left) // step_x), -(-(height - top) // step_y)
        if columns > 0 and rows > 0:
            needed += rows * (1 + -(-columns * bits // 8))
    return needed


def _ends_in_grey(image):
    """Whether the last pixel has the grey that stands for missing data (or unknown colours)."""
    last = image.getpixel((image.width - 1, image.height - 1))
    if image.mode == 'RGB':
        last = np.dot(last, (0.299, 0.587, 0.114))
    return np.ndim(last) > 0 or abs(last - 128) < 2


def _reads_on(image, content):
    """Whether more data at the end change the picture: then it was not complete."""
    end = content.rfind(b'\xff\xd9')
    if end < 0:
        return False
    longer = Image.open(io.BytesIO(content[:end] + _EXTRA + content[end:]))
    try:
        longer.load()
    except Exception:  # Decoders raise errors of many types.
        return True
    return longer.size != image.size or longer.tobytes() != image.tobytes()
