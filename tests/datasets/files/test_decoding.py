import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from wss.datasets.files import decoding

# Two rows of three pixels, so that height and width cannot be mixed up.
GREY = np.array([[0, 1, 2], [100, 200, 255]], np.uint8)
COLOURS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[9, 8, 7], [1, 2, 3], [250, 240, 230]]], np.uint8
)


def encode(image, kind='PNG', **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, depth, colour_type, rows):
    """Puts a PNG file together from packed rows, for kinds that Pillow does not write."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', checksum)

    head = struct.pack('>IIBBBBB', width, height, depth, colour_type, 0, 0, 0)
    content = zlib.compress(b''.join(b'\0' + row for row in rows))
    chunks = chunk(b'IHDR', head) + chunk(b'IDAT', content) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + chunks


def palette_image(indices=GREY):
    image = Image.fromarray(indices, 'L')
    mapped = Image.new('P', image.size)
    mapped.putpalette([255 - i // 3 for i in range(768)])  # Index i is grey of 255 - i.
    mapped.putdata(list(indices.flat))
    return mapped


def with_orientation(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, 'PNG', exif=exif)


def test_rgb_is_taken_as_it_is(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(COLOURS).save(path)
    for source in (path, str(path), path.read_bytes()):
        decoded = decoding.decode_image(source)
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, COLOURS)
        assert decoding.image_size(source) == (2, 3)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP', 'WEBP', 'GIF', 'TIFF'])
def test_formats(kind):
    content = encode(Image.new('RGB', (5, 4), (200, 200, 200)), kind)
    decoded = decoding.decode_image(content)
    assert decoded.shape == (4, 5, 3)
    assert np.abs(decoded.astype(int) - 200).max() <= 2
    assert decoding.image_size(content) == (4, 5)


def test_grey_becomes_rgb():
    expected = np.stack([GREY] * 3, -1)
    np.testing.assert_array_equal(decoding.decode_image(encode(Image.fromarray(GREY))), expected)


def test_alpha_is_dropped():
    alpha = Image.fromarray(np.array([[0, 128, 255], [0, 0, 0]], np.uint8))
    grey, colours = Image.fromarray(GREY), Image.fromarray(COLOURS)
    grey.putalpha(alpha)
    colours.putalpha(alpha)
    assert (grey.mode, colours.mode) == ('LA', 'RGBA')
    expected = np.stack([GREY] * 3, -1)
    np.testing.assert_array_equal(decoding.decode_image(encode(grey)), expected)
    np.testing.assert_array_equal(decoding.decode_image(encode(colours)), COLOURS)


def test_palette_gives_the_colours_to_images_and_the_indices_to_masks():
    content = encode(palette_image())
    np.testing.assert_array_equal(decoding.decode_image(content), np.stack([255 - GREY] * 3, -1))
    mask = decoding.decode_mask(content)
    assert mask.dtype == np.int32
    np.testing.assert_array_equal(mask, GREY)


def test_transparent_palette_entries_keep_their_colour():
    content = encode(palette_image(), transparency=1)
    assert decoding.decode_image(content)[0, 1].tolist() == [254, 254, 254]
    np.testing.assert_array_equal(decoding.decode_mask(content), GREY)


def test_cmyk_becomes_rgb():
    content = encode(Image.new('CMYK', (16, 8), (0, 255, 255, 0)), 'JPEG', quality=100)
    decoded = decoding.decode_image(content)
    assert decoded.shape == (8, 16, 3)
    assert np.abs(decoded.astype(int) - [255, 0, 0]).max() <= 2


def test_16_bit_grey_is_scaled_for_images_and_kept_for_masks():
    values = np.array([[0, 128, 129], [32768, 65406, 65535]], np.uint16)
    content = png(3, 2, 16, 0, [row.astype('>u2').tobytes() for row in values])
    # 128 / 257 = 0.498, 129 / 257 = 0.502, 32768 / 257 = 127.50, 65406 / 257 = 254.498.
    expected = np.array([[0, 0, 1], [128, 254, 255]])
    np.testing.assert_array_equal(decoding.decode_image(content)[..., 1], expected)
    np.testing.assert_array_equal(decoding.decode_mask(content), values)


def test_bilevel_is_black_and_white_in_images_and_0_and_1_in_masks():
    bits = np.array([[False, True, False], [True, True, False]])
    content = encode(Image.fromarray(bits))
    np.testing.assert_array_equal(decoding.decode_image(content)[..., 2], 255 * bits)
    np.testing.assert_array_equal(decoding.decode_mask(content), [[0, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize(
    ('depth', 'rows', 'expected'),
    [
        (2, [0b00011011, 0b11000000], [[0, 1, 2], [3, 0, 0]]),
        (4, [0x0120, 0xF340], [[0, 1, 2], [15, 3, 4]]),
    ],
)
def test_indices_in_grey_of_few_bits_are_not_stretched(depth, rows, expected):
    packed = [row.to_bytes(depth // 2, 'big') for row in rows]
    np.testing.assert_array_equal(decoding.decode_mask(png(3, 2, depth, 0, packed)), expected)


def test_8_bit_grey_mask_is_taken_as_it_is():
    np.testing.assert_array_equal(decoding.decode_mask(encode(Image.fromarray(GREY))), GREY)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied(orientation):
    # Where the first row and the first column of the stored picture belong, by the EXIF standard.
    stored = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    expected = {
        1: [[1, 2, 3], [4, 5, 6]],  # top, left
        2: [[3, 2, 1], [6, 5, 4]],  # top, right
        3: [[6, 5, 4], [3, 2, 1]],  # bottom, right
        4: [[4, 5, 6], [1, 2, 3]],  # bottom, left
        5: [[1, 4], [2, 5], [3, 6]],  # left, top
        6: [[4, 1], [5, 2], [6, 3]],  # right, top
        7: [[6, 3], [5, 2], [4, 1]],  # right, bottom
        8: [[3, 6], [2, 5], [1, 4]],  # left, bottom
    }[orientation]
    content = with_orientation(Image.fromarray(stored), orientation)
    np.testing.assert_array_equal(decoding.decode_image(content)[..., 0], expected)
    np.testing.assert_array_equal(decoding.decode_mask(content), expected)
    size = np.shape(expected)
    assert decoding.image_size(content) == decoding.mask_size(content) == size
    np.testing.assert_array_equal(decoding.decode_mask(content, upright=False), stored)
    assert decoding.image_size(content, upright=False) == (2, 3)


@pytest.mark.parametrize('kind', ['JPEG', 'TIFF', 'WEBP'])
def test_orientation_turns_the_size_in_every_format(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(Image.new('RGB', (6, 4)), kind, exif=exif)
    assert decoding.image_size(content) == (6, 4)
    assert decoding.decode_image(content).shape == (6, 4, 3)


def test_a_nonsense_orientation_is_passed_over():
    content = with_orientation(Image.fromarray(GREY), 77)
    np.testing.assert_array_equal(decoding.decode_mask(content), GREY)
    broken = encode(Image.new('RGB', (6, 4)), 'JPEG', exif=b'Exif\0\0nonsense')
    assert decoding.decode_image(broken).shape == (4, 6, 3)
    assert decoding.image_size(broken) == (4, 6)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            encode(Image.fromarray(np.zeros((2, 3), np.float32)), 'TIFF'),
            r'a\.img has pixels of an unsupported type \(TIFF, mode F\)',
        ),
        (
            encode(
                Image.fromarray(GREY), 'GIF', save_all=True, append_images=[Image.new('L', (3, 2))]
            ),
            r'a\.img holds 2 frames',
        ),
    ],
)
def test_kinds_that_cannot_be_converted_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / 'a.img'
    path.write_bytes(content)
    for function in (decoding.decode_image, decoding.image_size):
        with pytest.raises(ValueError, match=message) as caught:
            function(path)
        assert not isinstance(caught.value, decoding.BrokenFileError)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (encode(Image.fromarray(COLOURS)), r'mode RGB\); save it as a PNG file with one channel'),
        (encode(Image.fromarray(COLOURS).convert('RGBA')), 'mode RGBA'),
        (encode(Image.fromarray(GREY).convert('LA')), 'mode LA'),
        (encode(Image.fromarray(GREY), 'JPEG'), 'lossy'),
    ],
)
def test_masks_that_hold_no_indices_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / 'm.png'
    path.write_bytes(content)
    for function in (decoding.decode_mask, decoding.mask_size):
        with pytest.raises(ValueError, match=rf'm\.png .*{message}'):
            function(path)


def noise(kind):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    return encode(Image.fromarray(pixels), kind)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP', 'WEBP', 'GIF', 'TIFF'])
def test_truncated_files_are_refused_by_name(tmp_path, kind):
    content = noise(kind)
    path = tmp_path / 'cut.img'
    for length in (0, 3, 20, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(decoding.BrokenFileError, match=r'cut\.img'):
            decoding.decode_image(path)


def test_a_changed_byte_in_a_png_file_is_noticed():
    content = bytearray(encode(Image.fromarray(GREY)))
    content[content.index(b'IDAT') + 8] ^= 1
    with pytest.raises(decoding.BrokenFileError, match='The encoded image is damaged'):
        decoding.decode_mask(bytes(content))


def test_text_is_no_image(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_text('<html>404</html>')
    with pytest.raises(decoding.BrokenFileError, match=r'a\.jpg is not an image'):
        decoding.decode_image(path)
    with pytest.raises(decoding.BrokenFileError, match=r'a\.jpg is not an image'):
        decoding.image_size(path)


def test_missing_files_are_refused_by_name(tmp_path):
    for function in (decoding.decode_image, decoding.decode_mask, decoding.mask_size):
        with pytest.raises(FileNotFoundError, match=r'nowhere\.png does not exist'):
            function(tmp_path / 'nowhere.png')


def test_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match='cannot be read'):
        decoding.decode_image(tmp_path)


def test_messages_use_the_name_that_is_given():
    with pytest.raises(ValueError, match='Image 7 is not an image'):
        decoding.decode_image(b'nonsense', 'Image 7')


def test_a_huge_image_is_too_large_not_damaged():
    content = png(20000, 10000, 1, 0, [])
    for read in (decoding.decode_image, decoding.decode_mask, decoding.image_size):
        with pytest.raises(ValueError, match=r'^x is too large: 200 million pixels') as caught:
            read(content, 'x')
        assert not isinstance(caught.value, decoding.BrokenFileError)
