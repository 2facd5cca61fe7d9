"""The comparison of two versions, on hashes made up here."""

import same_numbers


def test_variables_are_paired_by_any_of_their_hashes_whatever_their_names():
    before = {'a': ['1', '2'], 'b': ['3'], 'c': ['0'], 'd': ['0']}
    after = {'d': ['0'], 'x': ['2', '9'], 'c': ['0'], 'b': ['4']}
    assert same_numbers.unequal(before, after) == (['b'], ['b'])


def test_differences_are_printed_and_give_the_status(capsys):
    assert same_numbers.print_differences({'run': {'a': ['1']}}, {'run': {'b': ['1']}}) == 0
    assert capsys.readouterr().out == 'run: 1 equal, 0 only before, 0 only after\n'
    assert same_numbers.print_differences({'run': {'a': ['1']}}, {'run': {'a': ['2']}}) == 1
    assert 'only before: a' in capsys.readouterr().out
