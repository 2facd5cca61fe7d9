"""The EXIF orientation of pictures: how a viewer turns what the file stores."""

import numpy as np
from PIL import Image

_TAG = 0x0112
# EXIF orientation -> the turn that shows the picture upright.
_UPRIGHT = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}
_UNDOES = {6: 8, 8: 6}  # The other turns undo themselves.
_SIDEWAYS = (5, 6, 7, 8)  # These swap height and width.


def read(image: Image.Image) -> int:
    """Returns the EXIF orientation of an image, 1 to 8; 1 if it has none, or a damaged one."""
    try:
        found = image.getexif().get(_TAG, 1)
    except Exception:  # Damaged EXIF data does not affect the pixels.
        return 1
    return found if found in _UPRIGHT else 1


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an array `[H, W, ...]` as an orientation says."""
    turn = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(array)) if turn else array


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns the height and width that an array of this size has when it is turned."""
    return size[::-1] if orientation in _SIDEWAYS else size


def undoing(orientation: int) -> int:
    """Returns the orientation whose turn undoes that of another."""
    return _UNDOES.get(orientation, orientation)
