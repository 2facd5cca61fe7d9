"""Files of ids: reads and writes them, and matches them with the ids of a dataset."""

import collections
import os

import tensorflow as tf

from wss.datasets.examples import check_selection
from wss.datasets.files import finding, whole


def read_ids(path: str | os.PathLike) -> tuple[str, ...]:
    """Reads an id list: one id a line, without blank lines and surrounding white space.

    Args:
        path: Text file in UTF-8 with line ends of any system, local or `gs://`.

    Returns:
        The ids in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not text, has no id or repeats one.
    """
    path = os.path.expanduser(os.fspath(path))
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f'Id list {path} does not exist or is a folder.')
    data = whole.read(path)
    try:
        lines = data.decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'Id list {path} is not a text file in UTF-8.') from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise ValueError(f'Id list {path} names no id; write one id a line.')
    refuse_repeated(ids, path)
    return ids


def write_ids(path: str | os.PathLike, ids) -> None:
    """Writes an id list that `read_ids` reads back; makes its folder if needed.

    Args:
        path: File to write, local or `gs://`; an existing one is replaced.
        ids: Names of examples.

    Raises:
        ValueError: If there is no id, one repeats, or one does not fit on a line.
    """
    path = os.path.expanduser(os.fspath(path))
    ids = tuple(ids)
    if not ids:
        raise ValueError(f'There is no id to write to {path}.')
    unfit = [name for name in ids if name != name.strip() or len(name.splitlines()) != 1]
    if unfit:
        raise ValueError(f'Ids that do not fit on a line cannot be written to {path}: {unfit[:5]}.')
    refuse_repeated(ids, path)
    folder = os.path.dirname(path)
    if folder:
        tf.io.gfile.makedirs(folder)
    whole.write(path, content(ids))


def content(ids) -> bytes:
    """Returns what `write_ids` writes: one id a line, in UTF-8."""
    return ''.join(f'{name}\n' for name in ids).encode()


def narrow(ids, known, endings=('.jpg', '.jpeg', '.png'), skipped=()) -> tuple[str, ...]:
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
    found = match_ids(ids, (*known, *skipped), endings)
    check_selection(found, known, skipped)
    return found


def match_ids(ids, known, endings=('.jpg', '.jpeg', '.png')) -> tuple[str, ...]:
    """Maps ids of a list (`0001.jpg`) to the ids of a dataset (`0001`).

    Args:
        ids: Ids of a list.
        known: Ids of the dataset.
        endings: File name endings that an id may carry, in any case.

    Returns:
        One id each: without its ending if the dataset has that id alone, else as it is. Accents
        and separators may be written in another way (see `finding.same_name`).
    """
    known = set(known)
    same = {}

    def match(name):
        for form in (name, split_ending(name, endings)[0]):
            if form in known:
                return form
        if not same:
            same.update((finding.same_name(other), other) for other in known)
        form = finding.same_name(name)
        return same.get(form) or same.get(split_ending(form, endings)[0]) or name

    return tuple(match(name) for name in ids)


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
            f'{", ".join(repeated[:5])}. Name each once.'
        )
