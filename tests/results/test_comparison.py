"""The comparison of two methods over seeds, by hand."""

import pytest

from wss.results import comparison

TITLES = {'a': 'A', 'b': 'B'}


def test_paired_by_hand():
    runs = [{'a': 0.5, 'b': 0.6}, {'a': 0.6, 'b': 0.8}, {'a': 0.7, 'b': 0.7}]
    # Differences 0.1, 0.2 and 0: mean and standard deviation 0.1, t = 4.303 for 3 pairs.
    half = 4.303 * 0.1 / 3**0.5
    expected = {'a': 0.6, 'b': 0.7, 'difference': 0.1, 'low': 0.1 - half, 'high': 0.1 + half}
    assert comparison.paired(runs, 'a', 'b') == pytest.approx(expected)
    other = comparison.paired(runs, 'b', 'a')
    assert (other['low'], other['high']) == pytest.approx((-0.1 - half, -0.1 + half))


def test_paired_of_two_and_of_ten_by_hand():
    # Differences 0.1 and 0.3: mean 0.2, standard deviation sqrt(0.02), t = 12.706.
    two = comparison.paired([{'a': 0.0, 'b': 0.1}, {'a': 0.0, 'b': 0.3}], 'a', 'b')
    assert two['high'] - two['difference'] == pytest.approx(12.706 * 0.02**0.5 / 2**0.5)
    # Five times 0 and five times 1: variance 10 * 0.25 / 9, t = 2.262.
    ten = comparison.paired([{'a': 0.0, 'b': float(i % 2)} for i in range(10)], 'a', 'b')
    assert ten['difference'] == 0.5
    assert ten['difference'] - ten['low'] == pytest.approx(2.262 * (2.5 / 9) ** 0.5 / 10**0.5)


def test_equal_differences_have_no_interval():
    found = comparison.paired([{'a': 0.25, 'b': 0.5}, {'a': 0.5, 'b': 0.75}], 'a', 'b')
    assert found == {'a': 0.375, 'b': 0.625, 'difference': 0.25, 'low': 0.25, 'high': 0.25}


def test_table_by_hand():
    runs = [{'a': 0.5, 'b': 0.6}, {'a': 0.7, 'b': 0.65}]
    summary = {'a': 0.6, 'b': 0.625, 'difference': 0.025, 'low': -0.928, 'high': 0.978}
    assert comparison.table(runs, summary, TITLES).splitlines() == [
        '| seed | A | B | difference |',
        '|---|---|---|---|',
        '| 0 | 50.0 | 60.0 | +10.0 |',
        '| 1 | 70.0 | 65.0 | -5.0 |',
        '| mean | 60.0 | 62.5 | +2.5 (95 %: -92.8 to +97.8) |',
    ]
