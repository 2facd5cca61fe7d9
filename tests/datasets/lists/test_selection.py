import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.datasets.lists import mask_classes, selection
from wss.datasets.lists.selection import Choice

INFO = DatasetInfo('toys', ('ground', 'car', 'ball'), ((0, 0, 0), (255, 0, 0), (0, 0, 255)))
# Classes that the mask of each image shows; None where there is no mask.
MASKS = {'a': [0], 'x/b': [0, 2], 'c': [0], 'd': [0, 1], 'e': None}


class Toys:
    """Images whose masks may be missing; notes which of them had to have one."""

    info = INFO

    def __init__(self, masks=None, has_image_label=False, known=False):
        self.masks = MASKS if masks is None else masks
        self.has_image_label = has_image_label
        self.known = known
        self.asked = []
        self.decoded = []

    def examples(self, split, labels='required', ids=None):
        self.asked.append((labels, ids and tuple(ids)))
        names = tuple(self.masks)
        shown = [self.masks[name] or [] for name in names]

        def decode(index):
            self.decoded.append(names[index])
            return np.array([[*shown[index], 255]], np.int32)

        def load(index):
            label = tf.numpy_function(decode, [index], tf.int32)
            example = {
                'image': tf.zeros([1, 3, 3], tf.uint8),
                'id': tf.gather(tf.constant(names), index),
            }
            if labels != 'none':
                example['label'] = tf.ensure_shape(label, [1, None])
            if self.has_image_label:
                example['image_label'] = tf.zeros([2])
            return example

        classes = np.array([[i in row for i in range(3)] for row in shown])
        examples = Examples(
            names,
            load,
            labels != 'none',
            (1, 3),
            INFO,
            self.has_image_label,
            mask_classes=classes if self.known else None,
        )
        examples = examples if ids is None else examples.select(ids)
        if labels == 'required':
            lost = [name for name in examples.ids if self.masks[name] is None]
            if lost:
                raise FileNotFoundError(f'no mask: {lost}')
        return examples


def method(unlabelled=True, image_labels=False):
    return types.SimpleNamespace(needs_unlabelled=unlabelled, needs_image_labels=image_labels)


def write(path, *ids):
    path.write_text(''.join(f'{name}\n' for name in ids))
    return str(path)


def test_only_listed_images_need_masks(tmp_path):
    choice = Choice('train', write(tmp_path / 'list.txt', 'd', 'x/b'))
    dataset = Toys()
    assert selection.labelled_examples(dataset, choice).ids == ('d', 'x/b')
    assert dataset.asked == [('required', ('d', 'x/b'))]
    with pytest.raises(FileNotFoundError, match='no mask'):
        selection.labelled_examples(dataset, Choice('train'))


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        (['x/b', 'y/b', 'b'], r'list.txt does not fit the dataset: 2 ids .*: y/b, b\. '),
        (['x/b', 'a', 'x/b'], r'list.txt repeats 1 ids, the first: x/b'),
    ],
)
def test_unknown_and_repeated_ids_are_named(tmp_path, ids, message):
    choice = Choice('train', write(tmp_path / 'list.txt', *ids))
    with pytest.raises(ValueError, match=message):
        selection.labelled_examples(Toys(), choice)
    with pytest.raises(ValueError, match=message):
        selection.unlabelled_examples(Toys(), method(), choice)


def test_other_errors_do_not_blame_the_list(tmp_path):
    choice = Choice('train', write(tmp_path / 'list.txt', 'e'))
    with pytest.raises(FileNotFoundError, match=r"^no mask: \['e'\]"):
        selection.labelled_examples(Toys(), choice)


@pytest.mark.parametrize('known', [True, False])
def test_a_sample_of_every_class(tmp_path, known):
    # By the hashes of `7:ID`: c, x/b, a, d; c is the first with class 0, x/b with 2, d with 1.
    path = write(tmp_path / 'list.txt', 'a', 'x/b', 'c', 'd')
    choice = Choice('train', path, 3, 7)
    dataset = Toys(known=known)
    assert selection.labelled_examples(dataset, choice).ids == ('a', 'x/b', 'c')
    assert dataset.decoded == []
    every = dataclasses.replace(choice, every_class=True)
    sampled = selection.labelled_examples(dataset, every)
    assert sampled.ids == ('x/b', 'c', 'd')
    assert sampled.mask_classes.tolist() == [
        [True, False, True],
        [True, False, False],
        [True, True, False],
    ]
    assert sorted(dataset.decoded) == ([] if known else ['a', 'c', 'd', 'x/b'])
    with pytest.raises(ValueError, match=r'2 of 4 ids are too few for every class: .* 3 or more'):
        selection.labelled_examples(dataset, dataclasses.replace(every, amount=2))
    with pytest.raises(ValueError, match=r'nothing is sampled; set Labelled.amount'):
        selection.labelled_examples(dataset, dataclasses.replace(every, amount=None))


def test_presence_refuses_what_is_no_class():
    dataset = Toys({'a': [0], 'b': [0, 7]})
    with pytest.raises(ValueError, match='The mask of b has pixels of value 7'):
        mask_classes.shown(dataset.examples('train'), INFO)


def test_unlabelled_images_need_no_masks():
    dataset = Toys()
    examples = selection.unlabelled_examples(dataset, method(), Choice('train'), ('a', 'c'))
    assert examples.ids == ('x/b', 'd', 'e') and examples.has_label
    examples = selection.unlabelled_examples(dataset, method(), Choice('train'), masks=False)
    assert len(examples) == 5 and not examples.has_label
    assert [labels for labels, _ in dataset.asked] == ['available', 'none']
    assert selection.unlabelled_examples(dataset, method(False), Choice('train')) is None


def test_weak_labels_need_the_masks_of_the_images_that_are_left_alone(tmp_path):
    dataset = Toys()
    weak = method(image_labels=True)
    choice = Choice('train', write(tmp_path / 'list.txt', 'd', 'a', 'x/b'))
    examples = selection.unlabelled_examples(dataset, weak, choice, ('a',))
    assert examples.ids == ('d', 'x/b')
    assert dataset.asked == [('available', ('d', 'a', 'x/b')), ('required', ('d', 'x/b'))]
    with pytest.raises(FileNotFoundError, match=r"no mask: \['e'\]"):
        selection.unlabelled_examples(dataset, weak, Choice('train'))
    assert len(selection.unlabelled_examples(dataset, weak, Choice('train'), ('e',))) == 4


def test_weak_labels_of_the_dataset_need_no_masks():
    weak = method(image_labels=True)
    labelled_by_hand = Toys(has_image_label=True)
    examples = selection.unlabelled_examples(labelled_by_hand, weak, Choice('train'), masks=False)
    assert len(examples) == 5 and not examples.has_label
    with pytest.raises(ValueError, match=r'set Unlabelled.masks = True, or take a dataset'):
        selection.unlabelled_examples(Toys(), weak, Choice('train'), masks=False)


def test_classes_that_no_labelled_mask_shows_are_named(recwarn):
    examples = Toys(known=True).examples('train', 'available')
    selection.check_classes(examples, INFO)
    selection.check_classes(Toys().examples('train', 'available').select(['a']), INFO)
    assert not recwarn.list
    with pytest.warns(UserWarning, match='No mask of the 2 labelled images shows car; the run'):
        selection.check_classes(examples.select(['a', 'x/b']), INFO)


def test_masks_of_one_class_are_refused():
    examples = Toys(known=True).examples('train', 'available')
    with pytest.raises(
        ValueError, match=r'the 2 labelled images show ground and .* ignore \(255\)'
    ):
        selection.check_classes(examples.select(['a', 'c']), INFO)
    with pytest.raises(ValueError, match=r'images show no class and nothing .* 0 to 2; or choose'):
        selection.check_classes(examples.select(['e']), INFO)
