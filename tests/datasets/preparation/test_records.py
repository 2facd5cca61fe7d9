"""One record: what it holds, and what is refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets import classes
from wss.datasets.info import DatasetInfo
from wss.datasets.preparation import records as builder_records

INFO = DatasetInfo('three', ('ground', 'a', 'b'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
MASK = np.array([[0, 2, 255], [255, 0, 2]])


def encoded(height=2, width=3, kind='PNG', mode='RGB', **options):
    pixels = np.arange(height * width * 3).reshape(height, width, 3).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def made(image=None, mask=None, **changes):
    image = encoded() if image is None else image
    changes = {'mask_name': 'm.png'} | changes
    return builder_records.example('id7', image, 'i.png', INFO, mask, **changes)


def test_a_record_with_a_mask():
    record = made(mask=MASK, image_classes=[2, 1, 2])
    assert record['image'] == encoded()  # Not encoded again.
    label = tf.io.decode_png(record['label'])
    np.testing.assert_array_equal(label[..., 0], MASK)
    assert record['has_label'] and record['mask_classes'] == [0, 2]
    assert record['has_image_label'] and record['image_classes'] == [1, 2]
    assert (record['id'], record['height'], record['width']) == ('id7', 2, 3)


def test_a_record_without_a_mask():
    record = made()
    assert np.all(tf.io.decode_png(record['label']) == 255)
    assert tf.io.decode_png(record['label']).shape == (2, 3, 1)
    assert not record['has_label'] and record['mask_classes'] == []
    assert not record['has_image_label'] and record['image_classes'] == []


def test_an_image_in_which_nothing_was_found_has_an_image_label():
    record = made(image_classes=[])
    assert record['has_image_label'] and record['image_classes'] == []


def test_a_dataset_without_background_may_show_class_0():
    record = builder_records.example(
        'x', encoded(), 'i', classes.CITYSCAPES, np.zeros((2, 3), int), 'm', [0]
    )
    assert record['mask_classes'] == record['image_classes'] == [0]


def test_the_features_take_the_record_as_it_is():
    coded = builder_records.features().encode_example(made(mask=MASK, image_classes=[1]))
    assert coded['image'] == encoded()
    assert coded['mask_classes'] == [0, 2]
    assert coded['image_classes'] == [1]


def test_the_size_is_that_of_the_stored_pixels():
    turned = Image.Exif()
    turned[0x0112] = 6
    image = encoded(kind='JPEG', exif=turned)
    for decode in (True, False):
        record = made(image, MASK, decode=decode)
        assert (record['height'], record['width']) == (2, 3)


@pytest.mark.parametrize(
    ('image', 'said'),
    [
        (b'', r'i\.png is damaged, or not a JPEG or PNG'),
        (encoded(kind='BMP'), r'i\.png is damaged, or not a JPEG or PNG'),
        (encoded(40, 40, 'JPEG')[:300], r'i\.png is damaged or cut off'),
        (encoded(40, 40)[:200], r'i\.png is damaged or cut off'),
    ],
)
def test_images_that_cannot_be_read_are_refused_by_name(image, said):
    with pytest.raises(ValueError, match=said):
        made(image)


def test_headers_alone_are_read_where_the_archive_was_checked():
    assert made(encoded(40, 40, 'JPEG')[:700], decode=False)['height'] == 40


def test_masks_that_do_not_fit_are_refused_by_name():
    with pytest.raises(ValueError, match=r'm\.png is 3x3 pixels .* i\.png is 3x2'):
        made(mask=np.zeros((3, 3), int))
    with pytest.raises(ValueError, match=r'm\.png has pixels of value 3, 254; the classes are 0'):
        made(mask=np.array([[3, 0, 0], [0, 254, 255]]))


@pytest.mark.parametrize('wrong', [[0], [3, 1], [255]])
def test_image_level_classes_are_checked(wrong):
    with pytest.raises(ValueError, match='of id7 are not all in 1 to 2'):
        made(image_classes=wrong)


def mask_file(turn=None):
    file, exif = io.BytesIO(), Image.Exif()
    if turn is not None:
        exif[0x0112] = turn
    Image.fromarray(MASK.astype(np.uint8)).save(file, 'PNG', exif=exif)
    return file.getvalue()


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_a_mask_file_must_be_turned_as_its_image(kind):
    turned = Image.Exif()
    turned[0x0112] = 3
    images = {None: encoded(kind=kind), 3: encoded(kind=kind, exif=turned)}
    for turn, image in images.items():
        label = tf.io.decode_png(made(image, mask_file(turn))['label'])
        np.testing.assert_array_equal(label[..., 0], MASK)
        with pytest.raises(ValueError, match=r'i\.png has the EXIF orientation .* mask m\.png has'):
            made(image, mask_file(6 if turn else 3))
