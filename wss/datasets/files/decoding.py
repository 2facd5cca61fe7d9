"""Decodes image and mask files into arrays, and refuses by name what it cannot decode.

A source is a path (local or `gs://`) or the content of a file as bytes. Messages call it `name`,
which is optional for a path.
"""

import io
import os
import re

import numpy as np
import tensorflow as tf
from PIL import Image

from wss.datasets.files.reasons import reason

# File name endings under which images and masks are looked for.
ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.gif', '.tif', '.tiff')

_IMAGE_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')
_MASK_MODES = ('1', 'L', 'P')
_16_BIT_MODES = ('I;16', 'I;16L', 'I;16B', 'I;16N')
_ORIENTATION_TAG = 0x0112
# EXIF orientation -> the turn that shows the picture upright.
_UPRIGHT = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


class BrokenFileError(ValueError):
    """The content of a file is damaged; leaving the file out may help."""


def decode_image(source, name: str | None = None, upright: bool = True) -> np.ndarray:
    """Decodes an image to RGB.

    Grey, bilevel, palette, CMYK and YCbCr images are converted to RGB; 16-bit grey is scaled to
    8 bits (65535 becomes 255, rounded). Alpha is dropped: transparent pixels have the colour that
    the file holds for them. A file of a picture and a smaller copy of it, as some cameras write
    (MPO), is one picture.

    Args:
        source: Path or bytes.
        name: Name of the source in messages.
        upright: Whether to turn the image by its EXIF orientation.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        FileNotFoundError: If there is no such file.
        BrokenFileError: If the file is damaged or not an image (a ValueError).
        ValueError: If it cannot be converted, such as an animation or floats.
    """
    image, orientation, _ = _decoded(source, name, _check_image_mode, upright)
    return _turned(_rgb(image), orientation)


def to_rgb(image: Image.Image, upright: bool = True) -> np.ndarray:
    """Converts a PIL image as `decode_image` converts a file: uint8 `[H, W, 3]`.

    Raises:
        ValueError: If it cannot be converted, or its file is damaged.
    """
    _check_image_mode(image, 'The image')
    try:
        image.load()
    except Exception as error:
        raise BrokenFileError(f'The image is damaged or cut off: {reason(error)}.') from error
    return _turned(_rgb(image), _orientation(image) if upright else 1)


def _rgb(image):
    if _is_16_bit(image):
        grey = ((np.asarray(image).astype(np.int32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    return np.asarray(image.convert('RGB'))


def decode_mask(source, name: str | None = None, upright: bool = True) -> np.ndarray:
    """Decodes a mask to class indices.

    In a palette image the index of a pixel counts, not its colour. Grey values of 1 to 16 bits
    count as they are stored (a bilevel mask holds 0 and 1).

    Args:
        source: Path or bytes.
        name: Name of the source in messages.
        upright: Whether to turn the mask by its EXIF orientation.

    Returns:
        int32 `[H, W]`.

    Raises:
        FileNotFoundError: If there is no such file.
        BrokenFileError: If the file is damaged or not an image (a ValueError).
        ValueError: If it holds colours instead of indices, or is a JPEG file.
    """
    image, orientation, stretch = _decoded(source, name, _check_mask_mode, upright)
    return _turned(np.asarray(image).astype(np.int32) // stretch, orientation)


def image_size(source, name: str | None = None, upright: bool = True) -> tuple[int, int]:
    """Reads height and width of an image (as `decode_image` returns it) from its header."""
    return _size(source, name, _check_image_mode, upright)


def mask_size(source, name: str | None = None, upright: bool = True) -> tuple[int, int]:
    """Reads height and width of a mask (as `decode_mask` returns it) from its header."""
    return _size(source, name, _check_mask_mode, upright)


def _decoded(source, name, check, upright):
    """Returns the decoded image, its EXIF orientation, and the factor on its grey values."""
    with _file(source) as file:
        content = file.read()
    name = _name(source, name)
    image = _opened(io.BytesIO(content), name)
    check(image, name)
    try:
        if image.format == 'PNG':  # Decoding alone ignores some wrong checksums.
            Image.open(io.BytesIO(content)).verify()
        image.load()
    except Exception as error:  # Damaged files make the decoders raise errors of many types.
        raise BrokenFileError(f'{name} is damaged or cut off: {reason(error)}.') from error
    stretch = 1
    if image.format == 'PNG' and image.mode == 'L':
        # Pillow scales grey of 2 and 4 bits to 0..255. The depth is the byte after the signature
        # (8 bytes), the head of the first chunk (8), width (4) and height (4).
        stretch = {2: 85, 4: 17}.get(content[24], 1)
    return image, _orientation(image) if upright else 1, stretch


def _size(source, name, check, upright):
    name = _name(source, name)
    with _file(source) as file:
        image = _opened(file, name)
        check(image, name)
        if image.format != 'TIFF':
            width, height = image.size
            turned = upright and _orientation(image) in (5, 6, 7, 8)
            return (width, height) if turned else (height, width)
    # Pillow turns TIFF files itself, in some versions only while it decodes them.
    image, orientation, _ = _decoded(source, name, check, upright)
    return image.size if orientation in (5, 6, 7, 8) else image.size[::-1]


def _name(source, name):
    if name is not None:
        return name
    return 'The encoded image' if isinstance(source, bytes) else os.fspath(source)


def _file(source):
    """Opens a source for reading."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    path = os.fspath(source)
    try:
        if '://' not in path:
            return open(path, 'rb')
        with tf.io.gfile.GFile(path, 'rb') as file:
            return io.BytesIO(file.read())
    except (FileNotFoundError, tf.errors.NotFoundError) as error:
        raise FileNotFoundError(f'File {path} does not exist.') from error
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, 'strerror', None) or getattr(error, 'message', error)
        raise ValueError(f'File {path} cannot be read: {reason}.') from error


def _opened(file, name):
    """Opens an image, and reads its header only."""
    try:
        image = Image.open(file)
        frames = getattr(image, 'n_frames', 1)
    except Image.DecompressionBombError as error:
        pixels = re.search(r'\d+', str(error))[0]
        raise ValueError(
            f'{name} is too large: {int(pixels) / 1e6:.0f} million pixels, where '
            f'{2 * Image.MAX_IMAGE_PIXELS / 1e6:.0f} million can be read; scale it down or cut it.'
        ) from error
    except Image.UnidentifiedImageError as error:
        raise BrokenFileError(f'{name} is not an image, or its beginning is damaged.') from error
    except Exception as error:
        raise BrokenFileError(f'{name} is damaged or cut off: {reason(error)}.') from error
    if frames > 1 and image.format != 'MPO':
        raise ValueError(f'{name} holds {frames} frames; save the one you mean as a still image.')
    return image


def _orientation(image):
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # Damaged EXIF data does not affect the pixels.
        return 1


def _turned(array, orientation):
    turn = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(array)) if turn else array


def _is_16_bit(image):
    # Some versions of Pillow give 16-bit PNG files in the mode of 32-bit integers.
    return image.mode in _16_BIT_MODES or (image.mode == 'I' and image.format == 'PNG')


def _check_image_mode(image, name):
    if image.mode not in _IMAGE_MODES and not _is_16_bit(image):
        raise ValueError(
            f'{name} has pixels of an unsupported type ({image.format}, mode {image.mode}); save '
            'it as 8-bit RGB.'
        )


def _check_mask_mode(image, name):
    if image.format in ('JPEG', 'MPO'):
        raise ValueError(
            f'Mask {name} is a JPEG file, whose lossy compression changes class indices; save '
            'masks as PNG.'
        )
    if image.mode not in _MASK_MODES and not _is_16_bit(image):
        raise ValueError(
            f'Mask {name} holds colours, not class indices ({image.format}, mode {image.mode}); '
            'save it as a PNG file with one channel (grey or palette) whose values are the '
            'indices of the classes.'
        )
