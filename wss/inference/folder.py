"""Predicts the images of a folder: masks with a palette, and overlays."""

import dataclasses
import errno
import functools
import os
import re
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.files import decoding, finding, whole
from wss.datasets.info import DatasetInfo
from wss.inference import memory, places
from wss.inference.outputs import Outputs
from wss.inference.progress import Progress

# Errors that the next image would meet, too.
_ENDS_ALL = {errno.ENOSPC: 'The disk is full', errno.EDQUOT: 'The quota of the disk is used up'}
_NEEDED = memory.Needed()
_OUTPUTS = Outputs()


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

    def sentence(self, done: str, out: str) -> str:
        """Returns what was done: `Predicted 3 images into out; 1 could not be read.`"""
        notes = f'; {self}' if str(self) else ''
        return f'{done} {self.predicted} images into {out}{notes}.'

    def __str__(self):
        reasons = {
            'could not be read': self.unreadable,
            'would not fit into the memory': self.too_large,
            'could not be written': self.unwritten,
            'had their predictions': self.skipped,
        }
        return '; '.join(f'{count} {reason}' for reason, count in reasons.items() if count)


def _one(size):
    del size
    return 1


def predict_folder(
    images: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    info: DatasetInfo,
    report: Callable[[str], None] = print,
    needed: memory.Needed = _NEEDED,
    outputs: Outputs = _OUTPUTS,
    at_once: Callable[[tuple[int, int]], int] = _one,
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
        predict: From uint8 `[N, H, W, 3]` to label maps int32 `[N, H, W]` and probabilities float
            `[N, H, W, C]`, or None where `outputs` writes none.
        info: The classes and their colours.
        report: Prints a line about an image that is not predicted, or not wholly.
        needed: The memory that `predict` needs.
        outputs: What else is written, and whether images are skipped that have it.
        at_once: From the height and width of images to how many are predicted together.

    Raises:
        FileNotFoundError: If there is no such folder or no image in it.
        ValueError: If `out` is the folder of the images or is inside it, two images would write
            the same file, or a file is there that is not a prediction.
        OSError: If `out` cannot be written, or the disk is full.
    """
    inputs = [images] if isinstance(images, str | os.PathLike) else images
    out = whole.expanded(out)
    files = functools.partial(outputs.files, info=info)
    targets, unreadable = places.find([whole.expanded(one) for one in inputs], out, report, files)
    summaries = {os.path.join(out, name): write for name, write in outputs.summaries().items()}
    for path in summaries:
        places.refuse_overwriting(path, 'summary')
    written = [path for target in targets.values() for path in files(target).values()]
    places.prepare(out, [*written, *summaries])
    waiting = {
        source: target
        for source, target in targets.items()
        if not (outputs.skip_existing and outputs.are_whole(target, info))
    }
    counts = dict.fromkeys(('predicted', 'too_large', 'unwritten'), 0)
    counts |= {'unreadable': unreadable, 'skipped': len(targets) - len(waiting)}
    progress = Progress('predicted', len(waiting))
    outcomes = _outcomes(waiting, predict, info, needed, outputs, at_once)
    for number, (outcome, sentence) in enumerate(outcomes, start=1):
        counts[outcome] += 1
        if sentence:
            progress.clear()
            report(finding.shown(sentence))
        progress.show(number)
    progress.clear()
    for path, write in summaries.items():
        try:
            write(path, targets, info)
        except (OSError, tf.errors.OpError) as error:
            raise OSError(_write_sentence(error, f'The file {finding.shown(path)}')) from error
    return Predicted(**counts)


def _outcomes(waiting, predict, info, needed, outputs, at_once):
    """Yields for each image the name of the count that it belongs to, and a sentence or None."""
    batch = []
    for source, target in waiting.items():
        name = finding.shown(source)
        try:
            size = decoding.image_size(source, name)
            memory.check(size, _file_bytes(source), needed, name)
            image = decoding.decode_image(source, name, bit_depth=info.bit_depth)
        except (memory.TooLargeError, MemoryError) as error:
            yield 'too_large', str(error) or _memory_sentence(name)
            continue
        except (ValueError, OSError) as error:
            yield 'unreadable', str(error)
            continue
        if batch and batch[0][2].shape != image.shape:
            yield from _of_batch(batch, predict, info, outputs)
            batch = []
        batch.append((name, target, image))
        if len(batch) >= at_once(size):
            yield from _of_batch(batch, predict, info, outputs)
            batch = []
    yield from _of_batch(batch, predict, info, outputs)


def _of_batch(batch, predict, info, outputs):
    """Predicts images of one size and writes what was found; yields as `_outcomes`."""
    if not batch:
        return
    try:
        images = [image for *_, image in batch]
        found = predict(np.stack(images) if len(images) > 1 else images[0][np.newaxis])
    except (MemoryError, tf.errors.ResourceExhaustedError):
        if len(batch) == 1:
            yield 'too_large', _memory_sentence(batch[0][0])
        else:
            for one in batch:
                yield from _of_batch([one], predict, info, outputs)
        return
    for number, (name, target, image) in enumerate(batch):
        labels, probabilities = (part if part is None else part[number] for part in found)
        contents = outputs.contents(image, labels, probabilities, info)
        try:
            yield _write(contents, outputs.files(target, info), name)
        except MemoryError:
            yield 'too_large', _memory_sentence(name)


def _write(contents, paths, name):
    """Writes the files of an image; returns the name of its count, and a sentence or None."""
    failed, notes = [], []
    for what, content, note in contents:
        try:
            os.makedirs(os.path.dirname(paths[what]), exist_ok=True)
            whole.write(paths[what], content)
            if note:
                notes.append(note.format(name))
        except (OSError, tf.errors.OpError) as error:
            failed.append(_write_sentence(error, f'The {what} of {name}'))
    if failed:
        return 'unwritten', ' '.join(failed)
    return 'predicted', ' '.join(notes) or None


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
