import pytest

from wss.datasets import splits


def write(path, content):
    path.write_bytes(content)
    return str(path)


def test_read_ids_takes_blank_lines_white_space_and_any_line_ends(tmp_path):
    path = write(tmp_path / 'list.txt', b'\xef\xbb\xbfa\r\n\r\n  seq1/0002 \t\nb c\n\n')
    assert splits.read_ids(path) == ('a', 'seq1/0002', 'b c')


def test_written_ids_are_read_back(tmp_path):
    path = tmp_path / 'new' / 'list.txt'
    splits.write_ids(path, ['b', 'seq/ä', 'a'])
    assert path.read_bytes() == 'b\nseq/ä\na\n'.encode()
    assert splits.read_ids(path) == ('b', 'seq/ä', 'a')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'names no id'),
        (b' \r\n\n', 'names no id'),
        (b'a\nb\na\nb\nc\n', r'list\.txt repeats 2 ids, the first: a, b'),
        (b'\xff\xfe\x00a', 'not a text file'),
    ],
)
def test_bad_lists_are_refused_by_name(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        splits.read_ids(write(tmp_path / 'list.txt', content))
    assert 'list.txt' in str(caught.value)


def test_a_missing_list_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.txt'):
        splits.read_ids(tmp_path / 'nowhere.txt')
    with pytest.raises(FileNotFoundError, match='folder'):
        splits.read_ids(tmp_path)


@pytest.mark.parametrize('ids', [[], ['a', 'a'], ['a\nb'], [' a'], ['']])
def test_ids_that_would_not_come_back_are_not_written(tmp_path, ids):
    with pytest.raises(ValueError, match=r'list\.txt'):
        splits.write_ids(tmp_path / 'list.txt', ids)


def test_draw_is_fixed_by_its_seed():
    # Ordered by `printf '%s' 7:ID | sha256sum`: c, e, a, d, b.
    ids = ['a', 'b', 'c', 'd', 'e']
    assert splits.draw(ids, 2, seed=7) == ('c', 'e')
    assert splits.draw(ids, 3, seed=7) == ('a', 'c', 'e')


def test_draw_keeps_the_order_and_does_not_depend_on_it():
    ids = [f'{i:03d}' for i in range(100)]
    drawn = splits.draw(ids, 20, seed=1)
    assert list(drawn) == sorted(drawn) and len(set(drawn)) == 20
    assert set(splits.draw(ids[::-1], 20, seed=1)) == set(drawn)
    assert set(splits.draw(ids, 10, seed=1)) < set(drawn)
    assert splits.draw(ids, 20, seed=2) != drawn


@pytest.mark.parametrize(
    ('amount', 'count'), [(0.125, 46), (1.0, 367), (1, 1), (367, 367), (0.5, 184), (0.0014, 1)]
)
def test_draw_takes_counts_and_shares(amount, count):
    # 367 / 8 = 45.875; 367 / 2 = 183.5; 367 * 0.0014 = 0.5138.
    assert len(splits.draw([str(i) for i in range(367)], amount, seed=0)) == count


@pytest.mark.parametrize(
    ('amount', 'message'),
    [
        (0, 'Cannot draw 0 of 4 ids'),
        (5, 'give 1 to 4'),
        (-1, 'Cannot draw -1'),
        (0.0, 'above 0 and at most 1'),
        (1.5, 'for a count write an int'),
        (float('nan'), 'above 0'),
        (0.1, 'less than one id'),
        ('2', 'a count'),
        (True, 'a count'),
    ],
)
def test_draws_out_of_range_are_refused(amount, message):
    with pytest.raises(ValueError, match=message):
        splits.draw(['a', 'b', 'c', 'd'], amount, seed=0)


def test_draw_needs_an_int_seed_and_unique_ids():
    with pytest.raises(ValueError, match='seed'):
        splits.draw(['a', 'b'], 1, seed=0.5)
    with pytest.raises(ValueError, match='repeats 1 ids'):
        splits.draw(['a', 'a'], 1, seed=0)


def test_match_ids_takes_endings_off_only_where_that_helps():
    known = ['a', 'b.jpg', 'v1.2', 'c']
    ids = ['a.JPG', 'b.jpg', 'v1.2', 'c.txt', 'd.png']
    assert splits.match_ids(ids, known) == ('a', 'b.jpg', 'v1.2', 'c.txt', 'd.png')


def test_split_ending_takes_the_longest():
    assert splits.split_ending('a_mask.PNG', ('.png', '_mask.png')) == ('a', '_mask.PNG')
    assert splits.split_ending('seq/.png', ('.png',)) == ('seq/.png', '')
    assert splits.split_ending('a.txt', ('.png',)) == ('a.txt', '')
