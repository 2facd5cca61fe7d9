"""Reads "CVAT for images 1.1": one XML file with the regions of all images."""

import collections
import logging
import os
import re
from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np
import tensorflow as tf

from wss.datasets.files import coco_masks, whole
from wss.datasets.files.coco_json import AnnotatedImage
from wss.datasets.files.reasons import list_some

_LOGGER = logging.getLogger(__name__)


def read_images(path: str | os.PathLike, labels: Mapping[str, int]) -> list[AnnotatedImage]:
    """Reads an annotation file.

    Polygons, boxes, ellipses and masks are regions; those of a higher `z_order` lie over others,
    and later ones over earlier ones. Other shapes cover no area and are left out with a warning.

    Args:
        path: `annotations.xml`, local or `gs://`.
        labels: Values of the pixels of each label.

    Returns:
        Every image, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, another kind of file, or has other labels.
    """
    root, path = _root(path), os.fspath(path)
    images, unknown, left_out = {}, {}, collections.Counter()
    for item in root.iter('image'):
        name = item.get('name')
        try:
            height, width = (int(item.get(side)) for side in ('height', 'width'))
        except (TypeError, ValueError):
            height = width = 0
        if not name or min(height, width) < 1:
            raise ValueError(f'{path} has an image without name, height or width: {item.attrib}.')
        if height * width > coco_masks.MOST_PIXELS:
            raise ValueError(f'{path}: the image {name} is too large: {width}x{height} pixels.')
        if name in images:
            raise ValueError(f'{path} has two images of the name {name}.')
        shapes = []
        for shape in item:
            if shape.tag not in _OUTLINES:
                left_out[shape.tag] += 1
            elif shape.get('label') not in labels:
                unknown[str(shape.get('label'))] = None
            else:
                shapes.append(shape)
        regions = _regions(shapes, labels, height, width, f'{path}, image {name}')
        images[name] = AnnotatedImage(name, height, width, regions)
    if unknown:
        raise ValueError(
            f'{path} has the labels {list_some(unknown)}, which are no names of classes; the '
            f'classes are {list_some(labels)}.'
        )
    if not images:
        raise ValueError(f'{path} names no image; is it the annotations.xml of CVAT for images?')
    if left_out:
        shown = ', '.join(f'{count} {kind}' for kind, count in left_out.items())
        _LOGGER.warning('%s: shapes that cover no area are left out: %s.', path, shown)
    return list(images.values())


def labels_of(path: str | os.PathLike) -> set[str]:
    """Returns the labels of the regions of a file; raises as `read_images` does."""
    shapes = (shape for image in _root(path).iter('image') for shape in image)
    return {str(shape.get('label')) for shape in shapes if shape.tag in _OUTLINES}


def _root(path):
    path = os.fspath(path)
    try:
        text = whole.read(path).decode('utf-8-sig')
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f'File {path} does not exist.') from error
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is damaged: it is not text in UTF-8. Export it again.') from error
    if re.search('<!(DOCTYPE|ENTITY)', text):  # Its entities could take all memory.
        raise ValueError(f'{path} has a document type; CVAT writes none. Export it again.')
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f'{path} is damaged: it is not XML ({error}). Export it again.') from error
    if root.tag != 'annotations' or root.find('track') is not None:
        raise ValueError(
            f'{path} is not a file of "CVAT for images"; export the task in this format, or in '
            'that of COCO.'
        )
    return root


def _regions(shapes, labels, height, width, what):
    """Returns regions that `coco_masks.paint` paints in the order of the list."""
    found = []
    for number, shape in enumerate(shapes):
        try:
            level = int(shape.get('z_order') or 0)
            outline = _OUTLINES[shape.tag](shape, height, width)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f'{what}: the {shape.tag} {number} ({shape.get("label")}) is damaged.'
            ) from error
        found.append((level, labels[shape.get('label')], outline))
    found.sort(key=lambda region: region[0])  # Stable: later ones stay above earlier ones.
    return coco_masks.layered([region[1:] for region in found])


def _numbers(shape, *names):
    values = np.array([float(shape.get(name)) for name in names])
    if not np.isfinite(values).all():
        raise ValueError(values)
    return values


def _polygon(shape, height, width):
    del height, width
    points = [point.split(',') for point in shape.get('points', '').split(';')]
    if len(points) < 3 or any(len(point) != 2 for point in points):
        raise ValueError(points)
    return coco_masks.compact([[float(side) for point in points for side in point]])


def _box(shape, height, width):
    del height, width
    left, top, right, bottom = _numbers(shape, 'xtl', 'ytl', 'xbr', 'ybr')
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return _turned(shape, corners)


def _ellipse(shape, height, width):
    del height, width
    return _turned(shape, coco_masks.ellipse(*_numbers(shape, 'cx', 'cy', 'rx', 'ry')))


def _turned(shape, corners):
    """Turns corners `[n, 2]` clockwise around their centre, by the degrees of `rotation`."""
    (degrees,) = _numbers(shape, 'rotation') if shape.get('rotation') else (0.0,)
    angle = np.deg2rad(degrees)
    centre = corners.mean(axis=0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return coco_masks.compact([((corners - centre) @ turn + centre).ravel().tolist()])


def _mask(shape, height, width):
    """Returns the runs of a whole image from those of a box, which go along its rows."""
    left, top, box_width, box_height = (
        int(shape.get(name)) for name in ('left', 'top', 'width', 'height')
    )
    runs = np.array([int(run) for run in shape.get('rle', '').split(',')], np.int64)
    inside = left >= 0 and top >= 0 and left + box_width <= width and top + box_height <= height
    if not inside or min(box_width, box_height) < 1 or (runs < 0).any():
        raise ValueError('outside of the image')
    if runs.sum() != box_width * box_height or runs.max() > box_width * box_height:
        raise ValueError('runs that do not fill the box')
    covered = np.zeros((height, width), bool)
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(box_height, box_width)
    covered[top : top + box_height, left : left + box_width] = values
    down = covered.T.ravel()
    starts = np.flatnonzero(np.diff(down)) + 1
    counts = np.diff(np.concatenate([[0], starts, [down.size]]))
    if down[0]:  # The first run is one outside.
        counts = np.concatenate([[0], counts])
    return {'size': (height, width), 'counts': counts}


_OUTLINES = {'polygon': _polygon, 'box': _box, 'ellipse': _ellipse, 'mask': _mask}
