import numpy as np
import pytest

from wss.datasets.examples import SelectionError
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import sampling


def write(path, content):
    path.write_bytes(content)
    return str(path)


def test_read_ids_takes_blank_lines_white_space_and_any_line_ends(tmp_path):
    path = write(tmp_path / 'list.txt', b'\xef\xbb\xbfa\r\n\r\n  seq1/0002 \t\nb c\n\n')
    assert id_lists.read_ids(path) == ('a', 'seq1/0002', 'b c')


def test_written_ids_are_read_back(tmp_path):
    path = tmp_path / 'new' / 'list.txt'
    id_lists.write_ids(path, ['b', 'seq/ä', 'a'])
    assert path.read_bytes() == 'b\nseq/ä\na\n'.encode()
    assert id_lists.read_ids(path) == ('b', 'seq/ä', 'a')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'names no id'),
        (b' \r\n\n', 'names no id'),
        (b'a\nb\na\nb\nc\n', r'list\.txt repeats 2 ids, the first: a, b'),
        (b'\xff\xfe\x00', 'not a text file'),
    ],
)
def test_bad_lists_are_refused_by_name(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        id_lists.read_ids(write(tmp_path / 'list.txt', content))
    assert 'list.txt' in str(caught.value)


def test_a_missing_list_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.txt'):
        id_lists.read_ids(tmp_path / 'nowhere.txt')
    with pytest.raises(FileNotFoundError, match='folder'):
        id_lists.read_ids(tmp_path)


@pytest.mark.parametrize('ids', [[], ['a', 'a'], ['a\nb'], [' a'], ['']])
def test_ids_that_would_not_come_back_are_not_written(tmp_path, ids):
    with pytest.raises(ValueError, match=r'list\.txt'):
        id_lists.write_ids(tmp_path / 'list.txt', ids)


def test_a_sample_is_fixed_by_its_seed():
    # Ordered by `printf '%s' 7:ID | sha256sum`: c, e, a, d, b.
    ids = ['a', 'b', 'c', 'd', 'e']
    assert sampling.sample(ids, 2, seed=7) == ('c', 'e')
    assert sampling.sample(ids, 3, seed=7) == ('a', 'c', 'e')


def test_a_sample_keeps_the_order_and_does_not_depend_on_it():
    ids = [f'{i:03d}' for i in range(100)]
    sampled = sampling.sample(ids, 20, seed=1)
    assert list(sampled) == sorted(sampled) and len(set(sampled)) == 20
    assert set(sampling.sample(ids[::-1], 20, seed=1)) == set(sampled)
    assert set(sampling.sample(ids, 10, seed=1)) < set(sampled)
    assert sampling.sample(ids, 20, seed=2) != sampled


@pytest.mark.parametrize(
    ('amount', 'count'), [(0.125, 46), (1.0, 367), (1, 1), (367, 367), (0.5, 184), (0.0014, 1)]
)
def test_a_sample_takes_counts_and_shares(amount, count):
    # 367 / 8 = 45.875; 367 / 2 = 183.5; 367 * 0.0014 = 0.5138.
    assert len(sampling.sample([str(i) for i in range(367)], amount, seed=0)) == count


@pytest.mark.parametrize(
    ('amount', 'message'),
    [
        (0, 'Cannot sample 0 of 4 ids'),
        (5, 'give 1 to 4'),
        (-1, 'Cannot sample -1'),
        (0.0, 'above 0 and at most 1'),
        (1.5, 'for a count write an int'),
        (float('nan'), 'above 0'),
        (0.1, 'less than one id'),
        ('2', 'a count'),
        (True, 'a count'),
    ],
)
def test_samples_out_of_range_are_refused(amount, message):
    with pytest.raises(ValueError, match=message):
        sampling.sample(['a', 'b', 'c', 'd'], amount, seed=0)


def test_a_sample_needs_an_int_seed_and_unique_ids():
    with pytest.raises(ValueError, match='seed'):
        sampling.sample(['a', 'b'], 1, seed=0.5)
    with pytest.raises(ValueError, match='repeats 1 ids'):
        sampling.sample(['a', 'a'], 1, seed=0)


def test_match_ids_takes_endings_off_only_where_that_helps():
    known = ['a', 'b.jpg', 'v1.2', 'c']
    ids = ['a.JPG', 'b.jpg', 'v1.2', 'c.txt', 'd.png']
    assert id_lists.match_ids(ids, known) == ('a', 'b.jpg', 'v1.2', 'c.txt', 'd.png')


def test_split_ending_takes_the_longest():
    assert id_lists.split_ending('a_mask.PNG', ('.png', '_mask.png')) == ('a', '_mask.PNG')
    assert id_lists.split_ending('seq/.png', ('.png',)) == ('seq/.png', '')
    assert id_lists.split_ending('a.txt', ('.png',)) == ('a.txt', '')


# Which of three classes each id shows; class 3 is shown by none.
SHOWN = {'a': [0], 'b': [0, 2], 'c': [0], 'd': [0, 1], 'e': [0]}


def presence(ids):
    return np.array([[c in SHOWN[name] for c in range(4)] for name in ids])


def test_a_sample_of_every_class_takes_the_first_of_each():
    # In the order c, e, a, d, b: c is the first with class 0, d with class 1, b with class 2.
    assert sampling.sample('abcde', 3, 7, presence('abcde')) == ('b', 'c', 'd')
    assert sampling.sample('abcde', 4, 7, presence('abcde')) == ('b', 'c', 'd', 'e')
    assert sampling.sample('abcde', 1.0, 7, presence('abcde')) == tuple('abcde')
    assert set(sampling.sample('edcba', 4, 7, presence('edcba'))) == set('bcde')


def test_a_sample_too_small_for_every_class_says_the_least_count():
    with pytest.raises(ValueError, match=r'2 of 5 ids are too few .* seed 7 it takes 3 or more'):
        sampling.sample('abcde', 2, 7, presence('abcde'))


def test_samples_of_every_class_nest_also_in_each_other():
    ids = [f'{i:03d}' for i in range(60)]
    shown = np.random.default_rng(0).random((60, 8)) < 0.08
    shown[:3, :] = False
    large, small = (sampling.sample(ids, count, 1, shown) for count in (30, 15))
    assert set(small) < set(large)
    of_large = sampling.sample(large, 15, 1, shown[[ids.index(name) for name in large]])
    assert of_large == small
    assert shown[[ids.index(name) for name in small]].any(0).tolist() == shown.any(0).tolist()


@pytest.mark.parametrize(
    ('text', 'amount'), [('46', 46), ('0.125', 0.125), ('1.0', 1.0), ('1e-2', 0.01), ('-3', -3)]
)
def test_amounts_without_a_point_are_counts(text, amount):
    parsed = sampling.parse_amount(text)
    assert (parsed, type(parsed)) == (amount, type(amount))
    with pytest.raises(ValueError, match=r"'1/8' is not an amount; write a count such as 46"):
        sampling.parse_amount('1/8')


def test_narrow_maps_ids_and_refuses_what_does_not_fit_by_name():
    known = ['train2017/000000000009', 'train2017/000000000025', 'b.jpg']
    ids = ['train2017/000000000025.jpg', 'b.jpg']
    assert id_lists.narrow(ids, known) == ('train2017/000000000025', 'b.jpg')
    with pytest.raises(SelectionError, match=r'1 ids .* not in the dataset, the first: val2017/9'):
        id_lists.narrow(['val2017/9', 'b.jpg'], known)
    with pytest.raises(SelectionError, match=r'repeats ids: train2017/000000000009\.'):
        id_lists.narrow(['train2017/000000000009', 'train2017/000000000009.jpg'], known)
    with pytest.raises(SelectionError, match=r'left out because .* damaged .* first: c\.'):
        id_lists.narrow(['c.png', 'b.jpg'], known, skipped=['c'])


def test_sentences_about_lines_of_thousands_of_letters_are_short(tmp_path):
    long = 'x' * 5000
    path = tmp_path / 'list.txt'
    path.write_text(f'{long}\n{long}\n')
    with pytest.raises(ValueError, match='repeats 1 ids') as repeated:
        id_lists.read_ids(path)
    with pytest.raises(SelectionError, match='1 ids of the list are not') as unknown:
        id_lists.narrow(['a', long], ['a'])
    with pytest.raises(SelectionError, match='left out because') as broken:
        id_lists.narrow([long], ['a'], skipped=[long])
    with pytest.raises(ValueError, match='do not fit on a line') as unfit:
        id_lists.write_ids(path, [f'{long}\n{long}'])
    for caught in (repeated, unknown, broken, unfit):
        assert len(str(caught.value)) < 800
