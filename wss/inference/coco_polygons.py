"""Predicted regions as polygons in a COCO JSON file (Lin et al., 2014).

Each connected region of a class is one annotation. Polygons run along the borders of the pixels, so
that pycocotools gives back exactly the pixels of the mask. A polygon has no holes: a region with
holes is cut through them into polygons that lie side by side.
"""

import json
import os
from collections.abc import Iterator, Mapping

import numpy as np
from scipy import ndimage

from wss.datasets.files import decoding
from wss.inference import marks
from wss.inference.progress import Progress

_DIAGONAL_TOO = np.ones([3, 3], int)
# Steps along borders with the region at the right hand: east, south, west, north, as (x, y).
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def write(path: str, targets: Mapping[str, str], info) -> None:
    """Writes one file for the masks of several images.

    The classes are the categories, with their indices as ids. Class 0 has no annotations where it
    is the background. The `file_name` of an image is its path in its folder.

    Args:
        path: The file, in the folder of the predictions.
        targets: By the path of an image that of its mask, without `.png`. An image without a mask
            is left out.
        info: The `DatasetInfo`.

    Raises:
        tf.errors.OpError: If it cannot be written.
    """
    first = int(info.has_background)
    content = {
        'info': {'description': 'Predicted regions', 'contributor': marks.COMMENT.decode()},
        'images': [],
        'annotations': [],
        'categories': [
            {'id': index, 'name': name, 'supercategory': ''}
            for index, name in enumerate(info.class_names)
            if index >= first
        ],
    }
    masks = {i: f'{t}.png' for i, t in targets.items() if marks.is_whole(f'{t}.png')}
    progress = Progress('outlined', len(masks))
    for number, (image, mask) in enumerate(masks.items(), start=1):
        labels = decoding.decode_mask(mask)
        height, width = labels.shape
        name = os.path.relpath(mask, os.path.dirname(path))
        name = os.path.splitext(name)[0] + os.path.splitext(image)[1]
        content['images'].append(
            {'id': number, 'file_name': name, 'width': width, 'height': height}
        )
        labels[labels >= info.num_classes] = -1  # Ignored: `wss.label` writes such masks.
        for region in regions(labels, first):
            id_ = len(content['annotations']) + 1
            content['annotations'].append({'id': id_, 'image_id': number, 'iscrowd': 0, **region})
        progress.show(number)
    progress.clear()
    marks.write_noted(path, json.dumps(content))


def regions(labels: np.ndarray, first: int = 0) -> Iterator[dict]:
    """Yields the regions of a label map: pixels of a class that are connected by their sides.

    Args:
        labels: Integers `[H, W]`.
        first: The first class that has regions.

    Yields:
        `category_id`, `area` in pixels, `bbox` as `[x, y, width, height]` and `segmentation`, a
        list of polygons `[x0, y0, x1, y1, ...]`, as ints: corners of pixels.

    Example:
        >>> import numpy as np
        >>> from wss.inference import coco_polygons
        >>> next(coco_polygons.regions(np.array([[0, 2, 2], [0, 2, 2]]), first=1))['segmentation']
        [[1, 0, 3, 0, 3, 2, 1, 2]]
    """
    for category in np.unique(labels[labels >= first]):
        numbered, _ = ndimage.label(labels == category)
        for index, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
            region = numbered[rows, columns] == index
            top, left = rows.start, columns.start
            yield {
                'category_id': int(category),
                'area': int(region.sum()),
                'bbox': [left, top, region.shape[1], region.shape[0]],
                'segmentation': [
                    [int(side) for corner in polygon for side in corner]
                    for polygon in _polygons(region, left, top)
                ],
            }


def _polygons(region, left, top):
    """Yields polygons, lists of corners `(x, y)`, that together cover a connected region."""
    holes = _columns_of_holes(region)
    if not holes:
        yield [(x + left, y + top) for x, y in _outline(region)]
        return
    cut = holes[len(holes) // 2]
    for start, part in ((0, region[:, :cut]), (cut, region[:, cut:])):
        numbered, _ = ndimage.label(part)
        for index, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
            piece = numbered[rows, columns] == index
            yield from _polygons(piece, left + start + columns.start, top + rows.start)


def _columns_of_holes(region):
    """Returns for each hole a column that it has and that is not the first, in their order."""
    outside, count = ndimage.label(~np.pad(region, 1), structure=_DIAGONAL_TOO)
    if count == 1:
        return []
    # With the border of one pixel: the second column of a hole, or the one behind it.
    found = ndimage.find_objects(outside)
    ring = outside[0, 0] - 1
    return sorted(columns.start for n, (_, columns) in enumerate(found) if n != ring)


def _outline(region):
    """Returns the corners along the border of a region without holes, clockwise as it is seen."""
    padded = np.pad(region, 1)
    inside = padded[1:-1, 1:-1]
    # Where the border runs: above, at the right of, below and at the left of a pixel.
    sides = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    starts = ((0, 0), (1, 0), (1, 1), (0, 1))  # Of each, from the pixel's own corner, as (x, y).
    directions = {}  # By the corner that a piece of the border begins at.
    for direction, (beyond, (right, down)) in enumerate(zip(sides, starts, strict=True)):
        for y, x in np.argwhere(inside & ~beyond).tolist():
            directions.setdefault((x + right, y + down), []).append(direction)
    corners, heading = [], None
    x, y = min(directions, key=lambda corner: corner[::-1])
    while directions[x, y]:  # The first corner has one direction, and is met again at the end.
        before, heading = heading, _next(directions[x, y], heading)
        if heading != before:
            corners.append((x, y))
        x, y = x + _STEPS[heading][0], y + _STEPS[heading][1]
    return corners


def _next(choices, heading):
    """Takes the direction that stays at the same pixel where two touch at a corner alone."""
    if len(choices) == 1:
        return choices.pop()
    turned = (heading + 1) % 4
    choices.remove(turned)
    return turned
