"""Line charts as SVG, a text that browsers draw."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 36, 44  # Margins: ticks, names of the lines, title, steps.
COLOURS = ('#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#8c564b', '#e377c2')
_MOST_TICKS = 6  # Of an axis, without that at 0.


def place(value: float, low: float, high: float, start: float, end: float) -> float:
    """Returns where a value of `low..high` is between two ends of an axis, in pixels.

    Example:
        >>> from evidencing.chart import place
        >>> place(25, 0, 100, 10, 30)
        15.0
    """
    return start + (value - low) / ((high - low) or 1) * (end - start)


def ticks(most: float) -> list[float]:
    """Returns round numbers from 0 to at most `most`: multiples of 1, 2 or 5 times a power of ten.

    Example:
        >>> from evidencing.chart import ticks
        >>> ticks(32.6)
        [0, 10, 20, 30]
    """
    if most <= 0:
        return [0]
    power = 10 ** math.floor(math.log10(most / _MOST_TICKS))
    step = next(n * power for n in (1, 2, 5, 10) if most / (n * power) <= _MOST_TICKS)
    return [i * step for i in range(int(most / step + 1e-9) + 1)]  # 0.3 / 0.1 is less than 3.


def line_chart(
    lines: Mapping[str, Sequence[tuple[float, float]]], title: str, x_name: str, y_name: str
) -> str:
    """Draws lines over one pair of axes, each with its name at its end.

    Args:
        lines: Points `(x, y)` by the name of the line; y starts at 0.
        title: Text above.
        x_name: Text below.
        y_name: Text at the left.

    Returns:
        The SVG.

    Raises:
        ValueError: If there is no point.
    """
    points = [point for line in lines.values() for point in line]
    if not points:
        raise ValueError(f'There is nothing to draw for {title!r}.')
    most_x, most_y = max(x for x, _ in points), max(y for _, y in points) * 1.05
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{(_LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f'{escape(x_name)}</text>',
        f'<text x="14" y="{(_TOP + bottom) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(_TOP + bottom) / 2})">{escape(y_name)}</text>',
    ]
    for x in ticks(most_x):
        across = place(x, 0, most_x, _LEFT, right)
        parts.append(f'<text x="{across:.1f}" y="{bottom + 16}" text-anchor="middle">{x:g}</text>')
    for y in ticks(most_y):
        down = place(y, 0, most_y, bottom, _TOP)
        parts += [
            f'<line x1="{_LEFT}" x2="{right}" y1="{down:.1f}" y2="{down:.1f}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{y:g}</text>',
        ]
    ends = _apart([place(line[-1][1], 0, most_y, bottom, _TOP) for line in lines.values()])
    for (name, line), end, colour in zip(lines.items(), ends, COLOURS * len(lines), strict=False):
        path = ' '.join(
            f'{place(x, 0, most_x, _LEFT, right):.1f},{place(y, 0, most_y, bottom, _TOP):.1f}'
            for x, y in line
        )
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{right + 6}" y="{end + 4:.1f}" fill="{colour}">{escape(name)}</text>',
        ]
    return '\n'.join([*parts, '</svg>\n'])


def _apart(places, gap=14.0):
    """Moves places of names down until they are a gap apart; keeps their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved, last = list(places), -gap
    for i in order:
        last = moved[i] = max(places[i], last + gap)
    return moved
