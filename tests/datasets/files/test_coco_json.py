import json
import logging

import pytest
import tensorflow as tf

from wss.datasets import classes
from wss.datasets.files import coco_json

# The ids of the 80 categories: 1 to 90 without these.
GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
IDS = [number for number in range(1, 91) if number not in GAPS]
CATEGORIES = [
    {'id': number, 'name': name, 'supercategory': 'thing'}
    for number, name in zip(IDS, classes.COCO.class_names[1:], strict=True)
]
BOX = [[1.0, 1.0, 5.0, 1.0, 5.0, 4.0, 1.0, 4.0]]


def image(number, height=8, width=10):
    return {
        'id': number,
        'file_name': f'{number:012d}.jpg',
        'height': height,
        'width': width,
        'license': 1,
        'coco_url': '',
    }


def annotation(number, image_id, category_id=1, **changes):
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'segmentation': BOX,
        'area': 12.0,
        'bbox': [1.0, 1.0, 4.0, 3.0],
        'iscrowd': 0,
    } | changes


def content(images, annotations, categories=CATEGORIES):
    return {
        'info': {'year': 2017},
        'licenses': [{'id': 1, 'name': 'none', 'url': ''}],
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }


def read(folder, value):
    path = folder / 'instances_val2017.json'
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return coco_json.read_instances(path)


def test_category_ids_with_gaps_become_indices_without(tmp_path):
    numbers = [1, 11, 13, 25, 27, 90]  # Person, fire hydrant | stop sign, giraffe | backpack, ...
    (found,) = read(
        tmp_path,
        content([image(7)], [annotation(i, 7, number) for i, number in enumerate(numbers)]),
    )
    assert [region.class_index for region in found.regions] == [1, 11, 12, 24, 25, 80]
    names = [classes.COCO.class_names[region.class_index] for region in found.regions]
    assert names == ['person', 'fire hydrant', 'stop sign', 'giraffe', 'backpack', 'toothbrush']


def test_images_have_their_annotations_and_some_have_none(tmp_path):
    images = read(
        tmp_path,
        content(
            [image(5), image(3, 20, 30), image(4)],
            [annotation(1, 3, 2, iscrowd=1), annotation(2, 4), annotation(3, 3, 90, area=7)],
        ),
    )
    assert [(i.file_name, i.height, i.width) for i in images] == [
        ('000000000005.jpg', 8, 10),
        ('000000000003.jpg', 20, 30),
        ('000000000004.jpg', 8, 10),
    ]
    assert [[r.id for r in i.regions] for i in images] == [[], [1, 3], [2]]
    first, second = images[1].regions
    assert (first.class_index, first.area, first.crowd) == (2, 12.0, True)
    assert (second.class_index, second.area, second.crowd) == (80, 7, False)
    assert [polygon.tolist() for polygon in first.outline] == BOX


def test_regions_without_an_outline_are_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        (found,) = read(
            tmp_path,
            content([image(1)], [annotation(1, 1), annotation(2, 1, segmentation=[[1, 1, 5, 5]])]),
        )
    assert [len(region.outline) for region in found.regions] == [1, 0]
    assert '1 of 2 annotations outline nothing' in caplog.text
    assert 'instances_val2017.json' in caplog.text


GOOD = content([image(1)], [annotation(1, 1)])
CAPTIONS = {key: GOOD[key] for key in ('info', 'licenses', 'images')} | {
    'annotations': [{'id': 1, 'image_id': 1, 'caption': 'A man.'}]
}


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('', 'damaged or cut off'),
        (json.dumps(GOOD)[:-40], 'damaged or cut off'),
        (100_000 * '[', 'damaged or cut off'),
        ('9' * 5000, 'damaged or cut off'),
        ([GOOD], 'not an annotation file of objects'),
        (CAPTIONS, 'not an annotation file of objects.*not captions'),
        ({key: GOOD[key] for key in ('images', 'categories')}, 'lists of images, annotations'),
        (content([image(1)], [{'id': 1, 'segments_info': []}]), 'it has no image_id'),
        (content([image(1)], [annotation(31, 2)]), 'annotation 31 is of image 2, which is not'),
        (content([image(1)], [annotation(31, 1, 12)]), 'annotation 31 is of category 12, which'),
        (content([image(1)], [annotation(31, 1, area=None)]), '31 has the area None'),
        (content([image(1)], [annotation(31, 1, area=float('nan'))]), '31 has the area nan'),
        (content([image(1)], [annotation(31, 1, segmentation=[[1.0]])]), '31 has a polygon'),
        (
            content([image(1)], [], [*CATEGORIES, {'id': 91, 'name': 'banner'}]),
            r"unknown category 'banner' \(id 91\)",
        ),
        (content([], []), 'names no image; is it instances'),
        (content([image(1)], [], CATEGORIES[:1]), 'lacks 79 of the 80 categories.*bicycle, car'),
        (content([image(1)], [], [*CATEGORIES, CATEGORIES[0]]), 'has a category twice'),
        (
            content([image(1)], [], [{'id': [1], 'name': 'person'}]),
            r"'person' has the id \[1\], wh",
        ),
        (content([image(1) | {'height': True}], []), 'without id, file_name, height or width'),
        (
            content([image(1)], [annotation(31, 1, segmentation=[[10**400] * 6])]),
            '31 has a polygon',
        ),
        (content([image(1), image(1)], []), 'two images of the id 1'),
        (
            content([image(1), image(2) | {'file_name': image(1)['file_name']}], []),
            r'two images of the id 2 or the name 000000000001\.jpg',
        ),
        (content([{'id': 3, 'file_name': 'a.jpg'}], []), 'without id, file_name, height or width'),
    ],
)
def test_files_that_are_refused_by_name(tmp_path, value, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, value)
    assert 'instances_val2017.json' in str(caught.value)


def test_files_are_read_by_way_of_tensorflow_and_so_from_elsewhere_too():
    path = 'ram://test_coco_json/instances_val2017.json'
    with tf.io.gfile.GFile(path, 'w') as file:
        file.write(json.dumps(GOOD))
    (found,) = coco_json.read_instances(path)
    assert (found.file_name, len(found.regions)) == ('000000000001.jpg', 1)
    with pytest.raises(FileNotFoundError, match='ram://test_coco_json/other'):
        coco_json.read_instances('ram://test_coco_json/other')


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'instances_val2017\.json'):
        coco_json.read_instances(tmp_path / 'instances_val2017.json')


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path):
    path = tmp_path / 'instances_val2017.json'
    path.write_bytes(b'{"images": "\xff\xfe"}')
    with pytest.raises(ValueError, match=r'instances_val2017\.json is damaged'):
        coco_json.read_instances(path)
