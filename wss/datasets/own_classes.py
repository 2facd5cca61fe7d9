"""The classes that a user gives a dataset."""

import warnings

from wss.datasets import classes
from wss.datasets.files import palette
from wss.datasets.info import DatasetInfo
from wss.settings import ranges


def dataset_info(
    owner: str, name, class_names, colours, has_background, ignore_value, bit_depth=None
) -> DatasetInfo:
    """Makes a `DatasetInfo` from the values of a configuration (lists, perhaps no colours).

    Args:
        owner: Class whose settings these are, for messages.
        name: See `DatasetInfo`, as the others.
        class_names: A sequence.
        colours: A sequence, or None for the colours of PASCAL VOC.
        has_background: Whether class 0 is the background. None means True, with a warning if the
            name of class 0 does not look so.
        ignore_value: An int.
        bit_depth: Bits of 16-bit images that hold data; None if that is not known.

    Raises:
        ValueError: If a value has the wrong type, a colour is not RGB, or the classes do not fit.
    """
    ranges.text(f'{owner}.name', name)
    ranges.several(f'{owner}.class_names', class_names, range(2, 256), ranges.text)
    ranges.choice(f'{owner}.has_background', has_background, (None, True, False))
    ranges.whole(f'{owner}.ignore_value', ignore_value, len(class_names), 255)
    if len(set(class_names)) != len(class_names):
        ranges.refuse(f'{owner}.class_names', class_names, 'names that differ')
    class_names = tuple(class_names)
    if bit_depth is not None:
        ranges.whole(f'{owner}.bit_depth', bit_depth, 8, 16)
    has_background = _has_background(class_names, has_background, owner)
    if colours is None:
        # Black is left to the background.
        colours = palette.distinct_colours(len(class_names), first=0 if has_background else 1)
    elif not isinstance(colours, tuple | list) or len(colours) != len(class_names):
        ranges.refuse(
            f'{owner}.colours', colours, f'a tuple of {len(class_names)} colours, one a class'
        )
    for colour in colours:
        ranges.several(f'A colour of {owner}.colours', colour, 3, ranges.whole, 0, 255)
    colours = tuple(tuple(map(int, colour)) for colour in colours)
    return DatasetInfo(name, class_names, colours, has_background, ignore_value, bit_depth)


def _has_background(class_names, has_background, owner):
    """Returns whether class 0 is the background, and warns if its name makes that doubtful."""
    first = class_names[0]
    if has_background is None and not classes.names_background(first):
        warnings.warn(
            f'Class 0 is called {first!r}, but counts as background: image-level labels and '
            f'activation maps leave it out. Set {owner}.has_background = False if it is a class '
            'like the others, or True if it is "none of the others".',
            stacklevel=4,
        )
    if has_background is False and classes.names_background(first):
        warnings.warn(
            f'Class 0 is called {first!r}, but {owner}.has_background is False: it counts as a '
            'class like the others. Set it to True if class 0 is "none of the others".',
            stacklevel=4,
        )
    return has_background is not False
