"""Charts: where points are drawn, by hand."""

import itertools
import re

import pytest
from evidencing import chart


def test_points_by_hand():
    """The axes have 434 x 240 pixels from (56, 276); y ends 5 % above the highest value."""
    drawn = chart.line_chart({'a': [(0, 0.0), (50, 10.0), (100, 20.0)]}, 'Title', 'step', 'mIoU')
    points = re.search(r'polyline points="([^"]*)"', drawn)[1].split()
    assert points[0] == '56.0,276.0'
    across, down = map(float, points[1].split(','))
    assert across == 56 + 434 / 2
    assert abs(down - (276 - 240 * 10 / 21)) < 0.1
    assert 'Title' in drawn and drawn.startswith('<svg')


@pytest.mark.parametrize(
    ('most', 'wanted'),
    [
        (0, [0]),
        (0.3, [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]),
        (6, [0, 1, 2, 3, 4, 5, 6]),
        (6.1, [0, 2, 4, 6]),
        (26, [0, 5, 10, 15, 20, 25]),
        (750, [0, 200, 400, 600]),
    ],
)
def test_ticks_are_round_numbers(most, wanted):
    assert chart.ticks(most) == pytest.approx(wanted)


def test_names_do_not_overlap():
    drawn = chart.line_chart({'a & b': [(1, 5.0)], 'c': [(1, 5.0)], 'd': [(1, 4.9)]}, 'T', 'x', 'y')
    assert 'a &amp; b' in drawn
    downs = sorted(float(y) for y in re.findall(r'<text x="496" y="([\d.]+)"', drawn))
    assert len(downs) == 3
    assert all(b - a > 13.9 for a, b in itertools.pairwise(downs))


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="There is nothing to draw for 'T'"):
        chart.line_chart({'a': []}, 'T', 'x', 'y')
