"""Predicts the images of a folder: masks with a palette, and overlays."""

import dataclasses
import errno
import os
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wss.datasets.files import decoding, finding, whole
from wss.datasets.info import DatasetInfo
from wss.inference import marks, memory
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
    """

    predicted: int
    unreadable: int = 0
    too_large: int = 0
    unwritten: int = 0

    @property
    def failed(self) -> int:
        """Number of images that were not predicted."""
        return self.unreadable + self.too_large + self.unwritten

    def __str__(self):
        reasons = {
            'could not be read': self.unreadable,
            'would not fit into the memory': self.too_large,
            'could not be written': self.unwritten,
        }
        return '; '.join(f'{count} {reason}' for reason, count in reasons.items() if count)


def predict_folder(
    images: str | os.PathLike,
    out: str | os.PathLike,
    predict_image: Callable[[np.ndarray], np.ndarray],
    info: DatasetInfo,
    report: Callable[[str], None] = print,
    network_bytes: Callable[[tuple[int, int]], float] = lambda size: 0,
    largest_scale: float = 1.0,
) -> Predicted:
    """Writes `NAME.png` (class indices with a palette) and `NAME_overlay.jpg` for every image.

    Every file is written whole or not at all. An image that cannot be predicted is reported, and
    the others are predicted. Called again, it predicts again and replaces what it has written, and
    what it has left if it was killed; it replaces no other file.

    Images are turned upright by their EXIF orientation, and so are masks and overlays: they fit the
    images as viewers show them.

    Args:
        images: Folder of images, or one image; subfolders are included, and kept in `out`.
        out: Folder of this machine to write to; made if it does not exist.
        predict_image: From uint8 `[H, W, 3]` to a label map int32 `[H, W]`.
        info: The classes and their colours.
        report: Prints a line about an image that is not predicted, or not wholly.
        network_bytes: From the height and width of an image to the bytes of memory that
            `predict_image` needs.
        largest_scale: Factor by which `predict_image` scales an image up.

    Raises:
        FileNotFoundError: If there is no such folder or no image in it.
        ValueError: If `out` is the folder of the images or is inside it, two images would write
            the same file, or a file is there that is not a prediction.
        OSError: If `out` cannot be written, or the disk is full.
    """
    images, out = os.fspath(images), os.fspath(out)
    places, unreadable = _places(images, out, report)
    _prepare(out, places.values())
    counts = {'predicted': 0, 'unreadable': unreadable, 'too_large': 0, 'unwritten': 0}
    for source, target in places.items():
        outcome, sentence = _predict(
            source, target, predict_image, info, network_bytes, largest_scale
        )
        counts[outcome] += 1
        if sentence:
            report(finding.shown(sentence))
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
    number, reason = getattr(error, 'errno', None), _reason(error)
    if number in _ENDS_ALL or re.search('No space left|Disk quota exceeded', reason):
        raise OSError(
            f'{_ENDS_ALL.get(number, "The disk is full")}: {what[0].lower()}{what[1:]} cannot be '
            'written. Make room; the same command predicts again.'
        ) from error
    return f'{what} cannot be written: {reason}.'


def _reason(error):
    """Returns what the system says of an error of a file."""
    reason = getattr(error, 'strerror', None) or getattr(error, 'message', None) or str(error)
    return reason.rsplit('; ', 1)[-1].rstrip('.')  # TensorFlow gives the path before it.


def _places(images, out, report):
    """Returns for every image its target without ending, and how many cannot be read here."""
    if os.path.isfile(images):
        found, folder = finding.Found((os.path.basename(images),), {}, {}), os.path.dirname(images)
    else:
        found, folder = _found(images, report), images
        if _is_inside(out, images):
            raise ValueError(
                f'The predictions would be written among the images ({out} is {images} or is '
                'inside it); give another --out.'
            )
    if '://' in out:
        raise ValueError(f'{out} is not a folder of this machine; give another --out.')
    if os.path.lexists(out) and not os.path.isdir(out):
        raise ValueError(f'{out} is a file; give a folder for the predictions.')
    places = {
        os.path.join(folder, inside): os.path.join(out, os.path.splitext(inside)[0])
        for inside in found.files
        if inside not in found.copies
    }
    _refuse_overwriting(places)
    return places, sum(found.left_out.values()) + len(found.closed)


def _found(images, report):
    """Finds the images of a folder, and reports those that are not predicted."""
    try:
        found = finding.find(images)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'The folder of images {error}.') from error
    except NotADirectoryError as error:
        raise ValueError(f'{finding.shown(images)} is not a folder or an image.') from error
    sentences = list(found.closed)
    if found.left_out:
        sentences.append(finding.left_out_sentence(found.left_out, images))
    if not found.files:
        endings = ', '.join(decoding.ENDINGS)
        none = f'{images} holds no image (no file whose name ends in {endings}).'
        raise FileNotFoundError(finding.shown(' '.join([none, *sentences])))
    if found.copies:
        copy, original = next(iter(found.copies.items()))
        sentences.append(
            f'{len(found.copies)} images are links to others and are predicted once, such as '
            f'{finding.shown(copy)}, which is {finding.shown(original)}.'
        )
    for sentence in sentences:
        report(sentence)
    return found


def _is_inside(path, folder):
    path, folder = (os.path.join(os.path.realpath(each), '') for each in (path, folder))
    return path.startswith(folder)


def _refuse_overwriting(places):
    """Refuses to write a file twice, or over one that is not a prediction."""
    by_target = {}
    for source, target in places.items():
        if target in by_target:
            raise ValueError(
                f'{finding.shown(by_target[target])} and {finding.shown(source)} would both give '
                f'{finding.shown(target)}.png; rename one.'
            )
        by_target[target] = source
    sources = {os.path.realpath(source) for source in places}
    for target in by_target:
        for path, what in ((f'{target}.png', 'mask'), (f'{target}_overlay.jpg', 'overlay')):
            shown = finding.shown(path)
            if os.path.realpath(path) in sources:
                raise ValueError(f'A {what} would be written over {shown}; give another --out.')
            if not marks.can_be_replaced(path):
                raise ValueError(
                    f'{shown} exists and is not a prediction as this program wrote it; give '
                    'another --out, or move the file.'
                )


def _prepare(out, targets):
    """Makes the folder of the predictions, and deletes what a process that was killed has left."""
    try:
        os.makedirs(out, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        shown = finding.shown(out)
        raise OSError(f'The folder {shown} cannot be written: {_reason(error)}.') from error
    outputs = {f'{target}{end}' for target in targets for end in ('.png', '_overlay.jpg')}
    for folder in {os.path.dirname(path) for path in outputs}:
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            part = re.fullmatch(r'(.+)\.(\d+)\.part', name, re.DOTALL)
            if part and os.path.join(folder, part[1]) in outputs and not _runs(int(part[2])):
                os.remove(os.path.join(folder, name))


def _runs(process):
    """Whether a process of this number runs on this machine, or may do so."""
    if os.name != 'posix':  # There the call below would end it.
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True
