"""Damaged images of every format: read as something harmless, or refused with a sentence."""

import io
import random
import warnings
import zlib

import numpy as np
import pytest
from attack import mutations
from PIL import Image

from wss.datasets.files import decoding

SIZE = (19, 26)
MOST_PIXELS = 10**7  # A file that claims more takes its time, not more.
TRIES = 60


def picture(mode):
    random_ = np.random.default_rng(0)
    colours = Image.fromarray(random_.integers(0, 256, (*SIZE, 3)).astype(np.uint8))
    if mode == 'I;16':
        return Image.fromarray(random_.integers(0, 2**16, SIZE).astype(np.uint16))
    return colours.convert(mode)


KINDS = {
    'png': ('PNG', 'RGB', {}),
    'palette.png': ('PNG', 'P', {}),
    'grey16.png': ('PNG', 'I;16', {}),
    'jpg': ('JPEG', 'RGB', {'exif': Image.Exif()}),
    'progressive.jpg': ('JPEG', 'RGB', {'progressive': True}),
    'gif': ('GIF', 'P', {}),
    'bmp': ('BMP', 'RGB', {}),
    'webp': ('WEBP', 'RGB', {'lossless': True}),
    'tif': ('TIFF', 'RGB', {'compression': 'tiff_lzw'}),
    'raw.tif': ('TIFF', 'RGB', {}),
}


def content(kind):
    form, mode, options = KINDS[kind]
    if 'exif' in options:
        options['exif'][0x0112] = 6  # Orientation.
    file = io.BytesIO()
    picture(mode).save(file, form, **options)
    return file.getvalue()


def with_right_checksums(png):
    """Returns a PNG file whose chunks have the checksums of what they hold now."""
    fixed, place = png[:8], 8
    while place + 12 <= len(png):
        end = place + 8 + int.from_bytes(png[place : place + 4], 'big')
        if end + 4 > len(png):
            break
        checksum = zlib.crc32(png[place + 4 : end]).to_bytes(4, 'big')
        fixed, place = fixed + png[place:end] + checksum, end + 4
    return fixed + png[place:]


def found(read, source):
    """Returns what is read, or None for what is refused; every refusal names the file."""
    try:
        return read(source, 'the/name')
    except ValueError as error:
        assert 'the/name' in str(error) and '\n' not in str(error), error
        return None


@pytest.mark.parametrize('kind', KINDS)
def test_whatever_a_file_holds(kind):
    whole = content(kind)
    assert decoding.image_size(whole) == decoding.decode_image(whole).shape[:2]
    read = refused = 0
    for number in range(TRIES):
        damaged = mutations.mutated(whole, random.Random(f'{kind} {number}'))
        if number % 2 and kind.endswith('png'):
            damaged = with_right_checksums(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's, of damaged metadata.
            size = found(decoding.image_size, damaged)
            if size is not None and size[0] * size[1] > MOST_PIXELS:
                continue
            image = found(decoding.decode_image, damaged)
            mask = found(decoding.decode_mask, damaged)
        read, refused = read + (image is not None), refused + (image is None)
        if image is not None:
            assert image.dtype == np.uint8 and image.shape == (*size, 3)
        if mask is not None:
            assert mask.dtype == np.int32 and mask.ndim == 2 and mask.min() >= 0
    # Both happen to every format, but that compressed pixels of PNG have a checksum of their own.
    assert refused and (read or kind == 'png')
