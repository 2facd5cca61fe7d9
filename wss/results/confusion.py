"""A confusion matrix as a table and as a picture."""

import csv
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CELL = 44
_GAP = 6
_INK, _PAPER = (30, 30, 30), (255, 255, 255)
_FULL = np.array((8, 64, 129))  # The colour of a share of 1.
_SHOWN = 0.005  # Smaller shares are not written into their cells.


def as_csv(counts: np.ndarray, class_names) -> str:
    """Returns pixels by true class (rows) and predicted class (columns), as CSV with names."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['true \\ predicted', *class_names])
    for name, row in zip(class_names, np.asarray(counts).tolist(), strict=True):
        writer.writerow([name, *row])
    return file.getvalue()


def picture(counts: np.ndarray, class_names) -> np.ndarray:
    """Draws the share of each true class that is predicted as each class.

    Args:
        counts: `[C, C]`, rows the true and columns the predicted class.
        class_names: Names of the classes.

    Returns:
        uint8 `[H, W, 3]`: rows and columns as in `counts`, per cent in the cells.
    """
    counts = np.asarray(counts, np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    names = [' '.join(name.split()) for name in class_names]
    font = ImageFont.load_default(size=13)
    margin = max(int(font.getlength(name)) for name in names) + 2 * _GAP
    head = font.size + 2 * _GAP  # For the words above the names.
    side = _CELL * len(names)
    size = (margin + head + side + _GAP, margin + head + side + _GAP)
    sheet = Image.new('RGB', size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    start = margin + head
    draw.text((start + side / 2, head / 2), 'predicted', fill=_INK, font=font, anchor='mm')
    _paste_upward(sheet, 'true', font, (head // 2, start + side // 2))
    for index, name in enumerate(names):
        middle = start + index * _CELL + _CELL // 2
        draw.text((start - _GAP, middle), name, fill=_INK, font=font, anchor='rm')
        length = int(font.getlength(name))
        _paste_upward(sheet, name, font, (middle, start - _GAP - length // 2))
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        left, top = start + column * _CELL, start + row * _CELL
        colour = tuple(int(v) for v in np.rint(255 + share * (_FULL - 255)))
        draw.rectangle((left, top, left + _CELL - 2, top + _CELL - 2), fill=colour)
        if share >= _SHOWN:
            place = (left + _CELL / 2 - 1, top + _CELL / 2 - 1)
            ink = _PAPER if share > 0.5 else _INK
            draw.text(place, f'{100 * share:.0f}', fill=ink, font=font, anchor='mm')
    return np.asarray(sheet)


def _paste_upward(sheet, text, font, middle):
    """Writes a text from below to above, its middle at a place."""
    size = (int(font.getlength(text)) + 4, int(1.5 * font.size))
    tile = Image.new('RGB', size, _PAPER)
    place = (size[0] / 2, size[1] / 2)
    ImageDraw.Draw(tile).text(place, text, fill=_INK, font=font, anchor='mm')
    tile = tile.rotate(90, expand=True)
    sheet.paste(tile, (middle[0] - tile.width // 2, middle[1] - tile.height // 2))
