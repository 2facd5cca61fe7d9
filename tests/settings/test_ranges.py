"""Checks of values: what is refused, and that the sentence has name, value and range."""

import pathlib

import numpy as np
import pytest

from wss.settings import ranges

HUGE = (1e39, 10**400, 2**63, float('inf'), float('-inf'), float('nan'))


@pytest.mark.parametrize('value', [*HUGE, True, '1', None, (1,), 1j, print])
def test_no_numbers(value):
    with pytest.raises(ValueError, match=r'^A\.b is .*; it must be a number, 0 to 1\.$'):
        ranges.number('A.b', value, 0, 1)
    with pytest.raises(ValueError, match=r'^A\.b is .*; it must be a whole number, 0 to 7\.$'):
        ranges.whole('A.b', value if value != 1j else 1.5, 0, 7)


def test_numbers():
    for value in (0, 1, 0.5, np.float32(0.5), np.int64(1)):
        ranges.number('A.b', value, 0, 1)
    for value in (0, 7, np.int64(3)):
        ranges.whole('A.b', value, 0, 7)
    with pytest.raises(ValueError, match=r'a number, 1e-06 to 2\.'):
        ranges.number('A.b', 0, 1e-6, 2)


def test_several():
    ranges.several('A.b', [1, 2], range(1, 4), ranges.whole, 0, 3)
    with pytest.raises(ValueError, match=r'A\.b is \(\); it must be a tuple of 1 to 3 values'):
        ranges.several('A.b', (), range(1, 4), ranges.whole, 0, 3)
    with pytest.raises(ValueError, match=r'A\.b is 3; it must be a tuple of 2 values'):
        ranges.several('A.b', 3, 2, ranges.whole, 0, 3)
    with pytest.raises(ValueError, match=r'A value of A\.b is -1; it must be a whole number'):
        ranges.several('A.b', (1, -1), 2, ranges.whole, 0, 3)


def test_choices_and_switches():
    ranges.choice('A.b', 2, (1, 2))
    with pytest.raises(ValueError, match=r'A\.b is True; it can be 1, 2 or 3\.'):
        ranges.choice('A.b', True, (1, 2, 3))
    for value in (0, 1, None, 'True'):
        with pytest.raises(ValueError, match=r'A\.b is .*; it must be True or False\.'):
            ranges.switch('A.b', value)


def test_texts_and_paths():
    ranges.path('A.b', pathlib.Path('x'))
    for value in ('', '  ', 3, None, ('x',)):
        for check in (ranges.path, ranges.text):
            with pytest.raises(ValueError, match=r'A\.b is .*; it must be a .* not empty'):
                check('A.b', value)
    with pytest.raises(ValueError, match='path'):
        ranges.path('A.b', 'a\0b')
    for value in ({}, (), {1: 'a'}):
        with pytest.raises(ValueError, match=r'A\.b is '):
            ranges.mapping('A.b', value)


def test_values_are_shown_on_one_short_line():
    assert ranges.shown('a\nb') == repr('a\nb')
    assert ranges.shown(ranges.text) == 'text'
    assert ranges.shown(object()) == 'a object'
    assert ranges.shown(10**5000).endswith('bits')
    assert len(ranges.shown(tuple(range(1000)))) == 80
