"""Predicts the images of a folder: masks with a palette, and overlays."""

import dataclasses
import errno
import os
import re
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.files import decoding, finding, whole
from wss.datasets.info import DatasetInfo
from wss.inference import marks, memory, places
from wss.inference.progress import Progress
from wss.results import pictures

# Errors that the next image would meet, too.
_ENDS_ALL = {errno.ENOSPC: 'The disk is full', errno.EDQUOT: 'The quota of the disk is used up'}


@dataclasses.dataclass(frozen=True)
class Predicted:
    """How many images were predicted, and how many were not, by reason.

    Attributes:
        predicted: Images with a mask and an overlay.
        unreadable: Images that are damaged, or of a kind that cannot be read here.
        too_large: Images that would need more memory than there is.
        unwritten: Images whose mask or overlay could not be written.
        skipped: Images whose mask and overlay were there already.
    """

    predicted: int
    unreadable: int = 0
    too_large: int = 0
    unwritten: int = 0
    skipped: int = 0

    @property
    def failed(self) -> int:
        """Number of images that were not predicted."""
        return self.unreadable + self.too_large + self.unwritten

    def __str__(self):
        reasons = {
            'could not be read': self.unreadable,
            'would not fit into the memory': self.too_large,
            'could not be written': self.unwritten,
            'had their predictions': self.skipped,
        }
        return '; '.join(f'{count} {reason}' for reason, count in reasons.items() if count)


def predict_folder(
    images: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    predict_image: Callable[[np.ndarray], np.ndarray],
    info: DatasetInfo,
    report: Callable[[str], None] = print,
    network_bytes: Callable[[tuple[int, int]], float] = lambda size: 0,
    largest_scale: float = 1.0,
    skip_existing: bool = False,
) -> Predicted:
    """Writes `NAME.png` (class indices with a palette) and `NAME_overlay.jpg` for every image.

    Every file is written whole or not at all. An image that cannot be predicted is reported, and
    the others are predicted. Called again, it predicts again and replaces what it has written, and
    what it has left if it was killed; it replaces no other file. The progress is printed.

    Images are turned upright by their EXIF orientation, and so are masks and overlays: they fit the
    images as viewers show them.

    Args:
        images: Folder of images, or one image; subfolders are included, and kept in `out`. Also
            several, patterns, and lists; see `places.find`.
        out: Folder of this machine to write to; made if it does not exist.
        predict_image: From uint8 `[H, W, 3]` to a label map int32 `[H, W]`.
        info: The classes and their colours.
        report: Prints a line about an image that is not predicted, or not wholly.
        network_bytes: From the height and width of an image to the bytes of memory that
            `predict_image` needs.
        largest_scale: Factor by which `predict_image` scales an image up.
        skip_existing: Whether an image is skipped whose mask and overlay are there already.

    Raises:
        FileNotFoundError: If there is no such folder or no image in it.
        ValueError: If `out` is the folder of the images or is inside it, two images would write
            the same file, or a file is there that is not a prediction.
        OSError: If `out` cannot be written, or the disk is full.
    """
    inputs = [images] if isinstance(images, str | os.PathLike) else images
    out = whole.expanded(out)
    targets, unreadable = places.find([whole.expanded(one) for one in inputs], out, report)
    places.prepare(out, targets.values())
    waiting = {s: t for s, t in targets.items() if not (skip_existing and marks.are_whole(t))}
    counts = dict.fromkeys(('predicted', 'too_large', 'unwritten'), 0)
    counts |= {'unreadable': unreadable, 'skipped': len(targets) - len(waiting)}
    shown = Progress('predicted', len(waiting))
    for number, (source, target) in enumerate(waiting.items(), start=1):
        outcome, sentence = _predict(
            source, target, predict_image, info, network_bytes, largest_scale
        )
        counts[outcome] += 1
        if sentence:
            shown.clear()
            report(finding.shown(sentence))
        shown.show(number)
    shown.clear()
    return Predicted(**counts)


def _predict(source, target, predict_image, info, network_bytes, largest_scale):
    """Predicts one image; returns the name of the count that it belongs to, and a sentence."""
    name = finding.shown(source)
    try:
        size = decoding.image_size(source, name)
        memory.check(size, _file_bytes(source), network_bytes, name, largest_scale)
        image = decoding.decode_image(source, name, bit_depth=info.bit_depth)
    except (memory.TooLargeError, MemoryError) as error:
        return 'too_large', str(error) or _memory_sentence(name)
    except (ValueError, OSError) as error:
        return 'unreadable', str(error)
    try:
        labels = predict_image(image)
        shown = pictures.overlay(image, labels, info)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        return 'too_large', _memory_sentence(name)
    failed, scaled = [], None
    for what, write in (('mask', _write_mask), ('overlay', _write_overlay)):
        try:
            scaled = write(target, labels, shown, info)
        except (OSError, tf.errors.OpError) as error:
            failed.append(_write_sentence(error, f'The {what} of {name}'))
        except MemoryError:
            return 'too_large', _memory_sentence(name)
    if failed:
        return 'unwritten', ' '.join(failed)
    note = f'The overlay of {name} is scaled to {scaled}: a JPEG file has no longer sides.'
    return 'predicted', note if scaled else None


def _write_mask(target, labels, shown, info):
    del shown
    content = pictures.encode_mask(labels, info.colours, info.ignore_value)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    whole.write(f'{target}.png', marks.mark_png(content))


def _write_overlay(target, labels, shown, info):
    """Writes an overlay; returns its size as text if that is not the size of the image."""
    del labels, info
    content, size = pictures.encode_jpeg(shown, marks.COMMENT)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    whole.write(f'{target}_overlay.jpg', content)
    return None if size == shown.shape[1::-1] else f'{size[0]}x{size[1]} pixels (width x height)'


def _file_bytes(source):
    return tf.io.gfile.stat(source).length if '://' in source else os.path.getsize(source)


def _memory_sentence(name):
    return f'{name} is too large for the memory; predict it in windows, or scale it down.'


def _write_sentence(error, what):
    """Returns a sentence for an error of writing; raises it if it would meet all images."""
    number, reason = getattr(error, 'errno', None), places.reason(error)
    if number in _ENDS_ALL or re.search('No space left|Disk quota exceeded', reason):
        raise OSError(
            f'{_ENDS_ALL.get(number, "The disk is full")}: {what[0].lower()}{what[1:]} cannot be '
            'written. Make room; the same command predicts again.'
        ) from error
    return f'{what} cannot be written: {reason}.'
