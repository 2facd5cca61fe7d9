"""Masks that are no pictures: arrays of NumPy, and outlines of labelme, COCO and CVAT."""

import functools
import io
import math
import os
import re

import numpy as np

from wss.datasets.files import coco_json, coco_masks, cvat_xml, decoding, whole
from wss.datasets.files.decoding import BrokenFileError
from wss.datasets.files.reasons import list_some
from wss.datasets.info import DatasetInfo

_ENDINGS = ('.npy', '.json')
ANNOTATIONS = ('.json', '.xml')  # Endings of files that have the masks of all images.
# An image of such a file: `annotations.json#photo.jpg`.
_IN_FILE = re.compile(r'(.+?\.(?:json|xml))#(.+)', re.IGNORECASE | re.DOTALL)
_BACKGROUND, _IGNORED = '_background_', '__ignore__'  # Labels that labelme's own tools know.
_ADVICE = 'write it again'


def is_drawn(source) -> bool:
    """Whether a mask is a path that this module reads."""
    if not isinstance(source, str):
        return False
    return source.lower().endswith(_ENDINGS) or bool(_IN_FILE.fullmatch(source))


def in_annotations(path: str, info: DatasetInfo) -> dict[str, str]:
    """Returns the masks of an annotation file of COCO or CVAT by the names of its images.

    Args:
        path: The file; its categories or labels are found by the names of the classes.
        info: The classes.

    Returns:
        Sources for `read`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or a category is no class.
    """
    return {name: f'{path}#{name}' for name in _annotated(path, _stamp(path), info)}


def labels_of(source: str, name: str) -> set[str]:
    """Returns the labels of a file of labelme or CVAT, and the categories of one of COCO.

    Args:
        source: The file.
        name: Its name in messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none of these.
    """
    if source.lower().endswith('.xml'):
        return cvat_xml.labels_of(source) - {_BACKGROUND, _IGNORED}
    content = whole.load_json(source, _ADVICE)
    categories = content.get('categories') if isinstance(content, dict) else None
    if isinstance(categories, list):
        found = [item.get('name') if isinstance(item, dict) else None for item in categories]
    else:
        *_, shapes = _labelme(source, name)
        found = [shape.get('label') if isinstance(shape, dict) else None for shape in shapes]
    return {str(label) for label in found} - {_BACKGROUND, _IGNORED}


def size(source: str, info: DatasetInfo, name: str) -> tuple[int, int]:
    """Returns height and width of a mask; see `read`."""
    if _IN_FILE.fullmatch(source):
        image = _image(source, info)
        return image.height, image.width
    if source.lower().endswith('.npy'):
        return _array(source, name).shape
    return _labelme(source, name)[:2]


def read(source: str, info: DatasetInfo, name: str, owner: str) -> np.ndarray:
    """Reads a mask.

    Args:
        source: A `.npy` file of integers `[H, W]`, class indices or the ignore value; a `.json`
            file of labelme; or an image of an annotation file (`in_annotations`). Labels and
            categories are names of classes. Where no region is, is the background; without one, it
            is ignored. Later regions of labelme and CVAT lie over earlier ones, smaller ones of
            COCO over larger ones; crowds, and regions that are labelled `__ignore__`, are ignored.
        info: The classes.
        name: Name of the mask in messages.
        owner: Class of the dataset, whose settings messages name.

    Returns:
        int32 `[H, W]`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or holds anything else.
    """
    if source.lower().endswith('.npy'):
        return _array(source, name).astype(np.int32)
    if _IN_FILE.fullmatch(source):
        image = _image(source, info)
        height, width, regions = image.height, image.width, image.regions
    else:
        height, width, shapes = _labelme(source, name)
        regions = _regions(shapes, info, name, owner)
    if height * width > coco_masks.MOST_PIXELS:
        raise ValueError(f'{name} is too large: {width}x{height} pixels (width x height).')
    outside = 0 if info.has_background else info.ignore_value
    painted = coco_masks.paint(regions, height, width, outside, info.ignore_value)
    return painted.astype(np.int32)


def _array(source, name):
    with decoding.open_source(source) as opened:
        file = io.BytesIO(opened.read())
    try:
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): np.lib.format.read_array_header_1_0}
        reader = readers.get(version, np.lib.format.read_array_header_2_0)
        shape, _, kind = reader(file)
        if math.prod(shape) * kind.itemsize > len(file.getbuffer()):  # Before it takes the memory.
            raise ValueError('cut off')
        file.seek(0)
        found = np.load(file, allow_pickle=False)
    except Exception as error:  # A header is read as Python, with whatever its parser raises.
        raise BrokenFileError(f'{name} is damaged, or no array of NumPy.') from error
    if found.ndim != 2 or not found.size:
        raise ValueError(f'{name} has the shape {found.shape}; a mask is [height, width].')
    if not (np.issubdtype(found.dtype, np.integer) or found.dtype == bool):
        raise ValueError(f'{name} has values of type {found.dtype}; class indices are integers.')
    return found


def _labelme(source, name):
    """Returns height, width and the shapes of a file of labelme."""
    content = whole.load_json(source, _ADVICE)
    keys = ('imageHeight', 'imageWidth', 'shapes')
    height, width, shapes = (
        content.get(key) if isinstance(content, dict) else None for key in keys
    )
    sides = all(type(side) is int and 0 < side < 2**16 for side in (height, width))  # Not True.
    if not sides or not isinstance(shapes, list):
        raise ValueError(f'{name} is no file of labelme: it lacks {", ".join(keys)}.')
    return height, width, shapes


def _regions(shapes, info, name, owner):
    """Returns the regions of the shapes of labelme, so that later ones lie over earlier ones."""
    known = _values(info)
    found, unknown = [], {}
    for number, shape in enumerate(shapes):
        label = shape.get('label') if isinstance(shape, dict) else None
        if not isinstance(label, str) or label not in known:
            unknown[str(label)] = None
            continue
        try:
            outline = coco_masks.compact([_polygon(shape)])
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ValueError(
                f'{name}: the shape {number} ({label}) is no polygon, rectangle or circle.'
            ) from error
        found.append((known[label], outline))
    if unknown:
        raise ValueError(
            f'{name} has the labels {list_some(unknown)}, which are not in {owner}.class_names. '
            f'Add them there, or rename them; {_IGNORED} stands for pixels that do not count.'
        )
    return coco_masks.layered(found)


def _values(info):
    """Returns the value of the pixels of each label."""
    outside = 0 if info.has_background else info.ignore_value
    names = {label: index for index, label in enumerate(info.class_names)}
    return {_IGNORED: info.ignore_value, _BACKGROUND: outside, **names}


def _polygon(shape):
    """Returns the corners of a shape as `[x0, y0, x1, y1, ...]`."""
    kind, points = shape.get('shape_type') or 'polygon', shape['points']
    if kind == 'rectangle':
        (left, top), (right, bottom) = points
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif kind == 'circle':
        (x, y), (on_x, on_y) = points
        radius = math.hypot(on_x - x, on_y - y)
        points = coco_masks.ellipse(x, y, radius, radius).tolist()
    elif kind != 'polygon':
        raise ValueError(kind)
    if len(points) < 3:
        raise ValueError('too few points')
    return [side for x, y in points for side in (x, y)]


def _image(source, info):
    path, name = _IN_FILE.fullmatch(source).groups()
    return _annotated(path, _stamp(path), info)[name]


def _stamp(path):
    """Returns what changes with a local file, so that it is read again."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


@functools.lru_cache(maxsize=4)
def _annotated(path, stamp, info):
    """Reads an annotation file once; its images by their names."""
    del stamp
    if path.lower().endswith('.xml'):
        return {image.file_name: image for image in cvat_xml.read_images(path, _values(info))}
    names = info.class_names
    images = coco_json.read_instances(path, ('', *names[1:]) if info.has_background else names)
    return {image.file_name: image for image in images}
