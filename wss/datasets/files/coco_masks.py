"""Masks of class indices from the instance annotations of COCO (Lin et al., 2014).

An annotation outlines its region in one of three ways: polygons, or runs of pixels down the
columns (RLE), their lengths given as a list or packed into text.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

IGNORED = 255  # Class index of the pixels of crowds.
MOST_PIXELS = 2 * Image.MAX_IMAGE_PIXELS  # Of a mask, as of an image.
_CORNERS_OF_ELLIPSE = 64
# pycocotools is C and does not check these. Larger coordinates overflow its ints.
_FARTHEST = 1e5
# Numbers of packed runs: P to o, and 0 to O at the end. More than six characters overflow its ints.
_PACKED = re.compile('(?:[P-o]{0,5}[0-O])*')


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """One annotation of an image.

    Attributes:
        id: Id of the annotation.
        class_index: 1..80.
        area: In pixels, from the annotation.
        crowd: Whether it covers a group of objects that were not told apart.
        outline: What `compact` returned.
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
        `counts` (int64 `[runs]`, or the text).

    Raises:
        ValueError: If it has neither form. The sentence lacks its subject.
    """
    if isinstance(segmentation, dict):
        size, counts = segmentation.get('size'), segmentation.get('counts')
        if not isinstance(size, list) or not _ints(size) or len(size) != 2:
            raise ValueError(f'has an RLE of the size {size!r} where [height, width] is needed')
        if isinstance(counts, str):
            if not _PACKED.fullmatch(counts):
                raise ValueError('has a compressed RLE that is damaged or cut off')
            return {'size': tuple(size), 'counts': counts}
        if not isinstance(counts, list) or not _ints(counts):
            raise ValueError('has an RLE whose counts are neither lengths in pixels nor text')
        return {'size': tuple(size), 'counts': np.asarray(counts, np.int64)}
    if not isinstance(segmentation, list):
        raise ValueError('has a segmentation that is neither polygons nor an RLE')
    polygons = tuple(_polygon(item) for item in segmentation)
    return tuple(polygon for polygon in polygons if len(polygon) >= 6)


def ellipse(x: float, y: float, across: float, down: float) -> np.ndarray:
    """Returns corners on an ellipse, float64 `[64, 2]` of x and y.

    Args:
        x: Of its centre.
        y: Of its centre.
        across: Half of its width.
        down: Half of its height.
    """
    turns = np.arange(_CORNERS_OF_ELLIPSE) * (2 * np.pi / _CORNERS_OF_ELLIPSE)
    return np.stack([x + across * np.cos(turns), y + down * np.sin(turns)], axis=-1)


def layered(shapes: Sequence[tuple[int, object]]) -> tuple[Region, ...]:
    """Returns regions that `paint` paints one over another, in the order of the list.

    Args:
        shapes: Class index and outline (`compact`) of each.
    """
    return tuple(
        Region(number, value, len(shapes) - number, False, outline)
        for number, (value, outline) in enumerate(shapes)
    )


def paint(
    regions: Iterable[Region],
    height: int,
    width: int,
    outside: int = 0,
    ignored: int = IGNORED,
) -> np.ndarray:
    """Paints the regions of one image, smaller ones over larger ones.

    Crowds come first and are ignored, so that an object in a crowd keeps its class. Objects follow
    by falling `area`, and by rising id for equal areas.

    Args:
        regions: Of one image.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        outside: Value of the pixels of no region: the background.
        ignored: Value of the pixels of crowds.

    Returns:
        uint8 `[height, width]`: class indices, and these two values.

    Raises:
        ValueError: If an RLE does not fit the image.
    """
    mask = np.full((height, width), outside, np.uint8)
    for region in sorted(regions, key=lambda r: (not r.crowd, -r.area, r.id)):
        inside = _inside(region, height, width)
        mask[inside] = ignored if region.crowd else region.class_index
    return mask


def _inside(region, height, width):
    """Returns which pixels a region covers: bool `[height, width]`."""
    outline = region.outline
    if isinstance(outline, dict):
        return _inside_runs(region, height, width)
    if not outline:
        return np.zeros((height, width), bool)
    rle = _pycocotools().frPyObjects(list(outline), height, width)
    return _pycocotools().decode(_pycocotools().merge(rle)).astype(bool)


def _inside_runs(region, height, width):
    size, counts = region.outline['size'], region.outline['counts']
    held = 'another number' if isinstance(counts, str) else counts.sum()
    if size == (height, width):
        if isinstance(counts, str):
            inside = _unpacked(counts, height, width)
        else:
            inside = _repeated(counts, height, width)
        if inside is not None:
            return inside
    raise ValueError(
        f'Annotation {region.id} has an RLE of {size[1]}x{size[0]} pixels (width x height) whose '
        f'runs hold {held}; its image has {width}x{height}, which is {height * width}.'
    )


def _repeated(counts, height, width):
    """Returns the pixels that runs cover, None if they do not fill the image exactly."""
    if counts.sum() != height * width:
        return None
    values = np.arange(len(counts)) % 2 == 1  # Runs outside and inside take turns.
    return np.repeat(values, counts).reshape(width, height).T


def _unpacked(text, height, width):
    """Returns the pixels that packed runs cover, None if they do not fill the image exactly."""

    def decode(*size):
        return _pycocotools().decode({'size': size, 'counts': text})

    try:
        mask = decode(height, width)
    except ValueError:  # Too many pixels.
        return None
    # Too few pixels are not an error for pycocotools: the rest of the mask is uninitialised memory.
    # But only runs that fill the image are too long for one with a pixel less.
    try:
        decode(1, height * width - 1)
    except ValueError:
        return mask.astype(bool)
    return None


def _polygon(points: Sequence[float]) -> np.ndarray:
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None or array.ndim != 1 or len(array) % 2:
        raise ValueError('has a polygon that is not a list of pairs x, y')
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
            'pycocotools paints the regions of COCO, and it is not installed: pip install '
            'pycocotools.'
        ) from error
    return mask
