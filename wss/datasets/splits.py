"""Id lists: reading, writing and drawing the labelled part of a split from a seed."""

import collections
import hashlib
import math
import os

import numpy as np
import tensorflow as tf

from wss.datasets.info import check_selection


def read_ids(path: str | os.PathLike) -> tuple[str, ...]:
    """Reads an id list: one id a line; blank lines and surrounding white space do not count.

    Args:
        path: Text file in UTF-8, with line ends of any system; local or `gs://`.

    Returns:
        The ids in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not text, names no id or repeats one.
    """
    path = os.path.expanduser(os.fspath(path))
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f'Id list {path} does not exist or is a folder.')
    with tf.io.gfile.GFile(path, 'rb') as file:
        content = file.read()
    try:
        lines = content.decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'Id list {path} is not a text file in UTF-8.') from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise ValueError(f'Id list {path} names no id; write one id a line.')
    _refuse_repeated(ids, path)
    return ids


def write_ids(path: str | os.PathLike, ids) -> None:
    """Writes an id list that `read_ids` reads back; makes its folder if need be.

    Args:
        path: File to write, local or `gs://`; one that is there is replaced.
        ids: Names of examples.

    Raises:
        ValueError: If there is no id, one repeats, or one cannot stand on a line of its own.
    """
    path = os.path.expanduser(os.fspath(path))
    ids = tuple(ids)
    if not ids:
        raise ValueError(f'There is no id to write to {path}.')
    unfit = [name for name in ids if name != name.strip() or len(name.splitlines()) != 1]
    if unfit:
        raise ValueError(f'Ids that do not fit on a line cannot be written to {path}: {unfit[:5]}.')
    _refuse_repeated(ids, path)
    folder = os.path.dirname(path)
    if folder:
        tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(path, 'w') as file:
        file.write('\n'.join(ids) + '\n')


def draw(
    ids, amount: int | float, seed: int, presence: np.ndarray | None = None
) -> tuple[str, ...]:
    """Draws ids at random: the same ones for the same seed, on every machine and library version.

    Each id gets a hash of the seed and its name, and those with the smallest hashes are drawn.
    So the order of `ids` does not matter, and of two draws of one seed the smaller is part of the
    larger. With `presence` the ids that show a class which none of smaller hash shows go first, so
    that every class is in the draw; this too depends on hashes alone and nests.

    Args:
        ids: Names to draw from.
        amount: How many (an int), or which share (a float in (0, 1]; 1.0 is all of them, halves
            are rounded up).
        seed: Any int.
        presence: bool `[len(ids), C]`, which classes each shows, if every class that any of them
            shows must be in the draw; None if not.

    Returns:
        The drawn ids in the order in which they stand in `ids`.

    Raises:
        ValueError: If `amount` is out of range, draws nothing or too few for every class, or `ids`
            repeats an id.
    """
    ids = tuple(ids)
    _refuse_repeated(ids, 'to draw from')
    count = _count(amount, len(ids))
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f'The seed of a draw must be an int, not {seed!r}.')
    order = sorted(ids, key=lambda name: hashlib.sha256(f'{seed}:{name}'.encode()).digest())
    if presence is not None:
        cover = _cover(order, dict(zip(ids, presence, strict=True)))
        if count < len(cover):
            raise ValueError(
                f'{count} of {len(ids)} ids are too few for every class: with seed {seed} it takes '
                f'{len(cover)} or more. Draw so many, try another seed, or do without every class.'
            )
        first = set(cover)
        order = [*cover, *(name for name in order if name not in first)]
    drawn = set(order[:count])
    return tuple(name for name in ids if name in drawn)


def parse_amount(text: str) -> int | float:
    """Reads the amount of a draw as people write it: `46` is a count, `0.125` and `1.0` shares.

    Raises:
        ValueError: If it is no number.
    """
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    raise ValueError(f'{text!r} is no amount; write a count such as 46, or a share such as 0.125.')


def narrow(ids, known, endings=('.jpg', '.jpeg', '.png'), skipped=()) -> tuple[str, ...]:
    """Maps ids of a list to those of a dataset (see `match_ids`) and refuses what does not fit.

    Args:
        ids: Ids as a list has them.
        known: Ids of the dataset.
        endings: File name endings that an id may carry, in any case.
        skipped: Ids that the dataset has but that were left out because their files are damaged.

    Returns:
        Ids of the dataset, one for each of `ids`.

    Raises:
        SelectionError: If there is no id, one repeats or is unknown (a ValueError).
    """
    found = match_ids(ids, (*known, *skipped), endings)
    check_selection(found, known, skipped)
    return found


def match_ids(ids, known, endings=('.jpg', '.jpeg', '.png')) -> tuple[str, ...]:
    """Maps ids as people write them (`0001.jpg`) to the ids of a dataset (`0001`).

    Args:
        ids: Ids as a list has them.
        known: Ids of the dataset.
        endings: File name endings that an id may carry, in any case.

    Returns:
        One id each: as it was if it is known or nothing fits, else without its ending.
    """
    known = set(known)

    def match(name):
        stem = split_ending(name, endings)[0]
        return stem if name not in known and stem in known else name

    return tuple(match(name) for name in ids)


def split_ending(name: str, endings) -> tuple[str, str]:
    """Splits a file name into what stands before the longest fitting ending, and that ending.

    Returns:
        Stem and ending as they are written; `(name, '')` if no ending fits or nothing is before it.
    """
    fitting = [ending for ending in endings if name.lower().endswith(ending.lower())]
    length = max(map(len, fitting), default=0)
    if length == 0 or os.path.basename(name[:-length]) == '':
        return name, ''
    return name[:-length], name[-length:]


def _cover(order, presence):
    """Returns the names that show a class which none before them in `order` shows."""
    cover, seen = [], None
    for name in order:
        shown = np.asarray(presence[name], bool)
        seen = np.zeros_like(shown) if seen is None else seen
        if np.any(shown & ~seen):
            cover.append(name)
            seen = seen | shown
    return cover


def _count(amount, available):
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise ValueError(f'A draw takes a count (int) or a share (float), not {amount!r}.')
    if isinstance(amount, int):
        if not 1 <= amount <= available:
            raise ValueError(f'Cannot draw {amount} of {available} ids; give 1 to {available}.')
        return amount
    if not 0 < amount <= 1:
        raise ValueError(
            f'The share of a draw must be above 0 and at most 1, not {amount}; '
            'for a count write an int.'
        )
    count = math.floor(available * amount + 0.5)
    if count == 0:
        raise ValueError(f'A share of {amount} of {available} ids is less than one id.')
    return count


def _refuse_repeated(ids, where):
    repeated = [name for name, count in collections.Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(
            f'The id list {where} repeats {len(repeated)} ids, the first: '
            f'{", ".join(repeated[:5])}. Name each once.'
        )
