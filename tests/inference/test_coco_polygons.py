"""Polygons of predicted regions, by hand and read back by pycocotools."""

import dataclasses
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from wss.inference import coco_polygons, marks
from wss.results import pictures


def found(rows, first=0):
    return list(coco_polygons.regions(np.array([[int(c) for c in row] for row in rows]), first))


def test_a_region_by_hand():
    """An L of five pixels: x to the right, y down, clockwise from the top left corner."""
    (region,) = found(['0100', '0100', '0111'], first=1)
    assert region == {
        'category_id': 1,
        'area': 5,
        'bbox': [1, 0, 3, 3],
        'segmentation': [[1, 0, 2, 0, 2, 2, 4, 2, 4, 3, 1, 3]],
    }


def test_pixels_that_touch_at_a_corner_are_two_regions():
    regions = found(['10', '01'], first=1)
    assert [region['segmentation'] for region in regions] == [
        [[0, 0, 1, 0, 1, 1, 0, 1]],
        [[1, 1, 2, 1, 2, 2, 1, 2]],
    ]


def test_a_border_that_meets_itself_at_a_corner():
    """A ring with a gap of no width: one pixel inside is outside through the corner."""
    (region,) = found(['0110', '1010', '1110'], first=1)
    corners = [1, 0, 3, 0, 3, 3, 0, 3, 0, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1]
    assert region['segmentation'] == [corners] and region['area'] == 7


def test_a_region_with_a_hole_is_cut_through_it():
    (region,) = found(['111', '101', '111'], first=1)
    left = [0, 0, 2, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2, 3, 0, 3]
    assert region['segmentation'] == [left, [2, 0, 3, 0, 3, 3, 2, 3]] and region['area'] == 8


def test_the_background_is_a_region_where_it_is_a_class():
    assert [region['category_id'] for region in found(['01'])] == [0, 1]
    assert not found(['00'], first=1)


@pytest.mark.parametrize('has_background', [True, False])
def test_pycocotools_reads_the_masks_back(tmp_path, tiny, has_background):
    """Noise has holes in holes and borders that meet themselves; so have smooth shapes."""
    info = dataclasses.replace(tiny.make_info(), has_background=has_background)
    random = np.random.default_rng(3)
    noise = (random.random([41, 57]) < 0.7).astype(int) + (random.random([41, 57]) < 0.3)
    y, x = np.mgrid[:60, :50]
    rings = (np.hypot(y - 30, x - 25) / 4).astype(int) % 3
    names, targets = ('noise.jpg', 'deep/rings.png'), {}
    (tmp_path / 'deep').mkdir()
    for name, labels in zip(names, (noise, rings), strict=True):
        target = tmp_path / name.split('.')[0]
        mask = marks.mark_png(pictures.encode_mask(labels, info.colours))
        target.with_suffix('.png').write_bytes(mask)
        targets[f'elsewhere/{name}'] = str(target)
    targets['missing.png'] = str(tmp_path / 'missing')
    path = tmp_path / 'annotations.json'
    coco_polygons.write(str(path), targets, info)
    coco = COCO(str(path))
    assert [image['file_name'] for image in coco.loadImgs([1, 2])] == list(names)
    assert len(coco.getCatIds()) == 3 - has_background
    for number, labels in ((1, noise), (2, rings)):
        read, times = np.zeros_like(labels), np.zeros_like(labels)
        for one in coco.loadAnns(coco.getAnnIds(imgIds=number)):
            mask = coco.annToMask(one)
            assert mask.sum() == one['area']
            rows, columns = np.nonzero(mask)
            left, top, width, height = one['bbox']
            assert (rows.min(), columns.min()) == (top, left)
            assert (rows.max() + 1, columns.max() + 1) == (top + height, left + width)
            read += one['category_id'] * mask
            times += mask
        np.testing.assert_array_equal(read, labels)
        np.testing.assert_array_equal(times, 1 if not has_background else labels > 0)
    assert json.loads(path.read_text())['info']['contributor'] == marks.COMMENT.decode()
    assert marks.can_be_replaced(path)
