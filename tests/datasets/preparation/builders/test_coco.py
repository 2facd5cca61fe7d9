"""The builder of COCO on small archives in the official layouts."""

import functools
import io
import json
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from pycocotools import mask as pycocotools_mask

from tests.datasets import small_archives
from wss.datasets import classes
from wss.datasets.preparation.builders import coco

LISTS = pathlib.Path(__file__).resolve().parents[5] / 'shared' / 'splits' / 'coco'
GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORIES = [
    {'id': number, 'name': name, 'supercategory': 'thing'}
    for number, name in zip(
        [number for number in range(1, 91) if number not in GAPS],
        classes.COCO.class_names[1:],
        strict=True,
    )
]


def jpeg(value, height=8, width=10, **options):
    file = io.BytesIO()
    Image.new('RGB', (width, height), (value, 10, 200)).save(file, 'JPEG', **options)
    return file.getvalue()


def instances(images, annotations=()):
    """An annotation file of images `{id: file name}`, all of 10x8 pixels."""
    annotations = [{'id': i, **values} for i, values in enumerate(annotations, start=100)]
    content = {
        'info': {'year': 2017},
        'licenses': [],
        'images': [
            {'id': number, 'file_name': name, 'height': 8, 'width': 10}
            for number, name in images.items()
        ],
        'annotations': annotations,
        'categories': CATEGORIES,
    }
    return json.dumps(content).encode()


def annotation(image_id, category_id, area, segmentation, crowd=0):
    return {
        'image_id': image_id,
        'category_id': category_id,
        'area': area,
        'segmentation': segmentation,
        'iscrowd': crowd,
    }


def packed(mask):
    rle = pycocotools_mask.encode(np.asfortranarray(mask, np.uint8))
    return {'size': rle['size'], 'counts': rle['counts'].decode()}


CORNER = np.zeros((8, 10))
CORNER[:2, 8:] = 1
# Image 9: a person of 7x5 pixels, over it a backpack (id 27, class 25) of 4x4, in the corner a
# toothbrush (id 90, class 80) of 2x2. A crowd of persons fills the two rows at the bottom.
ANNOTATIONS = [
    annotation(9, 27, 16.0, [[5.0, 3.0, 9.0, 3.0, 9.0, 7.0, 5.0, 7.0]]),
    annotation(9, 1, 35.0, [[1.0, 1.0, 8.0, 1.0, 8.0, 6.0, 1.0, 6.0]]),
    annotation(9, 1, 20.0, {'size': [8, 10], 'counts': 10 * [6, 2]}, crowd=1),
    annotation(9, 90, 4.0, packed(CORNER)),
    # Image 25: nothing but a crowd of sheep (id 20, class 19), and an outline of two points of a
    # giraffe (id 25, class 24).
    annotation(25, 20, 16.0, {'size': [8, 10], 'counts': [0, 16, 64]}, crowd=1),
    annotation(25, 25, 0.0, [[1.0, 1.0, 3.0, 3.0]]),
]
MASK = [
    [0, 0, 0, 0, 0, 0, 0, 0, 80, 80],
    [0, 1, 1, 1, 1, 1, 1, 1, 80, 80],
    [0, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    [0, 1, 1, 1, 1, 25, 25, 25, 25, 0],
    [0, 1, 1, 1, 1, 25, 25, 25, 25, 0],
    [0, 1, 1, 1, 1, 25, 25, 25, 25, 0],
    [255, 255, 255, 255, 255, 25, 25, 25, 25, 255],
    [255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
]


def files_2017():
    """Archive name -> its files."""
    return {
        'train2017.zip': {
            'train2017/000000000009.jpg': jpeg(9),
            'train2017/000000000025.jpg': jpeg(25),
            'train2017/000000000030.jpg': jpeg(30),
        },
        'val2017.zip': {'val2017/000000000139.jpg': jpeg(139)},
        'annotations_trainval2017.zip': {
            'annotations/instances_train2017.json': instances(
                {number: f'{number:012d}.jpg' for number in (25, 9, 30)}, ANNOTATIONS
            ),
            'annotations/instances_val2017.json': instances({139: '000000000139.jpg'}),
            'annotations/captions_val2017.json': b'{}',
        },
    }


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds a config from `{archive name: files}`, packed as official archives or unpacked."""
    make = coco.CocoSeg
    (tmp_path / 'manual').mkdir()
    return functools.partial(small_archives.build, tmp_path, monkeypatch, coco, make)


@pytest.mark.parametrize('zipped', [False, True])
def test_2017_from_archives_and_from_folders(build, zipped):
    builder = build('2017', files_2017(), zipped)
    assert builder.info.full_name == 'coco_seg/2017/1.0.0'
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        'train': 3,
        'val': 1,
    }
    records = small_archives.read(builder, 'train')
    assert set(records) == {f'train2017/{number:012d}' for number in (9, 25, 30)}
    record = records['train2017/000000000009']
    assert record['image'] == jpeg(9)
    assert record['label'][..., 0].tolist() == MASK
    assert record['has_label'] and record['mask_classes'].tolist() == [0, 1, 25, 80]
    assert record['has_image_label'] and record['image_classes'].tolist() == [1, 25, 80]
    assert (record['height'], record['width']) == (8, 10)
    assert set(small_archives.read(builder, 'val')) == {'val2017/000000000139'}


def test_image_level_labels_count_crowds_and_need_no_outline(build):
    record = small_archives.read(build('2017', files_2017()), 'train')['train2017/000000000025']
    assert record['label'][:, :2, 0].tolist() == [[255, 255]] * 8
    assert not record['label'][:, 2:].any()
    assert record['mask_classes'].tolist() == [0]
    assert record['image_classes'].tolist() == [19, 24]


def test_images_without_annotations_are_background(build):
    builder = build('2017', files_2017())
    for split, name in (('train', 'train2017/000000000030'), ('val', 'val2017/000000000139')):
        record = small_archives.read(builder, split)[name]
        assert record['label'].shape == (8, 10, 1) and not record['label'].any()
        assert record['has_label'] and record['mask_classes'].tolist() == [0]
        assert record['has_image_label'] and record['image_classes'].tolist() == []


def test_2014_has_ids_like_its_file_names(build):
    files = {
        'train2014.zip': {'train2014/COCO_train2014_000000000009.jpg': jpeg(9)},
        'val2014.zip': {'val2014/COCO_val2014_000000000042.jpg': jpeg(42)},
        'annotations_trainval2014.zip': {
            'annotations/instances_train2014.json': instances(
                {9: 'COCO_train2014_000000000009.jpg'}, ANNOTATIONS[:4]
            ),
            'annotations/instances_val2014.json': instances({42: 'COCO_val2014_000000000042.jpg'}),
        },
    }
    builder = build('2014', files, zipped=True)
    (record,) = small_archives.read(builder, 'train').values()
    assert record['id'] == b'train2014/COCO_train2014_000000000009'
    assert record['label'][..., 0].tolist() == MASK
    assert set(small_archives.read(builder, 'val')) == {'val2014/COCO_val2014_000000000042'}


@pytest.mark.parametrize('zipped', [False, True])
def test_unlabelled_images_need_no_annotations(build, zipped, caplog):
    names = [f'unlabeled2017/{number:012d}' for number in (1, 4, 7)]
    files = {f'{name}.jpg': jpeg(i, height=5 + i) for i, name in enumerate(names)}
    builder = build('unlabeled2017', {'unlabeled2017.zip': files}, zipped)
    records = small_archives.read(builder, 'unlabeled')
    assert list(builder.info.splits) == ['unlabeled']
    assert 'unlabeled2017 holds 3 images, the official archive more than 123000' in caplog.text
    assert set(records) == set(names)
    record = records[names[2]]
    assert record['image'] == files[f'{names[2]}.jpg']
    assert (record['label'] == 255).all() and record['label'].shape == (7, 10, 1)
    assert not record['has_label'] and record['mask_classes'].tolist() == []
    assert not record['has_image_label'] and record['image_classes'].tolist() == []


@pytest.mark.skipif(not LISTS.is_dir(), reason='needs the official lists in ../shared/splits/coco')
def test_ids_are_those_of_the_official_lists(build):
    ids = set()
    for path in sorted(LISTS.glob('*_all.txt')):
        lines = path.read_text().split()
        assert len(lines) > 200
        ids.update(lines[:3])
    files = files_2017()
    files['train2017.zip'] = {f'{name}.jpg': jpeg(1) for name in ids}
    names = {int(name.split('/')[1]): f'{name.split("/")[1]}.jpg' for name in ids}
    files['annotations_trainval2017.zip']['annotations/instances_train2017.json'] = instances(names)
    assert set(small_archives.read(build('2017', files), 'train')) == ids


def test_the_pixels_count_as_they_are_stored(build):
    turned = Image.Exif()
    turned[0x0112] = 6
    files = files_2017()
    files['train2017.zip']['train2017/000000000009.jpg'] = jpeg(9, exif=turned)
    record = small_archives.read(build('2017', files), 'train')['train2017/000000000009']
    assert record['label'][..., 0].tolist() == MASK


def test_images_that_are_not_in_the_annotation_file_are_left_out_with_a_warning(build, caplog):
    files = files_2017()
    files['val2017.zip']['val2017/000000000140.jpg'] = jpeg(140)
    assert set(small_archives.read(build('2017', files), 'val')) == {'val2017/000000000139'}
    assert '1 images are left out' in caplog.text


VAL = 'annotations/instances_val2017.json'


@pytest.mark.parametrize(
    ('archive', 'name', 'content', 'error', 'message'),
    [
        (
            'annotations_trainval2017.zip',
            VAL,
            instances({139: '000000000139.jpg', 285: '000000000285.jpg'}),
            FileNotFoundError,
            r'instances_val2017\.json names images that are not in .*, 1 of 2: 000000000285\.jpg',
        ),
        (
            'annotations_trainval2017.zip',
            VAL,
            instances({139: '000000000139.jpg'})[:-30],
            ValueError,
            r'instances_val2017\.json is damaged or cut off',
        ),
        (
            'annotations_trainval2017.zip',
            VAL,
            instances({139: '000000000139.jpg'}, [annotation(285, 1, 1.0, [])]),
            ValueError,
            r'instances_val2017\.json: annotation 100 is of image 285',
        ),
        (
            'annotations_trainval2017.zip',
            VAL,
            instances(
                {139: '000000000139.jpg'},
                [annotation(139, 1, 1.0, {'size': [10, 8], 'counts': [80]}, 1)],
            ),
            ValueError,
            r'mask of .*000000000139\.jpg cannot be painted. Annotation 100 has an RLE of 8x10',
        ),
        (
            'val2017.zip',
            'val2017/000000000139.jpg',
            jpeg(139, height=9),
            ValueError,
            r'The mask from .*000000000139\.jpg is 10x8 pixels .*000000000139\.jpg is 10x9',
        ),
        (
            'annotations_trainval2017.zip',
            VAL,
            instances({139: '000000000139.jpg'}).replace(b'"height": 8', b'"height": 8000000000'),
            ValueError,
            r'The mask from .*000000000139\.jpg is 10x8000000000 pixels .* is 10x8\.',
        ),
        (
            'val2017.zip',
            'val2017/000000000139.jpg',
            jpeg(139)[:-200],
            ValueError,
            r'000000000139\.jpg is damaged or cut off',
        ),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, build, archive, name, content, error, message):
    files = files_2017()
    files[archive][name] = content
    with pytest.raises(error, match=message):
        build('2017', files)
    assert not list((tmp_path / 'data').rglob('1.0.0'))


def test_an_empty_folder_is_refused(tmp_path, build):
    (tmp_path / 'manual' / 'unlabeled2017').mkdir(parents=True)
    with pytest.raises(ValueError, match='unlabeled2017 holds no JPEG file'):
        build('unlabeled2017', {'unlabeled2017.zip': {'other.txt': b''}})


def test_sizes_and_checksums_are_those_that_tfds_ships():
    path = pathlib.Path(tfds.__file__).parent / 'url_checksums' / 'coco.txt'
    shipped = {}
    for line in path.read_text().splitlines():
        url, size, sha256, _ = line.split('\t')
        shipped[url] = (int(size), sha256)
    unlabelled = coco.ARCHIVES['unlabeled2017.zip']
    for archive in coco.ARCHIVES.values():
        if archive != unlabelled:
            assert (archive.size, archive.sha256) == shipped[archive.urls[0]]
    assert unlabelled.urls[0] not in shipped and unlabelled.sha256 is None


def test_the_citation_keeps_its_accent(tmp_path):
    assert "Doll{\\'a}r" in coco.CocoSeg(config='2017', data_dir=tmp_path).info.citation


def test_each_config_asks_for_its_own_archives(tmp_path):
    names = {
        '2017': ['train2017', 'val2017', 'annotations_trainval2017'],
        '2014': ['train2014', 'val2014', 'annotations_trainval2014'],
        'unlabeled2017': ['unlabeled2017'],
    }
    for config, expected in names.items():
        builder = coco.CocoSeg(config=config, data_dir=tmp_path)
        assert [item.name for item in builder.archives] == [f'{name}.zip' for name in expected]
