"""Reports what a survey has seen."""

import numpy as np

from wss.datasets.files.reasons import list_some
from wss.datasets.survey import looking
from wss.datasets.survey.looking import Survey

_NAMED = 5  # Problems that are named; the others are counted.
_ROWS = 40  # Values of masks that have a line.
# `pixels an image` is the mean over the images that show the value.
_HEADING = f'{"value":>15}  {"pixels %":>8}  images  pixels an image'
_LINE = '{:>15}  {:8.2f}  {:6d}  {:15.0f}'
_KINDS = {
    looking.INDICES: 'class indices',
    looking.BINARY: 'binary, 0 and 255',
    looking.COLOURS: 'colours',
}


def text(seen: Survey) -> str:
    """Returns what is there, for people.

    Args:
        seen: The survey.
    """
    lines = [f'Images: {len(seen.seen)} can be read, {len(seen.masked)} of them with a mask.']
    without = [name for name, one in seen.seen.items() if one.values is None]
    if without:
        lines.append(f'{len(without)} images have no mask: {list_some(without)}.')
    sizes = seen.sizes()
    if len(sizes):
        low, middle, high = (np.percentile(sizes, share, axis=0) for share in (0, 50, 100))
        lines.append(
            f'Sizes (width x height): median {_size(middle)}, from {_size(low)} to {_size(high)}.'
        )
    deep = sum(one.deep for one in seen.seen.values())
    if deep:
        lines.append(f'{deep} images have 16 bits; Folder.bit_depth says how many hold data.')
    if seen.turned:
        lines.append(
            f'{len(seen.turned)} masks have another EXIF orientation than their image, such as '
            f'that of {seen.turned[0]}; Folder.masks_drawn_on says what they fit.'
        )
    lines += [seen.problems[name] for name in list(seen.problems)[:_NAMED]]
    if len(seen.problems) > _NAMED:
        lines.append(f'{len(seen.problems) - _NAMED} more files cannot be used.')
    if seen.without_image:
        lines.append(
            f'{len(seen.without_image)} masks have no image: {list_some(seen.without_image)}.'
        )
    return '\n'.join([*lines, *_of_masks(seen)])


def _size(pair):
    return f'{round(pair[1])}x{round(pair[0])}'


def _of_masks(seen):
    """Returns a table of the values of the masks, and what is strange about them."""
    totals, kind = seen.totals(), seen.kind()
    if kind is None:
        return ['No mask can be read.']
    pixels = sum(count for count, _ in totals.values())
    lines = [f'Masks hold {_KINDS[kind]}.', _HEADING]
    largest = sorted(totals, key=lambda value: -totals[value][0])[:_ROWS]
    for value in totals:
        if value in largest:
            count, images = totals[value]
            lines.append(_LINE.format(str(value), 100 * count / pixels, images, count / images))
    if len(totals) > _ROWS:
        lines.append(f'{len(totals) - _ROWS} more values, each on fewer pixels.')
    if kind == looking.INDICES:
        classes = [value for value in totals if value != 255]
        unused = sorted(set(range(max(classes, default=0))) - set(classes))
        if unused:
            named = ', '.join(map(str, unused[:_NAMED])) + (', ...' if len(unused) > _NAMED else '')
            lines.append(f'No mask shows {named}, though larger values occur.')
        if 255 in totals:
            lines.append('Pixels of 255 are ignored.')
    return lines
