"""Finds masks among photos by their names, such as `a_mask.png` beside `a.jpg`."""

import re
from collections.abc import Iterable

_WORD = (
    '(?:masks?|labels?|label_?ids|label_?train_?ids|gt|ground_?truth|seg|segm|segmentations?|'
    'segmentationclass|annot|anno|annotations?|matte|alpha)'
)
_SUFFIX = re.compile(rf'(.+?)[ _.\-]+(?:{_WORD}[ _.\-]*)+\d?')
_PREFIX = re.compile(rf'(?:{_WORD}[ _.\-]+)+(.+)')
_FOLDER = re.compile(rf'(?:.*[ _.\-])?{_WORD}(?:[ _.\-].*)?')


def masks_among(ids: Iterable[str]) -> dict[str, str]:
    """Returns the ids that look like masks, each with the id of its photo.

    An id is that of a mask if its name is that of another one and a word such as `mask` or
    `label`, or if it lies in a folder of such a name and another folder has its photo.

    Args:
        ids: Paths of files in a folder, without ending.
    """
    ids = list(ids)
    photos = {}  # Name in lower case -> the ids that lie in no folder of masks.
    for name in ids:
        *folders, stem = name.lower().split('/')
        if not any(_FOLDER.fullmatch(folder) for folder in folders):
            photos.setdefault(stem, []).append(name)
    found = {}
    for name in ids:
        *folders, stem = name.lower().split('/')
        in_masks = any(_FOLDER.fullmatch(folder) for folder in folders)
        plain = [match[1] for kind in (_SUFFIX, _PREFIX) if (match := kind.fullmatch(stem))]
        for base in [*([stem] if in_masks else []), *plain]:
            for photo in photos.get(base, ()):
                # Beside each other, or in a folder of its own.
                if in_masks or photo.lower().split('/')[:-1] == folders:
                    found.setdefault(name, photo)
    return found
