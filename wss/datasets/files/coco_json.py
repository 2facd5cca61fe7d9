"""Reads annotation files of COCO, or in its format: images, and the regions in each."""

import collections
import dataclasses
import json
import logging
import os
from collections.abc import Sequence

import tensorflow as tf

from wss.datasets import classes
from wss.datasets.files import coco_masks, reasons

_LOGGER = logging.getLogger(__name__)
# Keys of an annotation, and their types.
_KEYS = {'id': int, 'category_id': int, 'area': (int, float), 'iscrowd': int}


@dataclasses.dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image of an annotation file: its file name, its size in pixels, and its regions."""

    file_name: str
    height: int
    width: int
    regions: Sequence[coco_masks.Region]


@dataclasses.dataclass(frozen=True, slots=True)
class _Annotation:
    image_id: int
    category_id: int
    id: int
    area: float
    crowd: bool
    outline: object


def read_instances(path, class_names: Sequence[str] | None = None) -> list[AnnotatedImage]:
    """Reads an annotation file of objects.

    The whole file is in memory while it is parsed (1.5 GB at most for the 470 MB of train2017),
    later its outlines alone. Nothing is painted yet.

    Args:
        path: `instances_*.json`, local or `gs://`.
        class_names: Names of the classes, by which categories are found; some may have no category.
            None for those of COCO's objects, which must all be there.

    Returns:
        Every image, also those without annotations, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, cut off, inconsistent, or another kind of annotation file.
    """
    path = os.fspath(path)
    content = _parsed(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ('images', 'annotations', 'categories')
    ):
        raise ValueError(_wrong_kind(path, 'lists of images, annotations and categories'))
    annotations = content['annotations']
    if not all(isinstance(item, _Annotation) for item in annotations):
        raise ValueError(_wrong_kind(path, 'image_id in each annotation'))
    index = _class_index(content['categories'], path, class_names)
    regions = collections.defaultdict(list)
    for item in annotations:
        if item.category_id not in index:
            raise ValueError(
                f'{path}: annotation {item.id} is of category {item.category_id}, which is not '
                'among the categories of the file.'
            )
        regions[item.image_id].append(
            coco_masks.Region(item.id, index[item.category_id], item.area, item.crowd, item.outline)
        )
    images = _images(content['images'], regions, path)
    if not images:
        raise ValueError(f'{path} names no image; is it instances_*.json of COCO?')
    if regions:
        raise ValueError(
            f'{path}: annotation {next(iter(regions.values()))[0].id} is of image '
            f'{next(iter(regions))}, which is not among the images of the file.'
        )
    empty = sum(isinstance(a.outline, tuple) and not a.outline for a in annotations)
    if empty:
        _LOGGER.warning(
            '%s: %d of %d annotations outline nothing (no polygon of three points or more); they '
            'give image-level labels only.', path, empty, len(annotations)
        )  # fmt: skip
    return images


def _parsed(path):
    def hook(item):
        return _annotation(item, path) if 'image_id' in item else item

    try:
        with tf.io.gfile.GFile(path, 'r') as file:
            return json.loads(file.read(), object_hook=hook)
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f'File {path} does not exist.') from error
    except (ValueError, RecursionError) as error:
        if str(error).startswith(path):  # Of the hook.
            raise
        raise ValueError(
            f'{path} is damaged or cut off: it is not JSON ({error}). Unpack or download it again.'
        ) from error


def _annotation(item, path):
    """Replaces one annotation by a small object as soon as it is parsed."""
    if 'segmentation' not in item:
        raise ValueError(_wrong_kind(path, 'segmentation in each annotation'))
    for key, kind in {'image_id': int, **_KEYS}.items():
        value = item.get(key)
        if not isinstance(value, kind) or value != value:  # NaN is a float, but has no order.
            raise ValueError(
                f'{path}: annotation {item.get("id")} has the {key} {value!r}, where a '
                'number is needed.'
            )
    try:
        outline = coco_masks.compact(item['segmentation'])
    except ValueError as error:
        raise ValueError(f'{path}: annotation {item["id"]} {error}.') from error
    return _Annotation(
        item['image_id'],
        item['category_id'],
        item['id'],
        item['area'],
        bool(item['iscrowd']),
        outline,
    )


def _class_index(categories, path, class_names):
    """Returns the class index of each category id, by the names of the categories."""
    names = class_names or ('', *classes.COCO.class_names[1:])  # The background is no category.
    index = {}
    for item in categories:
        number, name = (item.get('id'), item.get('name')) if isinstance(item, dict) else (0, item)
        if not _is_int(number):
            raise ValueError(
                f'{path}: the category {name!r} has the id {number!r}, where a number is needed.'
            )
        if not name or name not in names:
            known = f'the classes are {reasons.list_some(names)}'
            if class_names is None:
                known = (
                    f"the 80 categories of COCO's objects are known: {names[1]}, {names[2]}, ..., "
                    f'{names[-1]}'
                )
            raise ValueError(f'{path} has an unknown category {name!r} (id {number}); {known}.')
        index[number] = names.index(name)
    if len(index) != len(categories):
        raise ValueError(f'{path} has a category twice; is it instances_*.json of COCO?')
    missing = [name for name in names[1:] if name not in map(names.__getitem__, index.values())]
    if missing and class_names is None:
        raise ValueError(
            f'{path} lacks {len(missing)} of the 80 categories ({reasons.list_some(missing)}); is '
            'it instances_*.json of COCO?'
        )
    return index


def _images(items, regions, path):
    """Gives each image its regions, and removes them from `regions`."""
    images, seen = [], set()
    for item in items:
        item = item if isinstance(item, dict) else {}
        number, name = item.get('id'), item.get('file_name')
        size = item.get('height'), item.get('width')
        if not (
            _is_int(number)
            and isinstance(name, str)
            and name
            and all(_is_int(side) and side > 0 for side in size)
        ):
            raise ValueError(f'{path} has an image without id, file_name, height or width: {item}.')
        if number in seen or name in seen:
            raise ValueError(f'{path} has two images of the id {number} or the name {name}.')
        seen.update((number, name))
        images.append(AnnotatedImage(name, *size, tuple(regions.pop(number, ()))))
    return images


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong_kind(path, lacking):
    return (
        f'{path} is not an annotation file of objects: it has no {lacking}. The file instances_*.'
        'json is needed, not captions, keypoints or panoptic annotations.'
    )
