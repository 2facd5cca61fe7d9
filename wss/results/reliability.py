"""Reliability of probabilities: Guo et al., *On Calibration of Modern Neural Networks* (ICML 2017).

Where pixels are predicted with a confidence of 0.8, 80 % of them should be right.
"""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BINS = 15
_SIDE = 240
_GAP = 34
_INK, _GREY, _PAPER = (30, 30, 30), (205, 205, 205), (255, 255, 255)
_BAR = (62, 114, 170)


def counts(
    labels: np.ndarray, probabilities: np.ndarray, ignore_value: int = 255, bins: int = BINS
) -> np.ndarray:
    """Counts pixels by the confidence of their prediction.

    Args:
        labels: Integers `[...]`, classes or the ignore value.
        probabilities: Float `[..., C]`; their largest is the confidence, in [0, 1].
        ignore_value: Label of the pixels that do not count.
        bins: How many intervals of equal width; an upper end belongs to the interval below it.

    Returns:
        float64 `[3, bins]`: pixels, pixels that are right, and the sum of their confidence.

    Example:
        >>> from wss.results import reliability
        >>> probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]])
        >>> reliability.counts(np.array([0, 1, 1]), probabilities, bins=2).round(3).tolist()
        [[0.0, 3.0], [0.0, 2.0], [0.0, 2.4]]
    """
    counted = labels != ignore_value
    labels, probabilities = labels[counted], probabilities[counted]
    confidence = probabilities.max(axis=-1).astype(np.float64)
    right = probabilities.argmax(axis=-1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return np.stack(
        [np.bincount(place, weights, bins) for weights in (None, right, confidence)]
    ).astype(np.float64)


def expected_calibration_error(counted: np.ndarray) -> float | None:
    """Computes the mean of `|accuracy - confidence|` over the intervals, weighted by pixels.

    Args:
        counted: From `counts`.

    Returns:
        In [0, 1]; None where nothing was counted.
    """
    pixels, right, confidence = counted
    return float(np.abs(right - confidence).sum() / pixels.sum()) if pixels.sum() else None


def picture(by_name: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draws a reliability diagram for each source, side by side.

    A bar has the accuracy of the pixels of an interval; the line is where it should end. Below are
    the shares of the pixels.

    Args:
        by_name: From `counts`, by the name of the source.

    Returns:
        uint8 `[H, W, 3]`.
    """
    font = ImageFont.load_default(size=13)
    shares_height = _SIDE // 4
    size = ((_SIDE + _GAP) * len(by_name) + _GAP, _SIDE + shares_height + 5 * _GAP)
    sheet = Image.new('RGB', size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (name, counted) in enumerate(by_name.items()):
        left, top = _GAP + number * (_SIDE + _GAP), 2 * _GAP
        error = expected_calibration_error(counted)
        title = name if error is None else f'{name}: error {100 * error:.1f} %'
        draw.text((left + _SIDE / 2, _GAP / 2), title, fill=_INK, font=font, anchor='mm')
        pixels, right, _ = counted
        accuracy = np.divide(right, pixels, out=np.zeros_like(pixels), where=pixels > 0)
        _bars(draw, (left, top), _SIDE, accuracy)
        draw.line((left, top + _SIDE, left + _SIDE, top), fill=_INK)
        below = top + _SIDE + _GAP
        _bars(draw, (left, below), shares_height, pixels / max(pixels.sum(), 1))
        for share in (0, 0.5, 1):
            place = (left + share * _SIDE, below + shares_height + _GAP / 3)
            draw.text(place, f'{share:g}', fill=_INK, font=font, anchor='mm')
        place = (left + _SIDE / 2, below + shares_height + _GAP)
        draw.text(place, 'confidence', fill=_INK, font=font, anchor='mm')
        draw.text((left, top - 2), 'accuracy', fill=_INK, font=font, anchor='lb')
        draw.text((left, below - 2), 'share of pixels', fill=_INK, font=font, anchor='lb')
    return np.asarray(sheet)


def _bars(draw, corner, height, values):
    """Draws values in 0..1 as bars in a frame."""
    left, top = corner
    draw.rectangle((left, top, left + _SIDE, top + height), outline=_GREY)
    width = _SIDE / len(values)
    for index, value in enumerate(values):
        if value > 0:
            end = top + round((1 - value) * height)
            right = left + round((index + 1) * width) - 1
            draw.rectangle((left + round(index * width) + 1, end, right, top + height), fill=_BAR)
