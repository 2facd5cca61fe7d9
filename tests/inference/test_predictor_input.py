"""What prediction takes an image for: its bits, and where it is up."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageOps

from wss.inference import folder as image_folder
from wss.inference import given

VALUES = np.array([[0, 2000, 4095], [4095, 100, 50]], np.uint16)
SCALED = np.round(VALUES / 4095 * 255)


def save(array, path, turn=None):
    exif = Image.Exif()
    if turn is not None:
        exif[0x0112] = turn
    Image.fromarray(array).save(path, exif=exif)
    return path


def test_a_uint16_array_has_no_meaning_without_a_bit_depth():
    array = np.repeat(VALUES[..., None], 3, axis=-1)
    for values in (array, array // 16):  # Also where all values are in 0..255.
        with pytest.raises(ValueError, match='array of uint16, and how many bits hold data is not'):
            given.as_rgb(values)
    np.testing.assert_array_equal(given.as_rgb(array, bit_depth=12)[..., 1], SCALED)
    with pytest.raises(ValueError, match='holds the value 4096, which needs 13 bits'):
        given.as_rgb(array + 1, bit_depth=12)


def test_files_and_pil_images_of_16_bits(tmp_path):
    path = save(VALUES, tmp_path / 'a.png')
    with Image.open(path) as opened:
        for image in (path, opened):
            np.testing.assert_array_equal(given.as_rgb(image, bit_depth=12)[..., 0], SCALED)
            with pytest.warns(UserWarning, match=r'has 16 bits, but .* at most 4095 of 65535'):
                assert given.as_rgb(image).max() == 16


def test_a_folder_is_predicted_with_the_bit_depth_of_the_training(tmp_path, tiny):
    (tmp_path / 'in').mkdir()
    save(VALUES, tmp_path / 'in' / 'a.png')
    seen = []
    info = dataclasses.replace(tiny.make_info(), bit_depth=12)
    image_folder.predict_folder(
        tmp_path / 'in',
        tmp_path / 'out',
        lambda images: (seen.append(images[0]) or np.zeros(images.shape[:3], np.int32), None),
        info,
    )
    np.testing.assert_array_equal(seen[0][..., 2], SCALED)


@pytest.mark.parametrize('turn', range(2, 9))
def test_masks_fit_the_image_as_viewers_show_it(tmp_path, tiny, turn):
    (tmp_path / 'in').mkdir()
    grey = (VALUES > 1000).astype(np.uint8) * 255
    path = save(np.repeat(grey[..., None], 3, axis=-1), tmp_path / 'in' / 'a.png', turn)
    image_folder.predict_folder(
        tmp_path / 'in',
        tmp_path / 'out',
        lambda images: ((images[..., 0] > 127).astype(np.int32), None),
        tiny.make_info(),
    )
    with Image.open(tmp_path / 'out' / 'a.png') as mask, Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))[..., 0] > 127
        np.testing.assert_array_equal(np.asarray(mask), shown)
        assert mask.getexif().get(0x0112, 1) == 1
