"""Masks of class indices from the instance annotations of COCO (Lin et al., 2014).

An annotation outlines its region in one of three ways: polygons, or runs of pixels down the
columns (RLE), their lengths given as a list or packed into text.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

IGNORED = 255  # Class index of the pixels of crowds.
# Far beyond every image; pycocotools computes with ints, which larger coordinates overflow.
_FARTHEST = 1e5


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """One annotation of an image.

    Attributes:
        id: Id of the annotation.
        class_index: 1..80.
        area: In pixels, as the annotation says.
        crowd: Whether it covers a group of objects that were not told apart.
        outline: As `compact` returns it.
    """

    id: int
    class_index: int
    area: float
    crowd: bool
    outline: object


def compact(segmentation) -> tuple[np.ndarray, ...] | dict:
    """Checks the `segmentation` of an annotation and stores it in little memory.

    A polygon of fewer than three points encloses nothing and is left out. (COCO's own tools would
    take one of two points for a box.)

    Args:
        segmentation: A list of polygons `[x0, y0, x1, y1, ...]`, or an RLE `{'size': [height,
            width], 'counts': list or text}`.

    Returns:
        float64 `[2 * points]` of each polygon, perhaps none; or `size` (a tuple of ints) and
        `counts` (int64 `[runs]`).

    Raises:
        ValueError: If it is of neither form. The sentence needs a subject in front.
    """
    if isinstance(segmentation, dict):
        size, counts = segmentation.get('size'), segmentation.get('counts')
        if not isinstance(size, list) or not _ints(size) or len(size) != 2:
            raise ValueError(f'has an RLE of the size {size!r} where [height, width] is needed')
        if isinstance(counts, str):
            counts = unpack_counts(counts)
        if not isinstance(counts, list) or not _ints(counts):
            raise ValueError('has an RLE whose counts are neither lengths in pixels nor text')
        return {'size': tuple(size), 'counts': np.asarray(counts, np.int64)}
    if not isinstance(segmentation, list):
        raise ValueError('has a segmentation that is neither polygons nor an RLE')
    polygons = tuple(_polygon(item) for item in segmentation)
    return tuple(polygon for polygon in polygons if len(polygon) >= 6)


def unpack_counts(text: str) -> list[int]:
    """Reads the lengths of runs from the text of a compressed RLE.

    Each character less 48 holds six bits: five of the number, the lowest first, and one (32) that
    says whether the number goes on. The highest of its bits is the sign. From the fourth number
    on, what is stored is the difference from the number two before.

    Raises:
        ValueError: If the text is none. The sentence needs a subject in front.
    """
    counts, value, shift = [], 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError('has a compressed RLE that is damaged')
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise ValueError('has a compressed RLE that is cut off')
    return counts


def paint(regions: Iterable[Region], height: int, width: int) -> np.ndarray:
    """Paints the regions of one image, smaller ones over larger ones.

    Crowds come first and are ignored, so that an object within a crowd keeps its class. Objects
    follow by falling `area`, those of the same area by rising id. All else is background.

    Args:
        regions: Of one image.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        uint8 `[height, width]`: 0 (background), 1..80, or 255 (ignored).

    Raises:
        ValueError: If an RLE does not fit the image.
    """
    mask = np.zeros((height, width), np.uint8)
    for region in sorted(regions, key=lambda r: (not r.crowd, -r.area, r.id)):
        inside = _inside(region, height, width)
        mask[inside] = IGNORED if region.crowd else region.class_index
    return mask


def _inside(region, height, width):
    """Returns which pixels a region covers: bool `[height, width]`."""
    outline = region.outline
    if isinstance(outline, dict):
        size, counts = outline['size'], outline['counts']
        if size != (height, width) or counts.sum() != height * width:
            raise ValueError(
                f'Annotation {region.id} has an RLE of {size[1]}x{size[0]} pixels (width x height) '
                f'whose runs hold {counts.sum()}; its image has {width}x{height}, which is '
                f'{height * width}.'
            )
        values = np.arange(len(counts)) % 2 == 1  # Runs outside and inside take turns.
        return np.repeat(values, counts).reshape(width, height).T
    if not outline:
        return np.zeros((height, width), bool)
    rle = _pycocotools().frPyObjects(list(outline), height, width)
    return _pycocotools().decode(_pycocotools().merge(rle)).astype(bool)


def _polygon(points: Sequence[float]) -> np.ndarray:
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None or array.ndim != 1 or len(array) % 2:
        raise ValueError('has a polygon that is no list of pairs x, y')
    if not (np.abs(array) <= _FARTHEST).all():  # Catches NaN, too.
        raise ValueError(f'has a polygon with coordinates beyond {_FARTHEST:.0f} pixels')
    return array


def _ints(values):
    return all(isinstance(v, int) and 0 <= v < 2**31 for v in values)


def _pycocotools():
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ValueError(
            'The polygons of COCO are painted by pycocotools, which is not installed: '
            'pip install pycocotools.'
        ) from error
    return mask
