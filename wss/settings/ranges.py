"""Checks of the values of settings: a part refuses, in one sentence, what is out of range.

Every check takes the full name of a setting (`Update.weight_decay`) and its value, and raises
ValueError with the name, the value and the range.
"""

import math
import numbers
import os
from collections.abc import Callable, Collection, Mapping

SEEDS = 2**32 - 1
MOST_STEPS = 10**9
MOST_IN_BATCH = 2**16
_SHOWN = 80  # Characters of a value.


def number(setting: str, value, least: float, most: float, described: str = '') -> None:
    """Refuses what is not a number in `least` to `most`; infinity and NaN are never in a range.

    Args:
        setting: Class and attribute.
        value: Its value.
        least: The lowest value that fits.
        most: The highest one.
        described: Words for the range; by default `a number, 0 to 1`.

    Example:
        >>> from wss.settings import ranges
        >>> ranges.number('Update.weight_decay', float('inf'), 0, 1)
        Traceback (most recent call last):
        ValueError: Update.weight_decay is inf; it must be a number, 0 to 1.
    """
    if not _is_number(value, numbers.Real) or not least <= value <= most:
        described = described or f'a number, {_bound(least)} to {_bound(most)}'
        refuse(setting, value, described)


def whole(setting: str, value, least: int, most: int, described: str = '') -> None:
    """Refuses what is not a whole number (an int, not a bool) in `least` to `most`."""
    if not _is_number(value, numbers.Integral) or not least <= value <= most:
        refuse(setting, value, described or f'a whole number, {least} to {most}')


def several(setting: str, value, counts: range | int, check: Callable, *options) -> None:
    """Refuses what is not a tuple (or list) of values that each pass a check.

    Args:
        setting: Class and attribute.
        value: Its value.
        counts: How many values it must have.
        check: `number` or `whole`, or another function of this module.
        *options: Those of `check` after the value.
    """
    counts = range(counts, counts + 1) if isinstance(counts, int) else counts
    if not isinstance(value, tuple | list) or len(value) not in counts:
        number_of = f'{counts[0]}' if len(counts) == 1 else f'{counts[0]} to {counts[-1]}'
        refuse(setting, value, f'a tuple of {number_of} values')
    for item in value:
        check(f'A value of {setting}', item, *options)


def share(setting: str, value) -> None:
    """Refuses what is not a number in 0 to 1."""
    number(setting, value, 0, 1)


def choice(setting: str, value, choices: Collection) -> None:
    """Refuses what is not one of some values."""
    if not any(value == one and type(value) is type(one) for one in choices):
        *others, last = map(repr, choices)
        described = f'{", ".join(others)} or {last}' if others else last
        raise ValueError(f'{setting} is {shown(value)}; it can be {described}.')


def switch(setting: str, value) -> None:
    """Refuses what is neither True nor False."""
    if not isinstance(value, bool):
        refuse(setting, value, 'True or False')


def text(setting: str, value) -> None:
    """Refuses what is not a text, or is empty."""
    if not isinstance(value, str) or not value.strip():
        refuse(setting, value, 'a text that is not empty')


def path(setting: str, value) -> None:
    """Refuses what is not a path, or is empty."""
    if isinstance(value, os.PathLike):
        return
    if not isinstance(value, str) or not value.strip() or '\0' in value:
        refuse(setting, value, 'a path that is not empty')


def mapping(setting: str, value) -> None:
    """Refuses what is not a dict from names to something, or is empty."""
    if not isinstance(value, Mapping) or not value:
        refuse(setting, value, 'a dict with one entry or more')
    for key in value:
        text(f'A key of {setting}', key)


def part(setting: str, value, kind: type) -> None:
    """Refuses what is no part of a kind."""
    if not isinstance(value, kind):
        refuse(setting, value, f'made by {kind.__name__}, such as @{kind.__name__}()')


def refuse(setting: str, value, described: str) -> None:
    """Raises ValueError about a value.

    Args:
        setting: Class and attribute.
        value: Its value.
        described: What it must be.
    """
    raise ValueError(f'{setting} is {shown(value)}; it must be {described}.')


def shown(value) -> str:
    """Returns a value as text of one short line."""
    if callable(value) or not isinstance(value, str | tuple | list | dict | numbers.Number | None):
        name = getattr(value, '__name__', None)
        return name if isinstance(name, str) else f'a {type(value).__name__}'
    try:
        line = ' '.join(repr(value).split())
    except ValueError:  # An int of thousands of digits.
        return f'a number of {value.bit_length()} bits'
    return line if len(line) <= _SHOWN else f'{line[: _SHOWN - 3]}...'


def _is_number(value, kind):
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _bound(value):
    return f'{value:g}' if isinstance(value, float) else str(value)
