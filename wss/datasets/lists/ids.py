"""Files of ids: reads and writes them, and matches them with the ids of a dataset."""

import codecs
import collections
import os
import re

import tensorflow as tf

from wss.datasets.examples import SelectionError, check_selection
from wss.datasets.files import finding, reasons, whole
from wss.datasets.lists import lines

# Of the images of the datasets that can be prepared; that of Cityscapes is long.
ENDINGS = ('.jpg', '.jpeg', '.png', '_leftImg8bit.png')


def read_ids(path: str | os.PathLike) -> tuple[str, ...]:
    """Reads an id list: one id a line, without blank lines and surrounding white space.

    Args:
        path: Text file in UTF-8, or in UTF-16 with a mark at its beginning, with line ends of any
            system, local or `gs://`.

    Returns:
        The lines in the order of the file; `match_ids` finds the ids that they mean.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not text, has no id or repeats one.
    """
    path = whole.expanded(path)
    ids = read_lines(path, 'Id list')
    if not ids:
        raise ValueError(f'Id list {path} names no id; write one id a line.')
    refuse_repeated([name for name in ids if not name.startswith('#')], path)
    return ids


def read_lines(path: str | os.PathLike, what: str) -> tuple[str, ...]:
    """Returns the lines of a text file without blank ones and surrounding white space.

    Args:
        path: See `read_ids`.
        what: What the file is, for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not text.
    """
    path = whole.expanded(path)
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f'{what} {path} does not exist or is a folder.')
    data = whole.read(path)
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode('utf-16' if marked else 'utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{what} {path} is not a text file in UTF-8; save it as one.') from error
    if '\0' in text:
        raise ValueError(f'{what} {path} is not a text file in UTF-8; save it as one.')
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def write_ids(path: str | os.PathLike, ids) -> None:
    """Writes an id list that `read_ids` reads back; makes its folder if needed.

    Args:
        path: File to write, local or `gs://`; an existing one is replaced.
        ids: Names of examples.

    Raises:
        ValueError: If there is no id, one repeats, or one does not fit on a line.
    """
    path = whole.expanded(path)
    ids = tuple(ids)
    if not ids:
        raise ValueError(f'There is no id to write to {path}.')
    unfit = [name for name in ids if name != name.strip() or len(name.splitlines()) != 1]
    if unfit:
        named = reasons.list_some(map(repr, unfit))
        raise ValueError(f'Ids that do not fit on a line cannot be written to {path}: {named}.')
    refuse_repeated(ids, path)
    folder = os.path.dirname(path)
    if folder:
        tf.io.gfile.makedirs(folder)
    whole.write(path, content(ids))


def content(ids) -> bytes:
    """Returns what `write_ids` writes: one id a line, in UTF-8."""
    return ''.join(f'{name}\n' for name in ids).encode()


def narrow(ids, known, endings=ENDINGS, skipped=()) -> tuple[str, ...]:
    """Maps ids of a list to ids of a dataset (see `match_ids`), and refuses those that do not fit.

    Args:
        ids: Ids of a list.
        known: Ids of the dataset.
        endings: File name endings that an id may carry, in any case.
        skipped: Ids of the dataset that are left out because their files are damaged.

    Returns:
        Ids of the dataset, one for each of `ids`.

    Raises:
        SelectionError: If there is no id, one repeats or is unknown (a ValueError).
    """
    known, skipped = tuple(known), tuple(skipped)
    found = match_ids(ids, (*known, *skipped), endings)
    try:
        check_selection(found, known, skipped)
    except SelectionError as error:
        raise SelectionError(f'{error}{advice(found, (*known, *skipped))}') from error
    return found


def advice(ids, known) -> str:
    """Returns a sentence, after a space, if unknown ids look like lines of another form."""
    known = set(known)
    odd = [name for name in ids if name not in known and re.search(r'[\s,;#"/\\]', name)]
    return f' {lines.FORM}' if odd else ''


def match_ids(ids, known, endings=ENDINGS) -> tuple[str, ...]:
    """Maps lines of a list (`0001.jpg`, `images/0001.jpg masks/0001.png`) to ids (`0001`).

    Args:
        ids: Lines of a list.
        known: Ids of the dataset.
        endings: File name endings that an id may carry, in any case.

    Returns:
        One id each. A line that is an id is that id; else its ending may be missing in the dataset,
        accents and separators may be written in another way (see `finding.same_name`), and it may
        be a path or name the mask too (see `lines`). What means no id stays as it is, except for
        comments, which begin with #, and a first line of headings: they are left out.

    Raises:
        SelectionError: If a line names the mask of another image.
    """
    ids, known = tuple(ids), set(known)
    same, readers, found = {}, [], []

    def match(name):
        for form in (name, split_ending(name, endings)[0]):
            if form in known:
                return form
        if not same:
            same.update((finding.same_name(other), other) for other in known)
            readers.append(lines.Reader(known, lambda path: split_ending(path, endings)[0]))
        form = finding.same_name(name)
        as_one = same.get(form) or same.get(split_ending(form, endings)[0])
        return as_one or readers[0].find(name)

    for name in ids:
        try:
            matched = match(name)
        except ValueError as error:
            raise SelectionError(str(error)) from error
        is_title = not found and len(ids) > 1 and lines.is_heading(name)
        if matched is not None:
            found.append(matched)
        elif not name.startswith('#') and not is_title:
            found.append(name)
    return tuple(found)


def split_ending(name: str, endings) -> tuple[str, str]:
    """Splits a file name at the longest ending that fits.

    Returns:
        Stem and ending; `(name, '')` if no ending fits, or the name is nothing but an ending.
    """
    fitting = [ending for ending in endings if name.lower().endswith(ending.lower())]
    length = max(map(len, fitting), default=0)
    if length == 0 or os.path.basename(name[:-length]) == '':
        return name, ''
    return name[:-length], name[-length:]


def refuse_repeated(ids, where):
    repeated = [name for name, count in collections.Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(
            f'The id list {where} repeats {len(repeated)} ids, the first: '
            f'{reasons.list_some(repeated)}. Name each once.'
        )
