"""Checks that the files of a dataset agree: the colours of palettes, and the depth of 16 bits."""

import warnings
from collections.abc import Iterable

from wss.datasets.files import depth
from wss.datasets.files.checks import Checked
from wss.datasets.files.meaning import Meaning
from wss.datasets.info import DatasetInfo


def check(found: Iterable[tuple[str, str, Checked]], info: DatasetInfo, meaning: Meaning) -> None:
    """Refuses files whose values would mean different things, or nothing like what they hold.

    Args:
        found: For each image its name, the name of its mask, and what the check found.
        info: Classes of the dataset.
        meaning: How the files are read.

    Raises:
        ValueError: If palettes are of different orders, or all 16-bit images hold fewer bits.
    """
    found = sorted(found, key=lambda item: item[0])  # Two threads check in no fixed order.
    if meaning.mask_values is None:
        _check_palettes(found, info, meaning)
    if info.bit_depth is None:
        _check_depth(
            [(name, item.high) for name, _, item in found if item.high is not None], meaning
        )


def _check_palettes(found, info, meaning):
    """Refuses masks in which an index has different colours, or a colour different indices."""
    groups = {}  # Indices and their colours -> the first mask with these.
    for _, mask, item in found:
        if mask and item.colours:
            pairs = tuple(pair for pair in item.colours if pair[0] != info.ignore_value)
            groups.setdefault(pairs, mask)
    several = {colour for pairs in groups for colour in _repeated(pairs)}
    colour_of, index_of = {}, {}
    for pairs, mask in groups.items():
        if _is_grey(pairs):  # Its colours are its indices.
            continue
        for index, colour in pairs:
            other, where = colour_of.setdefault(index, (colour, mask))
            if other != colour:
                _refuse(f'index {index} is {other} in the first and {colour}', where, mask, meaning)
            if colour in several:
                continue
            other, where = index_of.setdefault(colour, (index, mask))
            if other != index:
                what = f'{colour} has the index {other} in the first and {index}'
                _refuse(what, where, mask, meaning)
            _check_order(index, colour, mask, meaning)


def _refuse(what, first, second, meaning):
    by_colour = (
        f"Set {meaning.owner}.mask_values = 'colours', and {meaning.owner}.colours to the colour "
        "of each class; or set 'indices'"
    )
    if not meaning.knows_colours:
        by_colour = f"Write masks of one order; or set {meaning.owner}.mask_values = 'indices'"
    raise ValueError(
        f'The palettes of {first} and {second} are of different orders: {what} in the second. '
        f'{by_colour} if the indices are right and the colours do not matter.'
    )


def _check_order(index, colour, mask, meaning):
    """Refuses a mask whose palette contradicts the colours that the user gave."""
    colours = meaning.colours or ()
    if colours.count(colour) == 1 and colours.index(colour) != index:
        raise ValueError(
            f'The palette of {mask} has the colour {colour} at index {index}, but '
            f'{meaning.owner}.colours has it at {colours.index(colour)}. Set '
            f"{meaning.owner}.mask_values = 'colours' if the colours are right, or 'indices' if "
            'the indices are.'
        )


def _repeated(pairs):
    colours = [colour for _, colour in pairs]
    return {colour for colour in colours if colours.count(colour) > 1}


def _is_grey(pairs):
    is_ramp = all(colour == (index, index, index) for index, colour in pairs)
    return is_ramp and any(index for index, _ in pairs)


def _check_depth(highs, meaning):
    """Refuses 16-bit images that are all dark, and warns if most are."""
    dark = [(name, high) for name, high in highs if depth.is_dark(high)]
    if 2 * len(dark) <= len(highs):
        return
    name, high = max(dark, key=lambda item: item[1])
    bits = depth.likely_bits(high)
    what = (
        f'{len(dark)} of {len(highs)} images of 16 bits hold low values only: almost all pixels of '
        f'{name} are at most {high} of 65535. Set {meaning.owner}.bit_depth = {bits} if they hold '
        f'{bits} bits, or 16 if they are dark pictures.'
    )
    if len(dark) == len(highs):
        raise ValueError(f'{what} As they are they would reach the network almost black.')
    warnings.warn(what, stacklevel=4)
