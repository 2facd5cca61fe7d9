"""The tables of the evidence, by hand."""

import pytest
from evidencing import page, tables
from evidencing.rows import Row
from evidencing.scored import Scored


def scores(*test, **more):
    """Scores of the seeds 0, 1, ...: on the test split as given, ten points lower on val."""
    return {seed: Scored(one - 0.1, one, 800, **more) for seed, one in enumerate(test)}


def test_mean_and_sample_standard_deviation():
    assert tables.mean_and_spread([0.20, 0.22, 0.27]) == '23.0 ± 3.6'  # sqrt((9 + 1 + 16) / 2)
    assert tables.mean_and_spread([0.5]) == '50.0'


def test_a_paired_difference_and_its_interval():
    # Differences 2, 4 and 6: mean 4, sd 2, half width 4.303 * 2 / sqrt(3) = 4.97.
    found = tables.difference(scores(0.22, 0.24, 0.26), scores(0.2, 0.2, 0.2))
    assert found == '+4.0 (-1.0 to +9.0)'


def test_only_seeds_that_both_rows_have_are_compared():
    one, baseline = scores(0.9, 0.22, 0.24), scores(0.0, 0.2, 0.2)
    del baseline[0]
    # Differences 2 and 4: 12.706 * sqrt(2) / sqrt(2) = 12.7.
    assert tables.difference(one, baseline) == '+3.0 (-9.7 to +15.7)'
    assert tables.difference(one, {1: baseline[1]}) == '+2.0 †'
    assert tables.difference(one, {}) == 'missing'


def test_the_share_of_the_distance():
    low, high = scores(0.2, 0.24), scores(0.3, 0.34)
    assert tables.closed_share(scores(0.22, 0.27), low, high) == '25'
    assert tables.closed_share(scores(0.19), low, high) == '-10 †'
    assert tables.closed_share(scores(0.22), low, {}) == 'missing'
    assert tables.closed_share(scores(0.22), high, low) == '-'


def test_a_table_marks_what_is_missing():
    chosen = [
        Row('supervised', 'supervised', (), against=None),
        Row('pseudoseg', 'PseudoSeg', ()),
        Row('cps', 'CPS', ()),
    ]
    found = {
        'supervised': scores(0.2, 0.24),
        'pseudoseg': scores(0.23),
        'all_labels': scores(0.3, 0.34),
    }
    lines = tables.scores_table(chosen, found).splitlines()
    assert lines[2:] == [
        '| supervised | 2 of 3 | 12.0 ± 2.8 | 22.0 ± 2.8 | - | - | - |',
        '| PseudoSeg | 1 of 3 † | 13.0 | 23.0 | supervised | +3.0 † | 30 † |',
        '| CPS | missing | missing | missing | supervised | missing | missing |',
    ]


def test_the_cost_is_a_mean_over_seeds():
    found = {
        'a': {
            0: Scored(0.1, 0.1, 800, 30.0, 2.0, 'a' * 40),
            1: Scored(0.1, 0.1, 800, None, 3.0, 'b' * 40 + '+'),
        }
    }
    lines = tables.cost_table([Row('a', 'A', ()), Row('b', 'B', ())], found).splitlines()
    assert lines[2] == '| A | 800 | 30.0 | 2.50 | aaaaaaa bbbbbbb+ |'
    assert lines[3] == '| B | missing | missing | missing | missing |'


def test_the_places_of_a_page_are_filled_again():
    text = 'a\n<!-- begin main -->\nold\n\nold\n<!-- end main -->\nb\n'
    filled = page.fill(text, {'main': '| \\1 |'})
    assert filled == 'a\n<!-- begin main -->\n| \\1 |\n<!-- end main -->\nb\n'
    assert page.fill(filled, {'main': '| \\1 |'}) == filled
    with pytest.raises(ValueError, match='has 0 places <!-- begin cost -->'):
        page.fill(text, {'cost': ''})


def test_nothing_is_trained_yet():
    texts = page.parts({})
    assert set(texts) == {'main', 'warm', 'longer', 'options', 'labels', 'cutmix', 'cost'}
    assert all('missing' in text for text in texts.values())
