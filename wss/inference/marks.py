"""Marks the files that prediction writes, so that no other file is ever written over."""

import os
import zlib

from PIL import Image

from wss.datasets.files import whole

COMMENT = b'wss.predict'
_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG_END = b'\xff\xd9'
_PNG_END = b'\0\0\0\0IEND\xaeB\x60\x82'


def mark_png(content: bytes) -> bytes:
    """Adds a text to a PNG file that holds the hash of the rest: a changed file is not marked."""
    text = b'tEXt' + COMMENT + b'\0' + whole.sha256(content).encode()
    chunk = (len(text) - 4).to_bytes(4, 'big') + text + zlib.crc32(text).to_bytes(4, 'big')
    return content.removesuffix(_PNG_END) + chunk + _PNG_END


def is_marked_png(content: bytes) -> bool:
    """Whether a file is what `mark_png` returned."""
    length = len(mark_png(_PNG_END)) - len(_PNG_END)
    rest = content.removesuffix(_PNG_END)[:-length] + _PNG_END
    return content == mark_png(rest)


def mark_npz(content: bytes) -> bytes:
    """Adds the comment to a .npz file, which is a .zip file without one."""
    return content[:-2] + len(COMMENT).to_bytes(2, 'little') + COMMENT


def can_be_replaced(path: str | os.PathLike) -> bool:
    """Whether nothing is lost if a prediction is written to a path.

    That is if there is no file, if it is a prediction, or if it is what a process that was killed
    has left: an empty file, or the beginning of one. A mask, a list or polygons that were changed
    are none. A folder loses nothing either: a file cannot be written over it.

    Args:
        path: A `.png`, `.jpg`, `.npz`, `.json` or `.csv`.
    """
    if not os.path.exists(path) or os.path.isdir(path):
        return True
    if not os.path.isfile(path):
        return False
    try:
        return _KINDS[os.path.splitext(path)[1]](path)
    except OSError:  # What cannot be read is not known.
        return False


def is_whole(path: str | os.PathLike) -> bool:
    """Whether a file is there as prediction wrote it.

    Args:
        path: A `.png`, `.jpg` or `.npz`.
    """
    try:
        content = _content(path)
    except OSError:
        return False
    ending = os.path.splitext(path)[1]
    if ending == '.png':
        return is_marked_png(content)
    if ending == '.npz':
        return content.endswith(COMMENT)
    return COMMENT in content and content.endswith(_JPEG_END)


def _content(path):
    with open(path, 'rb') as file:
        return file.read()


def _is_our_png(path):
    content = _content(path)
    if _PNG.startswith(content[:8]) and _PNG_END not in content:
        return True
    return is_marked_png(content)


def _is_our_jpeg(path):
    try:
        with Image.open(path) as image:
            return image.info.get('comment') == COMMENT
    except Exception:  # Cut off; or not an image, whose beginning is another.
        with open(path, 'rb') as file:
            return b'\xff\xd8\xff'.startswith(file.read(3))


def _is_our_npz(path):
    content = _content(path)
    return not content or content.endswith(COMMENT)


def write_noted(path: str, content: str) -> None:
    """Writes a text file, and its hash into a hidden file beside it: so a changed one is known.

    Raises:
        tf.errors.OpError: If one of them cannot be written.
    """
    known = [whole.sha256(content.encode())]
    if os.path.isfile(path):  # A process may end between the two.
        known.append(whole.sha256(_content(path)))
    whole.write(_note(path), '\n'.join(known) + '\n')
    whole.write(path, content)


def _note(path):
    folder, name = os.path.split(path)
    return os.path.join(folder, f'.{name}.sha256')


def _is_noted(path):
    content = _content(path)
    if not content:
        return True
    try:
        return whole.sha256(content) in _content(_note(path)).decode().split()
    except (OSError, UnicodeDecodeError):
        return False


_KINDS = {
    '.png': _is_our_png,
    '.jpg': _is_our_jpeg,
    '.npz': _is_our_npz,
    '.json': _is_noted,
    '.csv': _is_noted,
}
