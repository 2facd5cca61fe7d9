"""Checks of images and masks, before training begins."""

import concurrent.futures
import dataclasses
import itertools
import logging
import time
import warnings

import numpy as np

from wss.datasets.files import decoding, meaning, orientation
from wss.datasets.files.meaning import Meaning
from wss.datasets.info import DatasetInfo
from wss.settings import ranges

_LOGGER = logging.getLogger(__name__)
_NAMED = 5  # Problems of one split that are named; the others are counted.
_THREADS = 2
_PIECE = 32  # Items handed to the threads at a time.
_PROGRESS_SECONDS = 15.0
_LABELS = ('required', 'available', 'none')


def check_modes(owner: str, check: str, skip_broken: bool) -> None:
    """Refuses an unknown mode of checking (ValueError); `owner` is the class that has it."""
    ranges.choice(f'{owner}.check', check, ('full', 'headers'))
    ranges.switch(f'{owner}.skip_broken', skip_broken)


def check_request(name: str, split: str, splits, labels: str) -> None:
    """Refuses an unknown split or an unknown value of `labels` (ValueError)."""
    if split not in splits:
        raise ValueError(f'Dataset {name!r} has no split {split!r}; it has {", ".join(splits)}.')
    check_labels(labels)


def check_labels(labels: str) -> None:
    """Refuses an unknown value of `labels` (ValueError)."""
    if labels not in _LABELS:
        raise ValueError(f'labels must be one of {", ".join(_LABELS)}, not {labels!r}.')


def check_size(image_size, mask_size, image_name: str, mask_name: str) -> None:
    """Refuses a mask that differs in size (height, width) from its image (ValueError)."""
    if tuple(image_size) != tuple(mask_size):
        raise ValueError(
            f'{mask_name} is {mask_size[1]}x{mask_size[0]} pixels (width x height), but its image '
            f'{image_name} is {image_size[1]}x{image_size[0]}.'
        )


def check_values(mask: np.ndarray, info: DatasetInfo, name: str) -> None:
    """Refuses a mask `[H, W]` with values that are neither a class nor ignored (ValueError)."""
    outside = ((mask < 0) | (mask >= info.num_classes)) & (mask != info.ignore_value)
    strange = np.unique(mask[outside])
    if strange.size:
        values = ', '.join(map(str, strange[:_NAMED])) + (', ...' if strange.size > _NAMED else '')
        raise ValueError(
            f'{name} has pixels of value {values}; the classes are 0 to {info.num_classes - 1} and '
            f'{info.ignore_value} is ignored.'
        )


def decode_pair(
    image, mask, info: DatasetInfo, image_name: str, mask_name: str, rules: Meaning | None = None
):
    """Decodes an image and its mask and checks that they fit each other and the classes.

    Args:
        image: Path or bytes.
        mask: Path or bytes; None without a mask.
        info: Classes of the dataset.
        image_name: Name of the image in messages.
        mask_name: Name of the mask in messages.
        rules: How files are read where they leave it open.

    Returns:
        Image uint8 `[H, W, 3]`, and mask int32 `[H, W]` (all ignored without a mask).

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file is damaged or refused, or the two do not fit.
    """
    pixels, label, _, _ = _decoded(image, mask, info, image_name, mask_name, rules or Meaning())
    return pixels, label


def _decoded(image, mask, info, image_name, mask_name, rules):
    """Returns what `decode_pair` returns, and both files as they are stored."""
    stored = decoding.read_image(image, image_name, info.bit_depth)
    if mask is None:
        pixels = stored.upright if rules.upright else stored.pixels
        return pixels, np.full(pixels.shape[:2], info.ignore_value, np.int32), stored, None
    stored_mask = rules.read_mask(mask, info, mask_name)
    turns = rules.turns(stored.orientation, stored_mask.orientation, image_name, mask_name)
    pixels, label = (
        orientation.turned(file.pixels, turn)
        for file, turn in zip((stored, stored_mask), turns, strict=True)
    )
    check_size(pixels.shape[:2], label.shape, image_name, mask_name)
    check_values(label, info, mask_name)
    return pixels, label, stored, stored_mask


@dataclasses.dataclass(frozen=True)
class Checked:
    """What the check of an image and its mask found.

    Attributes:
        size: Height and width in pixels.
        classes: bool `[num_classes]`, the classes that the mask shows (no class without a mask);
            None if it was not decoded.
        colours: The indices of a palette mask in use, each with its colour; None for other masks.
        high: The `depth.high_value` of an image of 16 bits whose bit depth is not known, else None.
        pixels: int `[num_classes]`, how many pixels of each class the mask has; None if it was not
            decoded.
    """

    size: tuple[int, int]
    classes: np.ndarray | None
    colours: tuple | None = None
    high: int | None = None
    pixels: np.ndarray | None = None


def check_pair(image, mask, info, image_name, mask_name, rules=None, full=True) -> Checked:
    """Checks as `decode_pair` does, but reads headers alone unless `full`."""
    rules = rules or Meaning()
    if not full:
        return _check_headers(image, mask, info, image_name, mask_name, rules)
    _, label, stored, stored_mask = _decoded(image, mask, info, image_name, mask_name, rules)
    colours = None if stored_mask is None else meaning.used_colours(stored_mask)
    pixels = class_pixels(label, info)
    return Checked(label.shape, pixels > 0, colours, stored.high, pixels)


def _check_headers(image, mask, info, image_name, mask_name, rules):
    head = decoding.read_header(image, image_name)
    if head.is_deep and info.bit_depth is None:
        raise ValueError(
            f'{image_name} has 16 bits, and the check of headers does not tell how many hold data. '
            f"Set {rules.owner}.bit_depth, or {rules.owner}.check = 'full'."
        )
    if mask is None:
        turn = head.orientation if rules.upright else 1
        return Checked(orientation.turned_size(head.size, turn), None)
    mask_head = rules.read_mask_header(mask, info, mask_name)
    turns = rules.turns(head.orientation, mask_head.orientation, image_name, mask_name)
    size = orientation.turned_size(head.size, turns[0])
    check_size(size, orientation.turned_size(mask_head.size, turns[1]), image_name, mask_name)
    # Which indices are in use is not known: those of the classes count.
    colours = mask_head.palette and tuple(enumerate(mask_head.palette[: info.num_classes]))
    return Checked(size, None, colours)


def classes_of(label: np.ndarray, info: DatasetInfo) -> np.ndarray:
    """Returns bool `[num_classes]`: the classes that a checked label map `[H, W]` shows.

    In the views, `image_label.classes_present` does this inside of `tf.data`.
    """
    return class_pixels(label, info) > 0


def class_pixels(label: np.ndarray, info: DatasetInfo) -> np.ndarray:
    """Returns int `[num_classes]`: how many pixels of each class a label map `[H, W]` has."""
    return np.bincount(label.ravel(), minlength=info.num_classes)[: info.num_classes]


def mask_classes(checked) -> np.ndarray | None:
    """Returns the `mask_classes` of `Examples` from what each check found."""
    return _stacked([found.classes for found in checked])


def all_class_pixels(checked) -> np.ndarray | None:
    """Returns the `class_pixels` of `Examples` from what each check found."""
    return _stacked([found.pixels for found in checked])


def _stacked(rows):
    return None if any(row is None for row in rows) else np.stack(rows)


def check_all(check, items, what: str, total: int | None = None) -> list:
    """Calls `check` on every item, in two threads, and logs progress if that takes long.

    Args:
        check: From an item to a result; may raise ValueError or FileNotFoundError.
        items: Iterable of items.
        what: Name of the items in the log.
        total: Number of items, if known.

    Returns:
        For each item its result, or the error raised.
    """

    def attempt(item):
        try:
            return check(item)
        except (ValueError, FileNotFoundError) as error:
            return error

    items, results, reported = iter(items), [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        # In pieces, because items may hold the content of whole files.
        while piece := list(itertools.islice(items, _PIECE)):
            results.extend(pool.map(attempt, piece))
            if time.monotonic() - reported > _PROGRESS_SECONDS:
                reported = time.monotonic()
                of_total = f' of {total}' if total else ''
                _LOGGER.info('Checking %s: %d%s done.', what, len(results), of_total)
    return results


def keep_good(
    results, what: str, skip_broken: bool, missing=(), owner: str = 'Folder'
) -> list[int]:
    """Returns the good results of `check_all`, or raises one error for all problems.

    Args:
        results: Results and errors.
        what: Dataset and split, for messages.
        skip_broken: Whether to leave damaged files out, with a warning, or to refuse them.
        missing: Sentences about missing files.
        owner: Class of the dataset, which has `skip_broken`.

    Returns:
        Positions of the results that are not errors.

    Raises:
        FileNotFoundError: If files are missing and nothing else is wrong.
        ValueError: If anything else is wrong, or no example is left.
    """
    errors = [result for result in results if isinstance(result, Exception)]
    broken = [error for error in errors if isinstance(error, decoding.BrokenFileError)]
    others = [error for error in errors if not isinstance(error, decoding.BrokenFileError)]
    wrong = others if skip_broken else errors
    sentences = [*missing, *(getattr(error, 'fact', str(error)) for error in wrong[:_NAMED])]
    if len(wrong) > _NAMED:
        sentences.append(f'{len(wrong) - _NAMED} more examples have problems.')
    sentences += dict.fromkeys(error.advice for error in wrong if hasattr(error, 'advice'))
    if broken and not skip_broken:
        sentences.append(f'Damaged files are left out with {owner}.skip_broken = True.')
    if missing or wrong:
        only_missing = all(isinstance(error, FileNotFoundError) for error in wrong)
        error_type = FileNotFoundError if only_missing else ValueError
        raise error_type(f'{what[0].upper()}{what[1:]} cannot be used. {" ".join(sentences)}')
    good = [i for i, result in enumerate(results) if not isinstance(result, Exception)]
    if broken:
        named = ' '.join(map(str, broken[:_NAMED])) + (' ...' if len(broken) > _NAMED else '')
        warnings.warn(
            f'{len(broken)} of {len(results)} examples of {what} are damaged and left out: {named}',
            stacklevel=2,
        )
    if not good:
        raise ValueError(f'No example of {what} is left: all {len(broken)} are damaged.')
    return good
