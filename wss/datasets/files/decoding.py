"""Decodes image and mask files into arrays, and refuses by name what it cannot decode.

A source is a path (local or `gs://`) or the content of a file as bytes. Messages call it `name`,
which is optional for a path.
"""

import dataclasses
import io
import os
import re

import numpy as np
import tensorflow as tf
from PIL import Image

from wss.datasets.files import depth, missing, orientation
from wss.datasets.files.reasons import reason

try:
    import pillow_heif
except ImportError:  # `finding` counts the files that are left out for it.
    pass
else:
    pillow_heif.register_heif_opener()

# File name endings under which images and masks are looked for.
ENDINGS = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.webp', '.gif', '.tif', '.tiff'),
    *('.avif', '.heic', '.heif', '.hif', '.jp2', '.j2k', '.ppm', '.pgm', '.pbm', '.pnm'),
)

_IMAGE_MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')
_MASK_MODES = ('1', 'L', 'P')


class BrokenFileError(ValueError):
    """The content of a file is damaged; leaving the file out may help."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a file holds, its pixels as they are stored.

    Attributes:
        pixels: uint8 `[H, W, 3]` of an image, int32 `[H, W]` of a mask.
        orientation: The EXIF orientation, 1 to 8; 1 if the file has none.
        palette: RGB triples of the indices of a palette mask; None for other files.
        high: The `depth.high_value` of an image of 16 bits whose bit depth is not known; None for
            other files.
    """

    pixels: np.ndarray
    orientation: int
    palette: tuple[tuple[int, int, int], ...] | None = None
    high: int | None = None

    @property
    def upright(self) -> np.ndarray:
        """The pixels, turned by the orientation."""
        return orientation.turned(self.pixels, self.orientation)


def decode_image(
    source, name: str | None = None, upright: bool = True, bit_depth: int | None = None
) -> np.ndarray:
    """Decodes an image to RGB.

    Grey, bilevel, palette, CMYK and YCbCr images are converted to RGB. Alpha is dropped:
    transparent pixels have the colour that the file holds for them. A file of a picture and a
    smaller copy of it, as some cameras write (MPO), is one picture.

    Args:
        source: Path or bytes.
        name: Name of the source in messages.
        upright: Whether to turn the image by its EXIF orientation.
        bit_depth: How many bits of 16-bit images hold data; they are scaled to 8 bits (at 16 bits,
            65535 becomes 255, rounded). None for what the header says, else 16, with a warning if
            that makes the image almost black.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        FileNotFoundError: If there is no such file.
        BrokenFileError: If the file is damaged or not an image (a ValueError).
        ValueError: If it cannot be converted, such as an animation or floats.
    """
    stored = read_image(source, name, bit_depth)
    depth.warn_if_dark(stored.high, _name(source, name))
    return stored.upright if upright else stored.pixels


def read_image(source, name: str | None = None, bit_depth: int | None = None) -> Stored:
    """Decodes an image as `decode_image` does, but does not turn it."""
    name = _name(source, name)
    image, content, turn, undo = _decoded(source, name, _check_image_mode)
    try:
        pixels, high = depth.rgb(image, name, bit_depth, content)
    except tf.errors.OpError as error:
        raise BrokenFileError(f'{name} is damaged or cut off.') from error
    return Stored(orientation.turned(pixels, undo), turn, high=high)


def to_rgb(image: Image.Image, upright: bool = True, bit_depth: int | None = None) -> np.ndarray:
    """Converts a PIL image as `decode_image` converts a file: uint8 `[H, W, 3]`.

    Raises:
        ValueError: If it cannot be converted, or its file is damaged.
    """
    _check_image_mode(image, 'The image')
    try:
        image.load()
    except Exception as error:
        raise BrokenFileError(f'The image is damaged or cut off: {reason(error)}.') from error
    pixels, high = depth.rgb(image, 'The image', bit_depth)
    depth.warn_if_dark(high, 'The image')
    return orientation.turned(pixels, orientation.read(image)) if upright else pixels


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
    stored = read_mask(source, name)
    return stored.upright if upright else stored.pixels


def read_mask(source, name: str | None = None) -> Stored:
    """Decodes a mask as `decode_mask` does, but does not turn it."""
    image, content, turn, undo = _decoded(source, name, _check_mask_mode)
    stretch = 1
    if image.format == 'PNG' and image.mode == 'L':
        # Pillow scales grey of 2 and 4 bits to 0..255. The depth is the byte after the signature
        # (8 bytes), the head of the first chunk (8), width (4) and height (4).
        stretch = {2: 85, 4: 17}.get(content[24], 1)
    values = np.asarray(image).astype(np.int32) // stretch
    return Stored(orientation.turned(values, undo), turn, _palette(image))


def read_colours(source, name: str | None = None) -> Stored:
    """Decodes a mask whose colours count: `pixels` is uint8 `[H, W, 3]`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or is a JPEG file.
    """
    image, _, turn, undo = _decoded(source, name, _check_not_lossy)
    pixels = np.asarray(image.convert('RGB'))
    return Stored(orientation.turned(pixels, undo), turn)


def _palette(image):
    if image.mode != 'P':
        return None
    colours = image.getpalette('RGB')
    return tuple(zip(colours[::3], colours[1::3], colours[2::3], strict=False))


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header of a file says.

    Attributes:
        size: Height and width, as they are stored.
        orientation: The EXIF orientation, 1 to 8.
        palette: As in `Stored`.
        is_deep: Whether an image has more than 8 bits, and how many hold data is not known.
    """

    size: tuple[int, int]
    orientation: int
    palette: tuple[tuple[int, int, int], ...] | None
    is_deep: bool


def read_header(source, name: str | None = None, kind: str = 'image') -> Header:
    """Reads the header of an image, a mask of indices (`mask`) or one of colours (`colours`).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the header is damaged, or the file cannot be of this kind.
    """
    name = _name(source, name)
    checks = {'image': _check_image_mode, 'mask': _check_mask_mode, 'colours': _check_not_lossy}
    with open_source(source) as file:
        start = file.read(25)
        file.seek(0)
        image = _opened(file, name)
        checks[kind](image, name)
        width, height = image.size
        if image.format == 'TIFF':  # Pillow may have turned the size, but not its tags.
            width, height = image.tag_v2[256], image.tag_v2[257]
        is_deep = depth.is_16_bit(image) or depth.header_bits(image, start) == 16
        try:
            palette = _palette(image)
        except Exception:  # The body is damaged, which a header does not tell.
            palette = None
        return Header((height, width), orientation.read(image), palette, is_deep)


def image_size(source, name: str | None = None, upright: bool = True) -> tuple[int, int]:
    """Reads height and width of an image (as `decode_image` returns it) from its header."""
    return _size(read_header(source, name), upright)


def mask_size(source, name: str | None = None, upright: bool = True) -> tuple[int, int]:
    """Reads height and width of a mask (as `decode_mask` returns it) from its header."""
    return _size(read_header(source, name, 'mask'), upright)


def _size(header, upright):
    return orientation.turned_size(header.size, header.orientation) if upright else header.size


def _decoded(source, name, check):
    """Returns the decoded image, its file, its EXIF orientation, and the turn that restores it."""
    with open_source(source) as file:
        content = file.read()
    name = _name(source, name)
    image = _opened(io.BytesIO(content), name)
    check(image, name)
    # Pillow turns TIFF files itself while it decodes them, and says so by removing the tag.
    before = orientation.read(image) if image.format == 'TIFF' else None
    try:
        if image.format == 'PNG':  # Decoding alone ignores some wrong checksums.
            Image.open(io.BytesIO(content)).verify()
        image.load()
        cut = missing.lacks_rows(image, content)
    except Exception as error:  # Damaged files make the decoders raise errors of many types.
        raise BrokenFileError(f'{name} is damaged or cut off: {reason(error)}.') from error
    if cut:
        raise BrokenFileError(f'{name} is cut off: its last rows are missing.')
    after = orientation.read(image)
    if before is None or before == after:
        return image, content, after, 1
    return image, content, before, orientation.undoing(before)


def _name(source, name):
    if name is not None:
        return name
    return 'The encoded image' if isinstance(source, bytes) else os.fspath(source)


def open_source(source):
    """Opens a path (local or `gs://`) or bytes for reading.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
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
        why = getattr(error, 'strerror', None) or reason(error)
        raise ValueError(f'File {path} cannot be read: {why}.') from error


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


def _check_image_mode(image, name):
    if image.mode not in _IMAGE_MODES and not depth.is_16_bit(image):
        raise ValueError(
            f'{name} has pixels of an unsupported type ({image.format}, mode {image.mode}); save '
            'it as 8-bit RGB.'
        )


def _check_not_lossy(image, name):
    if image.format in ('JPEG', 'MPO'):
        raise ValueError(
            f'Mask {name} is a JPEG file, whose lossy compression changes class indices; save '
            'masks as PNG.'
        )


def _check_mask_mode(image, name):
    _check_not_lossy(image, name)
    if image.mode not in _MASK_MODES and not depth.is_16_bit(image):
        raise ValueError(
            f'Mask {name} holds colours, not class indices ({image.format}, mode {image.mode}); '
            'save it as a PNG file with one channel (grey or palette) whose values are the '
            'indices of the classes.'
        )
