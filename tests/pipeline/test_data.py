"""Which examples a run takes."""

import dataclasses
import types

import pytest

from wss.datasets.lists.selection import Choice
from wss.pipeline.data import Data, Labelled, Unlabelled, Validation

LEARNS_FROM_BOTH = types.SimpleNamespace(needs_unlabelled=True, needs_image_labels=False)
LEARNS_FROM_LABELLED = types.SimpleNamespace(needs_unlabelled=False, needs_image_labels=False)


def make_data(tiny, labelled=None, unlabelled=None):
    return Data(tiny.make_dataset, dict, labelled or Labelled(), unlabelled or Unlabelled())


def select(data, method=LEARNS_FROM_BOTH):
    examples, _ = data.select(data.make_dataset(), method, data.choices())
    return {name: part.ids for name, part in examples.items()}


def names(*numbers):
    return tuple(f'train{i}' for i in numbers)


def test_choices_have_the_settings_of_their_stream():
    labelled = Labelled('train', 'list.txt', 4, 3, True, batch_size=2)
    assert labelled.choice() == Choice('train', 'list.txt', 4, 3, True)
    assert Unlabelled('extra', 'other.txt').choice() == Choice('extra', 'other.txt')
    assert Labelled().choice() == Choice('train') == Unlabelled().choice()


def test_a_list_is_found_when_it_is_asked_for():
    calls = []

    def find():
        calls.append(1)
        return 'found.txt'

    data = Data(dict, dict, Labelled(list_file=find), Unlabelled(list_file=find))
    assert not calls
    found = {name: choice.list_file for name, choice in data.choices().items()}
    assert found == {'labelled': 'found.txt', 'unlabelled': 'found.txt'}
    assert len(calls) == 2


def test_all_of_the_split_without_further_settings(tiny):
    assert select(make_data(tiny)) == {
        'labelled': names(*range(12)),
        'unlabelled': names(*range(12)),
    }


def test_a_method_that_learns_from_labelled_images_alone_gets_no_others(tiny):
    assert set(select(make_data(tiny), LEARNS_FROM_LABELLED)) == {'labelled'}


def test_an_amount_is_sampled_by_its_seed(tiny):
    first, again, other = (
        select(make_data(tiny, Labelled(amount=4, seed=seed)))['labelled'] for seed in (0, 0, 1)
    )
    assert first == again != other
    assert len(set(first)) == 4
    assert len(select(make_data(tiny, Labelled(amount=0.25)))['labelled']) == 3


def test_lists_narrow_the_splits(tiny, tmp_path):
    (tmp_path / 'few.txt').write_text('train3\ntrain1\n')
    (tmp_path / 'others.txt').write_text('train1\ntrain5\ntrain7\n')
    labelled = Labelled(list_file=str(tmp_path / 'few.txt'))
    others = str(tmp_path / 'others.txt')
    both = make_data(tiny, labelled, Unlabelled(list_file=others))
    assert select(both) == {'labelled': names(3, 1), 'unlabelled': names(1, 5, 7)}
    excluded = make_data(tiny, labelled, Unlabelled(list_file=others, exclude_labelled=True))
    assert select(excluded) == {'labelled': names(3, 1), 'unlabelled': names(5, 7)}


def test_no_unlabelled_image_may_be_left(tiny):
    with pytest.raises(ValueError, match='No unlabelled image is left: all 12 of split'):
        select(make_data(tiny, unlabelled=Unlabelled(exclude_labelled=True)))


@pytest.mark.parametrize('masks', [True, False])
def test_masks_of_unlabelled_images_are_read_or_not(tiny, masks):
    data = make_data(tiny, unlabelled=Unlabelled(masks=masks))
    examples, _ = data.select(data.make_dataset(), LEARNS_FROM_BOTH, data.choices())
    assert examples['unlabelled'].has_label == masks
    assert examples['labelled'].has_label


def test_images_of_both_streams_are_scaled_down(tiny):
    data = dataclasses.replace(make_data(tiny), long_side=20)
    examples, _ = data.select(data.make_dataset(), LEARNS_FROM_BOTH, data.choices())
    for part in examples.values():
        assert part.max_size == (20, 20)
        example = part.load(3)
        assert example['image'].shape == (20, 20, 3) and example['label'].shape == (20, 20)


def test_images_of_a_step(tiny):
    data = make_data(tiny, Labelled(batch_size=3), Unlabelled(batch_size=5))
    assert data.batch_sizes(('labelled', 'unlabelled')) == {'labelled': 3, 'unlabelled': 5}
    assert data.batch_sizes(('labelled',)) == {'labelled': 3}


@pytest.mark.parametrize(('replicas', 'size'), [(1, 5), (2, 6), (4, 8), (5, 5), (8, 8)])
def test_the_batch_of_validation_is_rounded_up_to_the_replicas(replicas, size):
    assert Validation(batch_size=5).rounded_batch_size(replicas) == size


def test_what_a_resumed_run_may_change_of_the_data():
    changeable = {
        f'{part.__name__}.{field.name}'
        for part in (Data, Labelled, Unlabelled, Validation)
        for field in dataclasses.fields(part)
        if field.metadata.get('may_change')
    }
    lists = {'Labelled.list_file', 'Unlabelled.list_file'}
    assert changeable == {'Validation.batch_size', *lists}
