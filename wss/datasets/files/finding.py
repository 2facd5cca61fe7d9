"""Finds the images or masks of a folder, and tells which ways to write a name are the same."""

import collections
import dataclasses
import os
import unicodedata

import tensorflow as tf
from PIL import Image, features

from wss.datasets.files import decoding

# Pillow cannot read these, or finds no more in them than a small preview.
_OTHER_IMAGES = (
    *('.heic', '.heif', '.hif', '.jxl', '.psd', '.exr', '.hdr', '.tga', '.svg'),
    *('.arw', '.cr2', '.cr3', '.dng', '.nef', '.orf', '.raf', '.rw2'),
)
# Read where Pillow can: by what the file holds, not by the name alone.
_BY_CONTENT = ('.heic', '.heif', '.hif')


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder and its subfolders hold.

    Attributes:
        files: Paths in the folder, with `/`, sorted. Links are followed; a link to a folder that
            holds it is not.
        copies: Of `files` those that are links to others of them, or stand in a linked folder
            that is in the folder itself: from each to the one that it is a copy of.
        left_out: How many images have an ending that cannot be read here, by ending.
        closed: Sentences about subfolders that cannot be read.
    """

    files: tuple[str, ...]
    copies: dict[str, str]
    left_out: dict[str, int]
    closed: tuple[str, ...] = ()


def find(folder: str | os.PathLike, endings=decoding.ENDINGS) -> Found:
    """Finds the files of a folder and its subfolders by the endings of their names.

    Hidden files and folders are ignored, such as those that macOS writes beside the real ones.

    Args:
        folder: Local or `gs://`.
        endings: Endings, in any case.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file.
    """
    folder = os.fspath(folder)
    local = '://' not in folder
    if not (os.path.isdir(folder) if local else tf.io.gfile.isdir(folder)):
        if os.path.exists(folder) if local else tf.io.gfile.exists(folder):
            raise NotADirectoryError(f'{shown(folder)} is a file, not a folder')
        raise FileNotFoundError(f'{shown(folder)} does not exist')
    closed = []
    pairs = _walk(folder, closed) if local else _far(folder)
    real, left_out = {}, collections.Counter()
    for inside, place in pairs:
        other = other_image(os.path.join(folder, inside))
        if other and (_fits(inside, endings) or tuple(endings) == decoding.ENDINGS):
            left_out[other] += 1
        elif _fits(inside, endings):
            real[inside] = place
    root = os.path.realpath(folder) if local else folder
    # The file itself before links to it.
    order = sorted(real, key=lambda inside: (real[inside] != os.path.join(root, inside), inside))
    originals, copies = {}, {}
    for inside in order:
        original = originals.setdefault(real[inside], inside)
        if original != inside:
            copies[inside] = original
    return Found(tuple(sorted(real)), copies, dict(sorted(left_out.items())), tuple(closed))


def other_image(path: str) -> str:
    """Returns the ending of an image that cannot be read here; '' for any other file."""
    ending = os.path.splitext(path)[1].lower()
    if ending in _OTHER_IMAGES:
        return '' if ending in _BY_CONTENT and _pillow_knows(path) else ending
    needed = {'.avif': 'avif', '.jp2': 'jpg_2000', '.j2k': 'jpg_2000', '.webp': 'webp'}.get(ending)
    return ending if needed and not features.check(needed) else ''


def left_out_sentence(left_out: dict[str, int], folder: str | os.PathLike) -> str:
    """Returns a sentence about the images that cannot be read here."""
    counts = ', '.join(f'{count} {ending}' for ending, count in left_out.items())
    advice = 'Save them as JPEG or PNG'
    if set(left_out) & set(_BY_CONTENT):
        advice += ', or install pillow-heif for .heic'
    return f'Images of {shown(folder)} that cannot be read here are left out: {counts}. {advice}.'


def same_name(name: str) -> str:
    """Returns the form in which all ways to write the name of a file, or an id, are equal.

    Accents can be written in two ways that look alike: as one letter, or as a letter and an accent,
    as macOS does. Windows separates folders by a backslash.

    Example:
        >>> from wss.datasets.files.finding import same_name
        >>> same_name('.\\\\trip\\\\Cafe\u0301') == same_name('trip/Caf\u00e9')
        True
    """
    name = unicodedata.normalize('NFC', name).replace('\\', '/')
    return name.removeprefix('./')


def identifier(name: str) -> str:
    """Returns the id of a file from its path in the folder, without its ending.

    Accents are composed, and bytes that are not UTF-8 are written as Python writes them.
    """
    return shown(unicodedata.normalize('NFC', name))


def shown(path: str | os.PathLike) -> str:
    """Returns a path as text that can be printed; it can hold bytes that are not UTF-8."""
    return os.fspath(path).encode('utf-8', 'backslashreplace').decode()


def _walk(folder, closed):
    """Yields `(path in the folder, real path)` of every file of a local folder.

    Args:
        folder: The folder.
        closed: List to which sentences about what cannot be read are added.
    """
    # Paths of subfolders, each with the real paths of the folders on the way.
    waiting = [('', (os.path.realpath(folder),))]
    while waiting:
        inside, parents = waiting.pop()
        path = os.path.join(folder, inside)
        try:
            with os.scandir(path) as scanned:
                entries = [entry for entry in scanned if not _is_hidden(entry.name)]
        except OSError as error:
            closed.append(f'The folder {shown(path)} cannot be read: {error.strerror}.')
            continue
        for entry in entries:
            below = f'{inside}/{entry.name}' if inside else entry.name
            place = os.path.join(parents[-1], entry.name)
            # Only links cost further questions to the disk. Broken ones are named when read.
            if entry.is_symlink():
                place = os.path.realpath(place)
                is_folder = os.path.isdir(place)
                is_file = os.path.isfile(place) or not os.path.exists(place)
            else:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            if is_folder and not any(_holds(place, parent) for parent in parents):
                waiting.append((below, (*parents, place)))
            if is_file:  # No pipe, no device.
                yield below, place


def _is_hidden(name):
    return name.startswith(('.', '__MACOSX'))


def _holds(folder, other):
    """Whether a folder is another one, or holds it."""
    return os.path.join(other, '').startswith(os.path.join(folder, ''))


def _far(folder):
    """Yields what `_walk` yields, for a folder of another file system, which has no links."""
    for parent, _, names in tf.io.gfile.walk(folder):
        inside = parent[len(folder) :].strip('/')
        if not any(map(_is_hidden, inside.split('/'))):
            for name in names:
                if not _is_hidden(name):
                    below = f'{inside}/{name}' if inside else name
                    yield below, os.path.join(folder, below)


def _fits(path, endings):
    """Whether a path has one of the endings, and a name before it."""
    name = os.path.basename(path).lower()
    return any(name.endswith(ending.lower()) and len(name) > len(ending) for ending in endings)


def _pillow_knows(path):
    try:
        with Image.open(path):
            return True
    except Exception:  # Plugins raise errors of many types.
        return False
