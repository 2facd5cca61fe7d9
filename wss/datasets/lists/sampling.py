"""Choices among ids: samples of the labelled part of a split from a seed, and even spacing."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from wss.datasets.lists import ids as id_lists


def sample(
    ids, amount: int | float, seed: int, presence: np.ndarray | None = None
) -> tuple[str, ...]:
    """Samples ids: the same ones for the same seed, on every machine and library version.

    Each id gets a hash of the seed and its name. The sample has the ids of the smallest hashes, so
    the order of `ids` does not matter, and of two samples of one seed the smaller is part of the
    larger. With `presence`, the ids that show a class which no id of a smaller hash shows come
    first, so that every class is in the sample. This depends on hashes alone too, and nests.

    Args:
        ids: Names to sample from.
        amount: A count (an int) or a share (a float in (0, 1]; 1.0 is all of them, halves are
            rounded up).
        seed: Any int.
        presence: bool `[len(ids), C]`, the classes that each id shows, if every class that any of
            them shows must be in the sample; None if not.

    Returns:
        The sampled ids, in the order of `ids`.

    Raises:
        ValueError: If `amount` is out of range, gives no id or too few for every class, or `ids`
            repeats an id.

    Example:
        >>> from wss.datasets.lists.sampling import sample
        >>> sample(['a', 'b', 'c', 'd'], 2, seed=0)
        ('a', 'd')
        >>> sample(['a', 'b', 'c', 'd'], 0.75, seed=0)
        ('a', 'c', 'd')
    """
    ids = tuple(ids)
    id_lists.refuse_repeated(ids, 'to sample from')
    count = _count(amount, len(ids))
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f'The seed of a sample must be an int, not {seed!r}.')
    order = sorted(ids, key=lambda name: hashlib.sha256(f'{seed}:{name}'.encode()).digest())
    if presence is not None:
        cover = _cover(order, dict(zip(ids, presence, strict=True)))
        if count < len(cover):
            raise ValueError(
                f'{count} of {len(ids)} ids are too few for every class: with seed {seed} it takes '
                f'{len(cover)} or more. Sample more, try another seed, or omit every_class.'
            )
        first = set(cover)
        order = [*cover, *(name for name in order if name not in first)]
    sampled = set(order[:count])
    return tuple(name for name in ids if name in sampled)


def parse_amount(text: str) -> int | float:
    """Reads the amount of a sample from text: `46` is a count, `0.125` and `1.0` are shares.

    Raises:
        ValueError: If it is not a number.
    """
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    raise ValueError(
        f'{text!r} is not an amount; write a count such as 46, or a share such as 0.125.'
    )


def _cover(order, presence):
    """Returns the names that show a class which no name before them in `order` shows."""
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
        raise ValueError(f'A sample takes a count (int) or a share (float), not {amount!r}.')
    if isinstance(amount, int):
        if not 1 <= amount <= available:
            raise ValueError(f'Cannot sample {amount} of {available} ids; give 1 to {available}.')
        return amount
    if not 0 < amount <= 1:
        raise ValueError(
            f'The share of a sample must be above 0 and at most 1, not {amount}; '
            'for a count write an int.'
        )
    count = math.floor(available * amount + 0.5)
    if count == 0:
        raise ValueError(f'A share of {amount} of {available} ids is less than one id.')
    return count


def spread(items: Sequence, count: int) -> list:
    """Returns `count` items at most, evenly spaced.

    Example:
        >>> from wss.datasets.lists import sampling
        >>> sampling.spread('abcdefgh', 3)
        ['a', 'c', 'f']
    """
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]
