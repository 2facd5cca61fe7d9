"""Damaged masks that are no pictures: read as class indices, or refused with a sentence."""

import copy
import io
import json
import random
import re

import numpy as np
import pytest
from attack import mutations

from wss.datasets.files import drawn
from wss.datasets.info import DatasetInfo

INFO = DatasetInfo('pets', ('background', 'cat', 'dog'), ((0, 0, 0), (1, 0, 0), (2, 0, 0)))
SIZE = (12, 16)
TRIES = 1000
CORNERS = [[2, 1], [9, 1], [9, 7], [2, 7]]
# In place of any value of a JSON file, and of any attribute of an XML file.
VALUES = (None, True, -1, 0, 10**9, 1e300, '', 'cat', [], [1], ['x'], [[]], {}, {'x': 1})
TEXTS = ('', 'cat', '-1', '0', '99999999999', '1e300', 'nan', 'inf', ';', '1,2;3', '\u0661')


def array():
    file = io.BytesIO()
    np.save(file, np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE) % 3)
    return file.getvalue()


def labelme():
    shapes = [
        {'label': 'cat', 'points': CORNERS, 'shape_type': 'polygon'},
        {'label': 'dog', 'points': [[1, 1], [4, 4]], 'shape_type': 'rectangle'},
        {'label': '__ignore__', 'points': [[8, 8], [9, 8]], 'shape_type': 'circle'},
    ]
    return {'imageHeight': SIZE[0], 'imageWidth': SIZE[1], 'shapes': shapes}


def coco():
    polygon = [side for corner in CORNERS for side in corner]
    runs = {'size': list(SIZE), 'counts': [10, 50, 132]}
    outlines = [(1, [polygon], 42, 0), (2, runs, 50, 0), (2, [polygon], 30, 1)]
    return {
        'images': [{'id': 1, 'file_name': 'a.jpg', 'height': SIZE[0], 'width': SIZE[1]}],
        'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}],
        'annotations': [
            {
                'id': number,
                'image_id': 1,
                'category_id': category,
                'segmentation': outline,
                'area': area,
                'bbox': [2, 1, 7, 6],
                'iscrowd': crowd,
            }
            for number, (category, outline, area, crowd) in enumerate(outlines)
        ],
    }


CVAT = (
    f'<annotations><image id="0" name="a.jpg" width="{SIZE[1]}" height="{SIZE[0]}">'
    '<polygon label="cat" points="2,1;9,1;9,7;2,7" z_order="1"/>'
    '<box label="dog" xtl="1" ytl="1" xbr="4" ybr="4" rotation="30"/>'
    '<ellipse label="cat" cx="8" cy="8" rx="2" ry="1"/>'
    '<mask label="dog" rle="1, 4, 1" left="7" top="2" width="3" height="2"/>'
    '</image></annotations>'
)


def places(value):
    """Yields every place of a JSON value: the list or dict, and the key."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def with_another_value(make, chance):
    content = copy.deepcopy(make())
    for _ in range(chance.randint(1, 2)):
        holder, key = chance.choice(list(places(content)))
        holder[key] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(content).encode()


def with_another_attribute(text, chance):
    found = chance.choice(list(re.finditer('"([^"]*)"', text)))
    return (text[: found.start(1)] + chance.choice(TEXTS) + text[found.end(1) :]).encode()


KINDS = {
    'npy': (array, None),
    'labelme.json': (
        lambda: json.dumps(labelme()).encode(),
        lambda chance: with_another_value(labelme, chance),
    ),
    'coco.json': (
        lambda: json.dumps(coco()).encode(),
        lambda chance: with_another_value(coco, chance),
    ),
    'xml': (CVAT.encode, lambda chance: with_another_attribute(CVAT, chance)),
}


def found(path):
    """Returns the mask, or None for what is refused; every refusal is a sentence with the file."""
    try:
        source = str(path)
        if path.suffix == '.xml' or path.name.endswith('coco.json'):
            source = next(iter(drawn.in_annotations(source, INFO).values()))
        size = drawn.size(source, INFO, str(path))
        mask = drawn.read(source, INFO, str(path), 'Folder')
    except ValueError as error:
        sentence = str(error)
        assert sentence and '\n' not in sentence, sentence
        assert str(path) in sentence or sentence.startswith('Annotation '), sentence
        return None
    assert mask.shape == size
    return mask


@pytest.mark.parametrize('kind', KINDS)
def test_whatever_a_mask_holds(kind, tmp_path):
    pytest.importorskip('pycocotools')
    make, other = KINDS[kind]
    path = tmp_path / f'whole.{kind}'
    path.write_bytes(make())
    whole = found(path)
    assert whole.shape == SIZE and {1, 2} <= set(np.unique(whole)) <= {0, 1, 2, 255}
    read = refused = 0
    for number in range(TRIES):
        chance = random.Random(f'{kind} {number}')
        damaged = other(chance) if other and number % 2 else mutations.mutated(make(), chance)
        path = tmp_path / f'{number}.{kind}'
        path.write_bytes(damaged)
        mask = found(path)
        read, refused = read + (mask is not None), refused + (mask is None)
        if mask is not None:
            assert mask.dtype == np.int32 and mask.ndim == 2
    assert read and refused
