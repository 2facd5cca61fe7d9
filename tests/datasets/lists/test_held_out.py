"""Images of validation and tests are not learned from unless that is asked for."""

import types
import warnings

import pytest

from wss.datasets.lists import held_out

HELD_OUT = 'val VAL validation valid test Test-dev my_test voc2012val eval minival val_2 testing'
OTHERS = 'train trainval train_val all interval latest unlabelled 4_clean pretrain extra'


@pytest.mark.parametrize(
    ('split', 'expected'),
    [*((name, True) for name in HELD_OUT.split()), *((name, False) for name in OTHERS.split())],
)
def test_names_that_say_so(split, expected):
    assert held_out.says_so(split) is expected


def make(**splits):
    def read(split):
        if splits[split] is None:
            raise FileNotFoundError(f'{split}.txt does not exist.')
        return splits[split]

    return types.SimpleNamespace(split_names=tuple(splits), split_ids=read)


VALIDATION = types.SimpleNamespace(ids=('c', 'd'))


def test_the_validation_split_and_splits_whose_names_say_so():
    dataset = make(train='ab', val='cd', test='e', val2='f', all='abcdef')
    found = held_out.find(dataset, 'all', types.SimpleNamespace(ids=tuple('abcdef')), {'val2'})
    assert list(found) == ['all', 'val', 'test']
    assert found['val'] == {'c', 'd'} and found['test'] == {'e'}
    assert set(held_out.find(dataset, None, None, {'train'})) == {'val', 'test', 'val2'}
    # A dataset that does not name its splits.
    assert held_out.find(object(), 'val', VALIDATION, {'train'}) == {'val': {'c', 'd'}}


def test_a_split_that_cannot_be_read_is_warned_of():
    with pytest.warns(UserWarning, match=r"Split 'test' cannot be read, so .* test\.txt does not"):
        found = held_out.find(make(train='a', test=None), 'val', VALIDATION, {'train'})
    assert list(found) == ['val']


def test_labelled_images_that_are_held_out_are_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        held_out.warn_of_labelled(('a', 'b'), {'val': {'c', 'd'}})
    with pytest.warns(UserWarning, match="The 2 labelled images are the images of split 'val'"):
        held_out.warn_of_labelled(('a', 'b'), {'val': {'a', 'b'}})
    with pytest.warns(UserWarning, match=r"1 of the 2 labelled .* the 3 of split 'test': b\. The"):
        held_out.warn_of_labelled(('a', 'b'), {'val': {'c'}, 'test': {'b', 'c', 'd'}})
