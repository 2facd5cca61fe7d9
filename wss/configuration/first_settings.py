"""The configuration to start from, by what a survey of the folders has seen."""

import dataclasses
import os

import numpy as np
import tensorflow as tf

from wss.datasets.files import depth, whole
from wss.datasets.files.reasons import reason
from wss.datasets.lists import report as lists
from wss.datasets.survey import looking
from wss.datasets.survey.looking import Survey

_VALIDATION = 0.2  # Share of the masks.
_MOST_VALIDATION = 200
_FEWEST_MASKS = 5  # With fewer none is left for validation.
_LONG_SIDE = 640
_MUCH_LARGER = 960  # Photos of a longer side are scaled down.
_CROPS = (65, 321)
_STRIDE = 16
_BATCHES = (2, 8)
_MANY_CLASSES, _MOST_CLASSES = 50, 200
# A run of PseudoSeg with MobileNetV2 and crops of 161 pixels has about 3,100 above what TensorFlow
# itself takes; it was the largest process of `benchmarks/evidence.py`.
_BYTES_OF_PIXEL = 4500


@dataclasses.dataclass(frozen=True)
class Start:
    """What to start with.

    Attributes:
        settings: Values by name of the setting.
        train: Ids of the images with masks to learn from.
        val: Ids of those to score.
    """

    settings: dict
    train: tuple[str, ...]
    val: tuple[str, ...]

    def gin(self) -> str:
        """Returns the text of a gin file."""
        lines = [
            '# Written by wss.check. Name the classes, and change what you know better. Class 0 is',
            '# the background; Folder.has_background = False makes it a class like the others.',
            "include 'experiments/folder_pseudoseg_mobilenet.gin'",
            '',
            *(f'{name} = {value!r}' for name, value in self.settings.items()),
        ]
        return '\n'.join([*lines, ''])


def choose(
    seen: Survey,
    images: str,
    masks: str | None,
    folder: str,
    free_bytes: float,
    class_names: tuple[str, ...] | None = None,
    seed: int = 0,
) -> Start:
    """Chooses settings for folders of images and masks.

    Validation gets a fifth of the masks, at most 200, and none of fewer than five. Crops have two
    thirds of the longer side of the median image; where that is more than 960 pixels, photos are
    scaled to 640 first. Batches fit into half of the free memory, by what MobileNetV2 needs.

    Args:
        seen: The survey.
        images: Folder of the images, as a setting names it.
        masks: Folder of the masks, or None.
        folder: Folder of the lists `train.txt` and `val.txt`.
        free_bytes: Memory that training can use.
        class_names: Names of the classes; None for `background`, `class_1` and so on.
        seed: Seed of the choice of the validation images.

    Raises:
        ValueError: If there is no mask, there are names for another number of classes, or the
            values of the masks are not those of two classes or more, 200 at most.
    """
    if not seen.masked:
        raise ValueError(
            'No image has a mask that can be read, and training needs some; see --masks.'
        )
    order = np.random.default_rng(seed).permutation(sorted(seen.masked)).tolist()
    held = 0
    if len(order) >= _FEWEST_MASKS:
        held = min(_MOST_VALIDATION, max(1, round(_VALIDATION * len(order))))
    val, train = tuple(sorted(order[:held])), tuple(sorted(order[held:]))
    splits = {'train': os.path.join(folder, 'train.txt')}
    splits |= {'val': os.path.join(folder, 'val.txt')} if val else {}
    settings = {
        'Folder.images': images,
        'Folder.masks': masks,
        'Folder.splits': {**splits, 'all': None},
    }
    if seen.mask_endings is not None:
        settings['Folder.mask_endings'] = seen.mask_endings
    settings |= _of_masks(seen, class_names)
    if not val:
        settings['Validation.split'] = None
    return Start(settings | _of_sizes(seen, free_bytes), train, val)


def _of_masks(seen, class_names):
    """Returns the settings that say what the values of masks mean."""
    totals, kind = seen.totals(), seen.kind()
    if kind == looking.COLOURS:
        # The largest first: that is the background most often.
        colours = tuple(sorted(totals, key=lambda colour: -totals[colour][0]))
        if len(colours) > _MOST_CLASSES:
            raise ValueError(
                f'The masks have {len(colours)} colours together, and a run has at most '
                f'{_MOST_CLASSES} classes. Draw them without smooth edges, in one colour a class.'
            )
        number, values = len(colours), {'Folder.colours': colours, 'Folder.mask_values': kind}
    elif kind == looking.BINARY:
        number, values = 2, {'Folder.mask_values': kind}
    elif seen.class_names is not None:
        number, values = len(seen.class_names), {}
    else:
        number, values = _indices(totals), {}
    if number < 2:
        raise ValueError(
            'The masks show one class only, and two are needed. A mask has a value for each class, '
            'such as 0 for the background and 1 for an object.'
        )
    names = (
        class_names or seen.class_names or ('background', *(f'class_{i}' for i in range(1, number)))
    )
    if len(names) != number:
        raise ValueError(
            f'The masks have {number} classes, but {len(names)} names are given: '
            f'{", ".join(names)}.'
        )
    return {'Folder.class_names': tuple(names), **values}


def _indices(totals):
    """Returns how many classes index masks have; refuses grey values that are no indices."""
    used = [value for value in totals if value != 255]
    number = max(used, default=0) + 1
    if number > _MOST_CLASSES or (number > _MANY_CLASSES and 2 * len(used) < number):
        raise ValueError(
            f'The masks have {len(used)} values up to {number - 1}, which do not look like class '
            'indices. If each is the grey of a class, write the indices 0, 1, 2 and so on. If '
            'there are values between those of the classes, draw the masks without smoothing.'
        )
    return number


def _of_sizes(seen, free_bytes):
    """Returns the settings that follow from the sizes of the images."""
    long_side, settings = float(np.median(seen.sizes().max(axis=1))), {}
    highs = [one.high for one in seen.seen.values() if one.high is not None]
    if highs and all(depth.is_dark(high) for high in highs):
        settings['Folder.bit_depth'] = depth.likely_bits(max(highs))
    if long_side > _MUCH_LARGER:
        settings['Data.long_side'] = _LONG_SIDE
        long_side = _LONG_SIDE
    crop = _STRIDE * int(2 / 3 * long_side // _STRIDE) + 1
    crop = int(np.clip(crop, *_CROPS))
    batch = int(np.clip(free_bytes / 2 // (2 * _BYTES_OF_PIXEL * crop**2), *_BATCHES))
    return settings | {
        'Views.crop_size': (crop, crop),
        'Views.cutout_half_size': crop // 10,
        'Labelled.batch_size': batch,
        'Unlabelled.batch_size': batch,
    }


def write(start: Start, path: str) -> None:
    """Writes the gin file and, beside it, the lists; replaces no other file.

    Args:
        start: What to start with.
        path: The gin file.

    Raises:
        ValueError: If one of the files exists and holds something else.
        OSError: If one cannot be written.
    """
    content, folder = start.gin().encode(), os.path.dirname(path)
    is_there = lists.holds(path, content)
    splits = {'train': start.train, 'val': start.val}
    for name, ids in splits.items():
        if ids:
            lists.write(os.path.join(folder, f'{name}.txt'), ids)
    try:
        if not is_there:
            whole.write(path, content)
    except tf.errors.OpError as error:
        raise OSError(f'{path} cannot be written: {reason(error)}.') from error


def next_steps(start: Start, path: str) -> str:
    """Returns what was written, and the command that follows."""
    return (
        f'Wrote {path}: {len(start.train)} masks to learn from, {len(start.val)} for validation. '
        f'Look at the names of the classes, then:\n'
        f'    python -m wss.train --workdir runs/mine --gin_file {path}'
    )
