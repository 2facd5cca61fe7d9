"""The tables of the evidence, by hand."""

import pytest
from evidencing import page, quality, tables
from evidencing.row import Row
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
    low, high = scores(0.2, 0.24, 0.3), scores(0.3, 0.34)  # 10 points, over two seeds.
    # Gains of 2, 3 and 4, over three seeds.
    assert tables.closed_share(scores(0.22, 0.27, 0.34), low, high) == '30'
    assert tables.closed_share(scores(0.19), low, high) == '-10 †'
    assert tables.closed_share(scores(0.22, 0.27), low, scores(0.25)) == '50 †'
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
    lines = tables.scores_table(chosen, found, True).splitlines()
    assert lines[2:] == [
        '| supervised | 2 of 3 | 12.0 ± 2.8 | 22.0 ± 2.8 | - | - | - |',
        '| PseudoSeg | 1 of 3 † | 13.0 | 23.0 | supervised | +3.0 † | 30 † |',
        '| CPS | missing | missing | missing | supervised | missing | missing |',
    ]
    lines = tables.scores_table(chosen, found, False).splitlines()
    assert lines[3] == '| PseudoSeg | 1 of 3 † | 13.0 | 23.0 | supervised | +3.0 † |'


def test_the_share_of_longer_runs_is_that_of_longer_runs():
    """They are measured against all masks with as many steps."""
    chosen = [Row('longer', 'longer', (), steps=2.5, seeds=1)]
    found = {'supervised': scores(0.2), 'longer': scores(0.3), 'all_labels': scores(0.3)}
    assert tables.scores_table(chosen, found, True).endswith('| +10.0 † | missing |')
    found['all_labels_longer'] = scores(0.4)
    assert tables.scores_table(chosen, found, True).endswith('| +10.0 † | 50 † |')


def test_the_best_trial_of_each_method_is_bold():
    looks = [
        [Row('a', 'A', ()), Row('b', 'B', ()), Row('c', 'C', ())],
        [Row('d', 'D', ())],
        [Row('e', 'E', ())],
    ]
    found = {
        'a': {0: Scored(0.2, 0.4, 800), 1: Scored(0.9, 0.1, 800)},  # Seed 0 alone counts.
        'b': {0: Scored(0.216, None, 800)},
        'd': {0: Scored(0.1, None, 800)},
        'e': {1: Scored(0.1, None, 800)},
    }
    assert tables.looks_table(looks, found).splitlines()[2:] == [
        '| A | 20.0 |',
        '| B | **21.6** |',
        '| C | missing |',
        '| D | **10.0** |',
        '| E | missing |',
    ]


def test_the_quality_of_labels_is_a_mean_over_seeds():
    names = [f'{place}/{name}' for place in ('crops', 'photos') for name in quality.SOURCES]
    one = dict(zip([*names, 'recall', 'precision'], (n / 100 for n in range(10, 18)), strict=True))
    two = {name: value + 0.01 for name, value in one.items()}
    found = {
        'a': {0: Scored(0.1, 0.1, 4, quality=one), 1: Scored(0.1, 0.1, 4, quality=two)},
        'b': {0: Scored(0.1, 0.1, 4)},  # A run of a method that has no such labels.
    }
    lines = tables.quality_table([Row('a', 'A', ()), Row('b', 'B', ())], found).splitlines()
    assert lines[2:] == ['| A | 2 | 10.5 | 11.5 | 12.5 | 13.5 | 14.5 | 15.5 | 16.5 | 17.5 |']


def test_the_cost_is_a_median_over_seeds_and_the_sum_of_all():
    found = {
        'a': {
            0: Scored(0.1, 0.1, 800, 30.0, 2.0, 'a' * 40),
            1: Scored(0.1, 0.1, 800, None, 3.0, 'b' * 40 + '+'),  # Counts as the median, 40.
            2: Scored(0.1, 0.1, 800, 40.0, 3.0, 'b' * 40 + '+'),
            3: Scored(0.1, 0.1, 800, 90.0, 9.0, 'b' * 40 + '+'),
        },
        'c': {0: Scored(0.1, 0.1, 2000, 1000.0, 2.0, None)},
    }
    chosen = [Row('a', 'A', ()), Row('b', 'B', ()), Row('c', 'C', ())]
    lines = tables.cost_table(chosen, found).splitlines()
    assert lines[2:] == [
        '| A | 800 | 40.0 | aaaaaaa bbbbbbb+ |',
        '| B | missing | missing | missing |',
        '| C | 2,000 | 1000.0 | unknown |',
        '| all 5 runs |  | 1,200 (20.0 hours) |  |',
    ]


def test_the_places_of_a_page_are_filled_again():
    text = 'a\n<!-- begin main -->\nold\n\nold\n<!-- end main -->\nb\n'
    filled = page.fill(text, {'main': '| \\1 |'})
    assert filled == 'a\n<!-- begin main -->\n| \\1 |\n<!-- end main -->\nb\n'
    assert page.fill(filled, {'main': '| \\1 |', 'cost': ''}) == filled


def test_each_part_has_one_place_in_the_pages(tmp_path):
    one, two = tmp_path / 'one.md', tmp_path / 'two.md'
    place = '<!-- begin {0} -->\n<!-- end {0} -->\n'
    one.write_text(place.format('main'))
    two.write_text('a\n' + place.format('cost'))
    page.fill_pages([one, two], {'main': 'x', 'cost': 'y'})
    assert one.read_text() == '<!-- begin main -->\nx\n<!-- end main -->\n'
    assert two.read_text() == 'a\n<!-- begin cost -->\ny\n<!-- end cost -->\n'
    page.fill_pages([one, two, one], {'main': '', 'cost': ''})  # Named twice, filled once.
    for pages, parts, message in [
        ([one], {'main': '', 'cost': ''}, 'have 0 places <!-- begin cost -->.*need 1'),
        ([one, two], {'main': ''}, 'have 1 places <!-- begin cost -->.*need 0'),
    ]:
        with pytest.raises(ValueError, match=message):
            page.fill_pages(pages, parts)
    two.write_text(place.format('cost') * 2)
    with pytest.raises(ValueError, match='have 2 places <!-- begin cost -->'):
        page.fill_pages([one, two], {'main': '', 'cost': ''})
    assert one.read_text() == '<!-- begin main -->\n\n<!-- end main -->\n'


def test_nothing_is_trained_yet():
    texts = page.parts({})
    assert set(texts) == set(page.HEADS)
    assert all('missing' in texts[name] for name in page.HEADS if name != 'quality')
