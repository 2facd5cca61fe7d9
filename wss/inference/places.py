"""Where the predictions of a folder of images go."""

import errno
import glob
import os
import re
from collections.abc import Callable, Collection, Iterable

from wss.datasets.files import decoding, finding, whole
from wss.inference import marks

Files = Callable[[str], dict[str, str]]


def reason(error: Exception) -> str:
    """Returns what the system says of an error of a file."""
    text = getattr(error, 'strerror', None) or getattr(error, 'message', None) or str(error)
    return text.rsplit('; ', 1)[-1].rstrip('.')  # TensorFlow gives the path before it.


def find(
    inputs: Iterable[str], out: str, report: Callable[[str], None], files: Files
) -> tuple[dict[str, str], int]:
    """Returns for every image its target without ending, and how many cannot be read here.

    Args:
        inputs: Folders of images, images, patterns such as `trip/*.jpg`, and `.txt` files with one
            of these on each line. The images of a folder keep their subfolders; others have none.
        out: Folder of the predictions.
        report: Takes a sentence about images that are left out.
        files: From a target to the files that are written for it, by what they are.

    Raises:
        FileNotFoundError: If there is no such folder or no image in it.
        ValueError: If `out` cannot be the place for the predictions.
    """
    inputs = list(_expanded(inputs))
    names, left_out = _named(inputs, report)
    for images in inputs:
        if not os.path.isfile(images):
            _check_outside(out, images)
    targets = {
        path: os.path.join(out, os.path.splitext(inside)[0]) for path, inside in names.items()
    }
    if '://' in out:
        raise ValueError(f'{out} is not a folder of this machine; give another --out.')
    if os.path.lexists(out) and not os.path.isdir(out):
        raise ValueError(f'{out} is a file; give a folder for the predictions.')
    _refuse_overwriting(targets, files)
    return targets, left_out


def images(inputs: Iterable[str], report: Callable[[str], None]) -> list[str]:
    """Returns the paths of images; see `find`."""
    return list(_named(_expanded(inputs), report)[0])


def _named(inputs, report):
    """Returns for every image its name in its folder, and how many cannot be read here."""
    names, left_out = {}, 0
    for one in inputs:
        if os.path.isfile(one):
            folder, name = os.path.split(one)
            found = finding.Found((name,), {}, {})
        else:
            found, folder = _found(one, report), one
        left_out += sum(found.left_out.values()) + len(found.closed)
        for inside in found.files:
            if inside not in found.copies:
                names[os.path.join(folder, inside)] = inside
    return names, left_out


def _expanded(inputs):
    """Yields folders and images: those of patterns and lists, and the others as they are."""
    for one in inputs:
        if one.lower().endswith('.txt') and os.path.isfile(one):
            yield from _expanded(_listed(one))
        elif glob.has_magic(one) and not os.path.lexists(one) and '://' not in one:
            found = sorted(glob.glob(one, recursive=True))
            if not found:
                raise FileNotFoundError(f'No file fits the pattern {finding.shown(one)}.')
            yield from found
        else:
            yield one


def _listed(path):
    try:
        lines = whole.read(path).decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'{finding.shown(path)} is not a list of images in UTF-8.') from error
    found = [whole.expanded(line.strip()) for line in lines if line.strip()]
    if not found:
        raise ValueError(f'{finding.shown(path)} lists no image.')
    for line in found:
        if line.lower().endswith('.txt'):
            raise ValueError(
                f'{finding.shown(path)} lists {finding.shown(line)}; a list holds images and '
                'folders, no lists.'
            )
    return found


def _check_outside(out, images):
    if _is_inside(out, images):
        raise ValueError(
            f'The predictions would be written among the images ({out} is {images} or is inside '
            'it); give another --out.'
        )


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


def _refuse_overwriting(targets, files):
    """Refuses to write a file twice, or over one that is not a prediction."""
    by_path = {}
    for source, target in targets.items():
        for path in files(target).values():
            if path in by_path:
                raise ValueError(
                    f'{finding.shown(by_path[path])} and {finding.shown(source)} would both give '
                    f'{finding.shown(path)}; rename one.'
                )
            by_path[path] = source
    sources = {os.path.realpath(source) for source in targets}
    for target in targets.values():
        for what, path in files(target).items():
            refuse_overwriting(path, what, sources)


def refuse_overwriting(path: str, what: str, sources: Collection[str] = ()) -> None:
    """Refuses to write over a file that is not a prediction.

    Args:
        path: Where it would be written.
        what: What it would be, for messages.
        sources: Paths of the images, without links.

    Raises:
        ValueError: If there is an image, or a file that is not a prediction.
    """
    if os.path.realpath(path) in sources:
        raise ValueError(
            f'A file ({what}) would be written over {finding.shown(path)}; give another --out.'
        )
    if not marks.can_be_replaced(path):
        raise ValueError(
            f'{finding.shown(path)} exists and is not a prediction as this program wrote it; give '
            'another --out, or move the file.'
        )


def prepare(out: str, outputs: Collection[str]) -> None:
    """Makes the folder of the predictions, and deletes what a process that was killed has left.

    Args:
        out: The folder.
        outputs: Every file that will be written.

    Raises:
        OSError: If the folder cannot be written.
    """
    try:
        os.makedirs(out, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        shown = finding.shown(out)
        raise OSError(f'The folder {shown} cannot be written: {reason(error)}.') from error
    outputs = set(outputs)
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
