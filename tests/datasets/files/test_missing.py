"""Files that end early but are closed properly."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from wss.datasets.files import decoding

HEIGHT, WIDTH = 24, 32
VALUES = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH), np.uint8)


def encode(image, kind='PNG', **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(rows, depth=8, colour_type=0, interlaced=0, height=HEIGHT, width=WIDTH, parts=1):
    """Puts a PNG together, also one that says to have more rows than it has."""
    data = zlib.compress(rows)
    size = -(-len(data) // parts)
    chunks = [
        (b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour_type, 0, 0, interlaced))
    ]
    if colour_type == 3:
        chunks.append((b'PLTE', bytes(range(1, 169)) + bytes(600)))
    chunks += [(b'IDAT', data[i : i + size]) for i in range(0, len(data), size)]
    content = b'\x89PNG\r\n\x1a\n'
    for kind, inside in [*chunks, (b'IEND', b'')]:
        checksum = struct.pack('>I', zlib.crc32(kind + inside))
        content += struct.pack('>I', len(inside)) + kind + inside + checksum
    return content


def rows(count, row_bytes=WIDTH):
    data = np.random.default_rng(1).integers(1, 50, (count, row_bytes), np.uint8)
    return b''.join(b'\0' + row.tobytes() for row in data)


@pytest.mark.parametrize(
    ('depth', 'colour_type', 'row_bytes'),
    [
        (1, 0, WIDTH // 8),
        (2, 3, WIDTH // 4),
        (4, 0, WIDTH // 2),
        (8, 0, WIDTH),
        (8, 3, WIDTH),
        (16, 0, 2 * WIDTH),
        (8, 2, 3 * WIDTH),
        (8, 4, 2 * WIDTH),
        (8, 6, 4 * WIDTH),
        (16, 2, 6 * WIDTH),
    ],
)
def test_a_png_with_missing_rows_is_refused(depth, colour_type, row_bytes):
    kind = {'depth': depth, 'colour_type': colour_type}
    readers = [decoding.decode_image]
    if colour_type in (0, 3):
        readers.append(decoding.decode_mask)
    for read in readers:
        assert read(png(rows(HEIGHT, row_bytes), **kind)).shape[:2] == (HEIGHT, WIDTH)
        for count in (0, 1, HEIGHT - 1):
            for parts in (1, 3):
                with pytest.raises(decoding.BrokenFileError, match=r'a\.png'):
                    read(png(rows(count, row_bytes), parts=parts, **kind), 'a.png')


def test_a_png_that_ends_in_black_rows_is_whole():
    values = VALUES.copy()
    values[5:] = 0
    for image in (Image.fromarray(values), Image.fromarray(0 * values)):
        assert decoding.decode_mask(encode(image)).shape == (HEIGHT, WIDTH)
        assert decoding.decode_image(encode(image.convert('RGBA'))).shape == (HEIGHT, WIDTH, 3)
        assert decoding.decode_image(encode(image.convert('1'))).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (3, 2), (8, 8), (24, 31), (5, 1)])
def test_an_interlaced_png(height, width):
    # Bytes of the seven passes, each row with a filter byte, counted by hand from Adam7's grid.
    grid = np.tile(
        [
            [1, 6, 4, 6, 2, 6, 4, 6],
            [7] * 8,
            [5, 6, 5, 6, 5, 6, 5, 6],
            [7] * 8,
            [3, 6, 4, 6, 3, 6, 4, 6],
            [7] * 8,
            [5, 6, 5, 6, 5, 6, 5, 6],
            [7] * 8,
        ],
        (3, 4),
    )[:height, :width]
    needed = sum((grid == i).sum() + (grid == i).any(axis=1).sum() for i in range(1, 8))
    options = {'interlaced': 1, 'height': height, 'width': width}
    assert decoding.decode_mask(png(bytes(needed), **options)).shape == (height, width)
    with pytest.raises(decoding.BrokenFileError):
        decoding.decode_mask(png(bytes(needed - 1), **options))


@pytest.mark.parametrize('mode', ['L', 'RGB'])
@pytest.mark.parametrize(('progressive', 'share'), [(False, 0.3), (False, 0.8), (True, 0.005)])
def test_a_jpeg_that_ends_early_is_refused(mode, progressive, share):
    image = Image.fromarray(VALUES).convert(mode)
    content = encode(image, 'JPEG', progressive=progressive)
    assert decoding.decode_image(content).shape == (HEIGHT, WIDTH, 3)
    start = content.index(b'\xff\xda') + 12
    cut = content[: start + int((len(content) - start) * share)] + b'\xff\xd9'
    with pytest.raises(decoding.BrokenFileError, match='is cut off: its last rows are missing'):
        decoding.decode_image(cut)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'CMYK'])
@pytest.mark.parametrize('progressive', [False, True])
def test_a_grey_jpeg_is_whole(mode, progressive):
    for value in (127, 128, 129):
        image = Image.new('L', (WIDTH, HEIGHT), value).convert(mode)
        content = encode(image, 'JPEG', progressive=progressive)
        assert decoding.decode_image(content).shape == (HEIGHT, WIDTH, 3)
    values = VALUES.copy()
    values[:, 8:] = 128
    content = encode(Image.fromarray(values).convert(mode), 'JPEG', progressive=progressive)
    assert decoding.decode_image(content).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize('kind', ['GIF', 'TIFF', 'BMP', 'WEBP', 'PPM', 'JPEG2000'])
def test_other_formats_that_end_early_are_refused(kind):
    content = encode(Image.fromarray(VALUES).convert('L'), kind)
    for share in (0.5, 0.9):
        with pytest.raises(decoding.BrokenFileError):
            decoding.decode_image(content[: int(len(content) * share)])
