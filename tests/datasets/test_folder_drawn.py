"""Masks that are no pictures, in a folder and in one file."""

import json

import numpy as np
import pytest

from tests.datasets.two_photos import CLASSES, HEIGHT, WIDTH, box, labels, write_images
from wss.configuration import first_settings
from wss.datasets.files import decoding, drawn
from wss.datasets.folder import Folder
from wss.datasets.survey import looking

BOX = [[2, 1], [6, 1], [6, 5], [2, 5]]  # Columns 2 to 5, rows 1 to 4.


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path)
    return tmp_path


def labelme(folder, *shapes, name='a', **changes):
    content = {'imageHeight': HEIGHT, 'imageWidth': WIDTH, 'shapes': list(shapes), **changes}
    path = folder / 'masks' / f'{name}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def shape(label='cat', points=BOX, **more):
    return {'label': label, 'points': points, **more}


def of_labelme(folder, **changes):
    options = {'masks': str(folder / 'masks'), 'mask_endings': ('.json',), **changes}
    return Folder(str(folder / 'images'), CLASSES, **options)


def annotations(folder, regions, categories=CLASSES[1:]):
    """A COCO file of two images; regions are (image, category, polygon, crowd)."""
    content = {
        'images': [
            {'id': 7, 'file_name': 'images/a.jpg', 'height': HEIGHT, 'width': WIDTH},
            {'id': 9, 'file_name': 'deep/b.png', 'height': HEIGHT, 'width': WIDTH},
            {'id': 11, 'file_name': 'elsewhere.png', 'height': 3, 'width': 3},
        ],
        'categories': [{'id': i + 5, 'name': name} for i, name in enumerate(categories)],
        'annotations': [
            {
                'id': number,
                'image_id': image,
                'category_id': category,
                'segmentation': [np.ravel(polygon).tolist()],
                'area': 16,
                'iscrowd': crowd,
            }
            for number, (image, category, polygon, crowd) in enumerate(regions)
        ],
    }
    path = folder / 'annotations.json'
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize('check', ['full', 'headers'])
@pytest.mark.parametrize('kind', ['uint8', 'int64', 'bool'])
def test_arrays_of_numpy(folder, kind, check):
    (folder / 'masks').mkdir()
    np.save(folder / 'masks/a.npy', box(1).astype(kind))
    options = {'masks': str(folder / 'masks'), 'mask_endings': ('.npy',), 'check': check}
    dataset = Folder(str(folder / 'images'), CLASSES, **options)
    np.testing.assert_array_equal(labels(dataset), box(1))
    assert (labels(dataset, 1) == 255).all()  # Without a mask.


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (np.zeros([3, 4, 1], int), r'has the shape \(3, 4, 1\); a mask is \[height, width\]'),
        (np.zeros([HEIGHT, WIDTH]), 'has values of type float64; class indices are integers'),
        (np.full([HEIGHT, WIDTH], 9), 'has pixels of value 9; the classes are 0 to 2'),
        (np.zeros([HEIGHT, 3], int), r'is 3x8 pixels \(width x height\), but its image'),
        (b'no array', 'is damaged, or no array of NumPy'),
        (np.array([{}], object), 'is damaged, or no array of NumPy'),
    ],
)
def test_other_arrays_are_refused(folder, content, words):
    (folder / 'masks').mkdir()
    if isinstance(content, bytes):
        (folder / 'masks/a.npy').write_bytes(content)
    else:
        np.save(folder / 'masks/a.npy', content, allow_pickle=True)
    options = {'masks': str(folder / 'masks'), 'mask_endings': ('.npy',)}
    with pytest.raises(ValueError, match=words):
        Folder(str(folder / 'images'), CLASSES, **options).examples('all', labels='available')


def test_an_array_that_claims_much_takes_no_memory(folder):
    path = folder / 'a.npy'
    np.save(path, np.zeros([2, 3], np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'(2, 3), }      ', b'(999999, 999999)', 1)[: len(whole)])
    path.write_bytes(whole.replace(b'(2, 3), }            ', b'(999999, 999999), }  '))
    assert path.read_bytes() != whole
    with pytest.raises(decoding.BrokenFileError, match='is damaged, or no array'):
        drawn.size(str(path), None, 'a.npy')


@pytest.mark.parametrize('check', ['full', 'headers'])
def test_polygons_of_labelme(folder, check):
    """The later of two lies over the earlier; what is to be ignored has a label of its own."""
    above = shape('dog', [[4, 0], [10, 0], [10, 3], [4, 3]], shape_type='polygon')
    corner = shape('__ignore__', [[0, 7], [3, 8]], shape_type='rectangle')
    labelme(
        folder, shape(), above, corner, shape('_background_', [[9, 0], [10, 0], [10, 2], [9, 2]])
    )
    expected = box(1)
    expected[:3, 4:] = 2
    expected[7:, :3] = 255
    expected[:2, 9:] = 0
    np.testing.assert_array_equal(labels(of_labelme(folder, check=check)), expected)
    without = of_labelme(folder, check=check, has_background=False)
    expected[(box(1) == 0) & (expected == 0)] = 255
    np.testing.assert_array_equal(labels(without), expected)


def test_a_circle_of_labelme(folder):
    labelme(folder, shape('dog', [[5, 4], [5, 1]], shape_type='circle'))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.hypot(x - 5, y - 4)
    found = labels(of_labelme(folder)) == 2
    assert found[distance < 2.6].all() and not found[distance > 3.4].any()


@pytest.mark.parametrize(
    ('shapes', 'changes', 'words'),
    [
        (
            [shape('horse'), shape('cow')],
            {},
            r'labels horse, cow, which are not in Folder\.class_n',
        ),
        ([shape(points=BOX[:2])], {}, r'shape 0 \(cat\) is no polygon, rectangle or circle'),
        ([shape(shape_type='line')], {}, r'shape 0 \(cat\) is no polygon'),
        ([shape(points=[[1, 'x'], [2, 3], [4, 5]])], {}, r'shape 0 \(cat\) is no polygon'),
        (['cat'], {}, 'labels None, which'),
        ([], {'imageHeight': None}, 'is no file of labelme: it lacks imageHeight'),
        ([], {'imageWidth': 9}, r'is 9x8 pixels \(width x height\), but its image'),
        ([], {'imageHeight': 2**16 - 1, 'imageWidth': 2**16 - 1}, 'is too large: 65535x65535'),
    ],
)
def test_other_files_of_labelme_are_refused(folder, shapes, changes, words):
    labelme(folder, *shapes, **changes)
    with pytest.raises(ValueError, match=words):
        of_labelme(folder).examples('all', labels='available')


@pytest.mark.parametrize('check', ['full', 'headers'])
def test_one_file_of_coco(folder, check):
    path = annotations(
        folder,
        [(7, 5, BOX, 0), (9, 6, BOX, 0), (9, 5, [[0, 7], [3, 7], [3, 8], [0, 8]], 1)],
    )
    dataset = Folder(str(folder / 'images'), CLASSES, path, check=check)
    np.testing.assert_array_equal(labels(dataset), box(1))
    expected = box(2)
    expected[7:, :3] = 255
    np.testing.assert_array_equal(labels(dataset, 1), expected)
    # What is written again is read again.
    annotations(folder, [(7, 6, BOX, 0)], CLASSES[1:])
    again = Folder(str(folder / 'images'), CLASSES, path, check=check)
    np.testing.assert_array_equal(labels(again), box(2))


def test_what_prediction_writes_is_read(folder):
    """Polygons of a prediction are masks to train with."""
    from wss.inference import coco_polygons, marks
    from wss.results import pictures

    info = Folder(str(folder / 'images'), CLASSES).info
    random = np.random.default_rng(0)
    masks = {name: random.integers(0, 3, (HEIGHT, WIDTH)) for name in ('a.jpg', 'deep/b.png')}
    (folder / 'out/deep').mkdir(parents=True)
    targets = {name: str(folder / 'out' / name.split('.')[0]) for name in masks}
    for name, target in targets.items():
        with open(f'{target}.png', 'wb') as file:
            file.write(marks.mark_png(pictures.encode_mask(masks[name], info.colours)))
    path = str(folder / 'out/annotations.json')
    coco_polygons.write(path, targets, info)
    dataset = Folder(str(folder / 'images'), CLASSES, path)
    for position, mask in enumerate(masks.values()):
        np.testing.assert_array_equal(labels(dataset, position, given='required'), mask)


def test_other_files_of_coco_are_refused(folder):
    path = annotations(folder, [], ('cat', 'horse'))
    with pytest.raises(ValueError, match=r"unknown category 'horse' \(id 6\); the classes are "):
        Folder(str(folder / 'images'), CLASSES, path).examples('all')
    with pytest.raises(FileNotFoundError, match=r'none\.json does not exist'):
        Folder(str(folder / 'images'), CLASSES, str(folder / 'none.json')).examples('all')


def test_a_survey_finds_the_names_of_the_classes(folder):
    labelme(folder, shape('dog'), shape('__ignore__'))
    labelme(folder, shape('ant'), name='deep/b')
    places = str(folder / 'images'), str(folder / 'masks')
    seen = looking.look(*places, mask_endings=('.json',))
    assert seen.class_names == ('background', 'ant', 'dog') and not seen.problems
    assert seen.totals()[1] == (16, 1)
    found = first_settings.choose(seen, *places, '', 10**9).settings
    assert found['Folder.class_names'] == ('background', 'ant', 'dog')
    assert found['Folder.mask_endings'] == ('.json',)
    path = annotations(folder, [(7, 6, BOX, 0)])
    seen = looking.look(places[0], path)
    assert seen.class_names == CLASSES and seen.totals()[2] == (16, 1)
    assert first_settings.choose(seen, places[0], path, '', 10**9).settings['Folder.masks'] == path
