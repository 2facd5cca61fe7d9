"""The builder of Cityscapes on small archives in the official layouts."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from tests.datasets import small_archives
from wss.datasets.preparation.builders import cityscapes

# Every label id that there is, with 255 for the -1 of licence plates, and the train ids of
# https://github.com/mcordts/cityscapesScripts (helpers/labels.py), 255 where a label is not scored.
LABEL_IDS = [*range(34), 255]
TRAIN_IDS = [
    *[255] * 7,  # unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground
    *[0, 1, 255, 255],  # road, sidewalk, parking, rail track
    *[2, 3, 4, 255, 255, 255],  # building, wall, fence, guard rail, bridge, tunnel
    *[5, 255, 6, 7],  # pole, polegroup, traffic light, traffic sign
    *[8, 9, 10, 11, 12],  # vegetation, terrain, sky, person, rider
    *[13, 14, 15, 255, 255],  # car, truck, bus, caravan, trailer
    *[16, 17, 18],  # train, motorcycle, bicycle
    255,  # license plate
]


def png(array):
    file = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(file, 'PNG')
    return file.getvalue()


def image(value):
    return png(np.full((5, 7, 3), value))


MASK = np.array(LABEL_IDS).reshape(5, 7)
EXPECTED = np.array(TRAIN_IDS).reshape(5, 7)
AACHEN, BOCHUM = 'aachen_000000_000019', 'bochum_000000_000313'
FRANKFURT, BERLIN = 'frankfurt_000001_000019', 'berlin_000000_000019'
EXTRA, BLACK = 'troisdorf_000000_000072', 'troisdorf_000000_000073'


def image_file(split, name, value=1):
    city = name.split('_')[0]
    return {f'leftImg8bit/{split}/{city}/{name}_leftImg8bit.png': image(value)}


def mask_files(kind, split, name, mask=MASK):
    """The mask with the files beside it, which are not for us."""
    start = f'{kind}/{split}/{name.split("_")[0]}/{name}_{kind}'
    return {
        f'{start}_labelIds.png': png(mask),
        f'{start}_color.png': image(3),
        f'{start}_instanceIds.png': png(0 * mask),
        f'{start}_polygons.json': b'{}',
    }


IMAGES = {
    'README': b'',
    'license.txt': b'',
    **image_file('train', AACHEN, 11),
    **image_file('train', BOCHUM, 12),
    **image_file('val', FRANKFURT, 13),
    **image_file('test', BERLIN, 14),
}


def fine():
    """Archive name -> its files."""
    return {
        'leftImg8bit_trainvaltest.zip': dict(IMAGES),
        'gtFine_trainvaltest.zip': {
            **mask_files('gtFine', 'train', AACHEN),
            **mask_files('gtFine', 'train', BOCHUM, np.full((5, 7), 26)),
            **mask_files('gtFine', 'val', FRANKFURT, np.full((5, 7), 4)),
            **mask_files('gtFine', 'test', BERLIN, np.full((5, 7), 7)),  # A dummy.
        },
    }


def coarse():
    return {
        'leftImg8bit_trainvaltest.zip': dict(IMAGES),
        'leftImg8bit_trainextra.zip': {
            **image_file('train_extra', EXTRA, 15),
            **image_file('train_extra', BLACK, 0),
        },
        'gtCoarse.zip': {
            **mask_files('gtCoarse', 'train', AACHEN, np.full((5, 7), 8)),
            **mask_files('gtCoarse', 'train', BOCHUM),
            **mask_files('gtCoarse', 'val', FRANKFURT),
            **mask_files('gtCoarse', 'train_extra', EXTRA, np.full((5, 7), 33)),
            **mask_files('gtCoarse', 'train_extra', BLACK),
        },
    }


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds a config from `{archive name: files}`, packed as official archives or unpacked."""
    make = cityscapes.CityscapesSeg
    (tmp_path / 'manual').mkdir()
    return functools.partial(small_archives.build, tmp_path, monkeypatch, cityscapes, make)


def test_every_label_id_has_its_train_id():
    ids = cityscapes.to_train_ids(MASK, 'm')
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, EXPECTED)


@pytest.mark.parametrize('value', [34, 100, 254, 256, 26001, -1])
def test_values_that_are_no_label_ids_are_refused_by_name(value):
    mask = MASK.copy()
    mask[2, 3] = value
    with pytest.raises(ValueError, match=f'Mask city_x.png holds {value}, which'):
        cityscapes.to_train_ids(mask, 'city_x.png')


@pytest.mark.parametrize('zipped', [False, True])
def test_fine_from_archives_and_from_folders(build, zipped):
    builder = build('fine', fine(), zipped)
    assert builder.info.full_name == 'cityscapes_seg/fine/1.0.0'
    assert set(builder.info.splits) == {'train', 'val', 'test'}
    records = small_archives.read(builder, 'train')
    assert set(records) == {AACHEN, BOCHUM}
    record = records[AACHEN]
    assert record['image'] == image(11)
    np.testing.assert_array_equal(record['label'][..., 0], EXPECTED)
    assert record['has_label'] and record['mask_classes'].tolist() == list(range(19))
    assert not record['has_image_label'] and record['image_classes'].tolist() == []
    assert (record['height'], record['width']) == (5, 7)
    assert records[BOCHUM]['mask_classes'].tolist() == [13]
    (record,) = small_archives.read(builder, 'val').values()
    assert (record['label'] == 255).all()  # Static, which is not scored: a mask all the same.
    assert record['has_label'] and record['mask_classes'].tolist() == []


def test_a_number_of_images_other_than_the_official_one_is_a_warning(build, caplog):
    build('fine', fine())
    for split, count, official in (('train', 2, 2975), ('val', 1, 500), ('test', 1, 1525)):
        assert f'split {split} has {count} images' in caplog.text
        assert f'officially {official}.' in caplog.text


def test_the_dummies_of_the_test_split_are_not_masks(build):
    records = small_archives.read(build('fine', fine()), 'test')
    assert list(records) == [BERLIN]
    assert records[BERLIN]['image'] == image(14)
    assert not records[BERLIN]['has_label'] and (records[BERLIN]['label'] == 255).all()


@pytest.mark.parametrize('zipped', [False, True])
def test_coarse_from_archives_and_from_folders(build, zipped):
    builder = build('coarse', coarse(), zipped)
    assert set(builder.info.splits) == {'train', 'val', 'train_extra'}
    records = small_archives.read(builder, 'train')
    assert set(records) == {AACHEN, BOCHUM}
    assert records[AACHEN]['mask_classes'].tolist() == [1]
    np.testing.assert_array_equal(records[BOCHUM]['label'][..., 0], EXPECTED)
    assert set(small_archives.read(builder, 'val')) == {FRANKFURT}
    records = small_archives.read(builder, 'train_extra')
    assert set(records) == {EXTRA}  # Without the picture that is black.
    assert records[EXTRA]['image'] == image(15)
    assert records[EXTRA]['mask_classes'].tolist() == [18]


def test_the_black_picture_may_have_been_deleted(build):
    files = coarse()
    del files['leftImg8bit_trainextra.zip'][next(iter(image_file('train_extra', BLACK)))]
    assert set(small_archives.read(build('coarse', files), 'train_extra')) == {EXTRA}


def test_each_archive_may_be_unpacked_in_a_folder_of_its_own(tmp_path, build):
    for name, content in fine().items():
        small_archives.unpack(tmp_path / 'manual' / name.removesuffix('.zip'), content)
    assert set(small_archives.read(build('fine', {}), 'train')) == {AACHEN, BOCHUM}


def test_missing_archives_are_named(tmp_path, build):
    files = {'leftImg8bit_trainvaltest.zip': IMAGES, 'gtFine.zip': {'a': b''}}
    for name, content in files.items():
        small_archives.pack(tmp_path / 'manual' / name, content)
    with pytest.raises(FileNotFoundError) as caught:
        build('fine', {})
    message = str(caught.value)
    assert 'gtFine_trainvaltest.zip (or, unpacked, gtFine/train and gtFine/val)' in message
    assert 'gtFine.zip' in message and 'https://www.cityscapes-dataset.com' in message


LEFT, GT = 'leftImg8bit_trainvaltest.zip', 'gtFine_trainvaltest.zip'
AACHEN_IMAGE = f'leftImg8bit/train/aachen/{AACHEN}_leftImg8bit.png'
AACHEN_MASK = f'gtFine/train/aachen/{AACHEN}_gtFine_labelIds.png'


@pytest.mark.parametrize(
    ('archive', 'name', 'content', 'error', 'message'),
    [
        (
            GT,
            AACHEN_MASK,
            None,
            FileNotFoundError,
            f'1 of 2 ids of .* lack a mask in .*: {AACHEN}',
        ),
        (
            LEFT,
            AACHEN_IMAGE,
            None,
            FileNotFoundError,
            f'1 of 2 ids of .* lack an image in .*: {AACHEN}',
        ),
        (GT, AACHEN_MASK, png(MASK + 1), ValueError, f'{AACHEN}_gtFine_labelIds.png holds 34'),
        (GT, AACHEN_MASK, image(3), ValueError, f'{AACHEN}_gtFine_labelIds.png holds colours'),
        (GT, AACHEN_MASK, png(MASK.T), ValueError, f'{AACHEN}_gtFine_labelIds.png is 5x7 pixels'),
        (GT, AACHEN_MASK, png(MASK)[:-30], ValueError, 'labelIds.png is damaged or cut off'),
        (LEFT, AACHEN_IMAGE, image(3)[:-30], ValueError, 'leftImg8bit.png is damaged or cut off'),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, build, archive, name, content, error, message):
    files = fine()
    files[archive][name] = content
    if content is None:
        del files[archive][name]
    with pytest.raises(error, match=message):
        build('fine', files)
    assert not list((tmp_path / 'data').rglob('1.0.0'))


def test_a_truncated_archive_is_refused_by_name(tmp_path, build, monkeypatch):
    files = fine()
    for name, content in files.items():
        path = small_archives.pack(tmp_path / 'manual' / name, content)
        described = small_archives.described(cityscapes.ARCHIVES[name], path)
        monkeypatch.setitem(cityscapes.ARCHIVES, name, described)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r'gtFine_trainvaltest\.zip is cut off'):
        build('fine', {})


def converted(ignored=255):
    """The masks of `fine`, converted to train ids under their old names."""
    files = fine()
    masks = files[GT]
    for name, content in masks.items():
        if name.endswith('labelIds.png') and '/test/' not in name:
            ids = np.asarray(Image.open(io.BytesIO(content)))
            ids = cityscapes.to_train_ids(ids, name)
            masks[name] = png(np.where(ids == 255, ignored, ids))
    return files


@pytest.mark.parametrize('ignored', [255, 19, 0])
def test_masks_that_were_converted_already_are_refused(tmp_path, build, ignored):
    with pytest.raises(ValueError, match=r'gtFine hold train ids .* not label ids') as caught:
        build('fine', converted(ignored))
    assert 'Restore the published files' in str(caught.value)
    assert not list((tmp_path / 'data').rglob('1.0.0'))


def test_one_mask_that_was_converted_already_is_refused(build):
    files = fine()
    files[GT][AACHEN_MASK] = converted()[GT][AACHEN_MASK]
    with pytest.raises(ValueError, match=f'{AACHEN}_gtFine_labelIds.png holds train ids'):
        build('fine', files)
