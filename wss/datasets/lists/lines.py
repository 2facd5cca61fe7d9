"""Lines of id lists as other programs write them: paths, and an image with its mask."""

import collections
import csv
import re
from collections.abc import Callable, Collection

from wss.datasets.files import finding

FORM = (
    'A line is an id, the file of an image, or the files of an image and of its mask, such as '
    '"images/a.jpg masks/a.png".'
)
_LONGEST = 2000  # Characters of a line that is divided.
_FILE = re.compile(r'\.\w{2,5}["\']?\s|[\t,;]')  # The end of a file in the midst of a line.
_HEADINGS = re.compile(
    '(id|ids|name|path|file|image|img|mask|label|gt|annotation|target)s?'
    '([ _-]?(id|name|path|file))?s?',
    re.I,
)


class Reader:
    """Finds the ids that lines mean.

    Args:
        known: Ids of the dataset.
        without_ending: Takes the ending of a file off a name.
    """

    def __init__(self, known: Collection[str], without_ending: Callable[[str], str]):
        self._without_ending = without_ending
        self._known = {finding.same_name(name): name for name in known}
        self._folders = {part for name in self._known for part in name.split('/')[:-1]}
        self._bases = collections.Counter(name.rpartition('/')[2] for name in self._known)

    def find(self, line: str) -> str | None:
        """Returns the id that a line means; None if it means none, or could mean several.

        Raises:
            ValueError: If it names the mask of another image.
        """
        pairs, alone, strangers = set(), set(), []
        for image, *mask in divisions(line):
            name = self._lookup(image)
            if name is None:
                continue
            if not mask:
                alone.add(name)
            elif self._fits(mask[0], name):
                pairs.add(name)
            elif self._lookup(mask[0]) is not None:
                strangers.append((name, mask[0]))
        found = pairs or alone
        if strangers and not pairs:
            name, mask = strangers[0]
            raise ValueError(
                f'The line {line!r} names {mask} as the mask of {name}, but the mask of an image '
                'is the one with its name. Rename the files, or correct the line.'
            )
        return found.pop() if len(found) == 1 else None

    def _lookup(self, path):
        """Returns the id of the image in a file, whatever folders its path begins with."""
        parts = finding.same_name(path).split('/')
        for start in range(len(parts)):
            if start and (
                parts[start - 1] in self._folders or _FILE.search(parts[start - 1] + '/')
            ):
                return None  # Another folder of the dataset is meant, or these are several files.
            name = '/'.join(parts[start:])
            for form in (name, self._without_ending(name)):
                # Of two images of one name, the one in another folder may be meant.
                own = start == 0 or '/' in form or self._bases[form] == 1
                if own and form in self._known:
                    return self._known[form]
        return None

    def _fits(self, mask, name):
        """Whether a path is that of the mask of an image, by its name."""
        if self._lookup(mask) not in (None, name):
            return False
        mask, name = finding.same_name(mask), finding.same_name(name)
        base = name.rpartition('/')[2]
        forms = [name, base] if self._bases[base] == 1 else [name]
        named = any(re.search(rf'(?<![^\W_]){re.escape(form)}(?![^\W_])', mask) for form in forms)
        # The rest of the name of the file is no further field.
        alone = rf'[^\s,;]*{re.escape(base)}[^\s,;]*'
        return named and bool(re.fullmatch(alone, mask.rpartition('/')[2]))


def is_heading(line: str) -> bool:
    """Whether a line looks like the names of columns."""
    return any(all(_HEADINGS.fullmatch(field) for field in fields) for fields in divisions(line))


def divisions(line: str) -> list[tuple[str, ...]]:
    """Returns the ways to divide a line into an image and perhaps its mask.

    Example:
        >>> from wss.datasets.lists import lines
        >>> lines.divisions('images/a.jpg, masks/a.png')[1]
        ('images/a.jpg', 'masks/a.png')
    """
    if len(line) > _LONGEST:
        return [(line,)]
    found = []
    for text in (line, line.partition(' #')[0]):  # With and without a comment.
        found.append((_unquoted(text),))
        spaces = [match.span() for match in re.finditer(r'\s+', text)]
        found += [(_unquoted(text[:start]), _unquoted(text[end:])) for start, end in spaces]
        for separator in '\t,; ':
            (row,) = csv.reader([text], delimiter=separator)
            fields = [field.strip() for field in row if field.strip()]
            if len(fields) in (1, 2):
                found.append(tuple(fields))
    return list(dict.fromkeys(found))


def _unquoted(text):
    text = text.strip().rstrip(',;')
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in '"\'' else text
