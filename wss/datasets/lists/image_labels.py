"""Files of image-level labels: which classes each image shows."""

import csv
import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from wss.datasets.files import reasons
from wss.datasets.info import DatasetInfo
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import lines

FORM = 'A line is an image and the classes that it shows, such as "a.jpg,leaf,stem".'
_SEPARATORS = '\t;,'


def read(path: str | os.PathLike, info: DatasetInfo) -> dict[str, np.ndarray]:
    """Reads which classes images show.

    Args:
        path: Text file, local or `gs://`. A line has an image (its file or id) and the names of the
            classes that it shows, divided by commas, semicolons or tabs; none if it shows only
            background. Several lines of one image add up. Lines that begin with `#` and a heading
            do not count.
        info: Classes of the dataset.

    Returns:
        By image, as the file names it: float32 `[num_image_classes]` of 0 and 1.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not text, or names a class that the dataset has not.
    """
    numbers = {name: i for i, name in enumerate(info.class_names)}
    found = {}
    for line in id_lists.read_lines(path, 'Folder.image_labels: file'):
        if line.startswith('#'):
            continue
        try:
            image, *names = _fields(line)
        except csv.Error as error:
            raise ValueError(
                f'Folder.image_labels: the line {reasons.short(line)!r} of {path} cannot be read. '
                f'{FORM}'
            ) from error
        if not found and lines.is_heading(image):
            continue
        unknown = [name for name in names if name not in numbers]
        if unknown:
            raise ValueError(
                f'Folder.image_labels: the line {reasons.short(line)!r} of {path} names '
                f'{reasons.short(unknown[0])!r}, which is no class; classes: '
                f'{reasons.list_some(info.class_names)}. {FORM}'
            )
        shown = found.setdefault(image, np.zeros(info.num_classes, np.float32))
        shown[[numbers[name] for name in names]] = 1
    return {image: shown[int(info.has_background) :] for image, shown in found.items()}


def of_examples(
    ids: Sequence[str],
    given: Mapping[str, np.ndarray],
    of_masks: Mapping[str, np.ndarray],
    path: str,
) -> np.ndarray:
    """Returns the image-level labels of examples, float32 `[n, num_image_classes]`.

    Args:
        ids: Ids of the examples.
        given: Labels by id. An image that is not among them has those of its mask.
        of_masks: bool `[num_image_classes]` by id, the classes that masks show.
        path: The file of the labels, for messages.

    Raises:
        ValueError: If an image has neither.
    """
    lost = [name for name in ids if name not in given and name not in of_masks]
    if lost:
        raise ValueError(
            f'Folder.image_labels: {len(lost)} images have no line in {path} and no mask that was '
            f'read, the first: {reasons.list_some(lost)}. Add lines, or leave the images out of '
            f'the split. {FORM}'
        )
    both = [name for name in ids if name in given and name in of_masks]
    less = [name for name in both if (of_masks[name] > given[name]).any()]
    if less:
        warnings.warn(
            f'Folder.image_labels: the masks of {len(less)} images show classes that their lines '
            f'in {path} lack, the first: {reasons.list_some(less)}. The lines count.',
            stacklevel=3,
        )
    by_id = {**of_masks, **given}
    return np.stack([by_id[name] for name in ids]).astype(np.float32)


def _fields(line):
    separator = next((one for one in _SEPARATORS if one in line), ',')
    (row,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
    image, *names = map(str.strip, row)
    return [image, *filter(None, names)]
