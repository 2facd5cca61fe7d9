import numpy as np
import pytest
import tensorflow as tf

from wss.datasets import info
from wss.datasets.examples import Examples
from wss.datasets.folder import Folder
from wss.datasets.info import DatasetInfo
from wss.datasets.tfrecord import TFRecord
from wss.pipeline.data import Labelled
from wss.training.optimisers import momentum_poly
from wss.training.schedule import Schedule

BLACK_RED_GREEN = ((0, 0, 0), (255, 0, 0), (0, 255, 0))


def make_info(**changes):
    values = {
        'name': 'toys',
        'class_names': ('background', 'car', 'ball'),
        'colours': BLACK_RED_GREEN,
        **changes,
    }
    return DatasetInfo(**values)


def make_examples(ids=('a', 'b', 'c')):
    values = tf.constant([10, 20, 30], tf.uint8)

    def load(index):
        return {
            'image': tf.fill((1, 1, 3), tf.gather(values, index)),
            'id': tf.gather(tf.constant(ids), index),
        }

    shown = np.eye(3, dtype=bool)
    return Examples(
        ids=ids, load=load, has_label=False, max_size=(1, 1), info=make_info(), mask_classes=shown
    )


def test_background_is_no_image_class():
    assert (make_info().num_classes, make_info().num_image_classes) == (3, 2)
    assert make_info(has_background=False).num_image_classes == 3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'colours': BLACK_RED_GREEN[:2]}, '3 class names and 2 colours'),
        ({'class_names': ('background', 'car', 'car')}, 'repeats a class name'),
        ({'class_names': ('car',), 'colours': ((0, 0, 0),)}, 'two or more'),
        ({'ignore_value': 2}, 'ignore_value 2 must lie above'),
        ({'ignore_value': 256}, 'at most 255'),
    ],
)
def test_classes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_info(**changes)


def test_select_takes_examples_in_the_order_of_the_list():
    chosen = make_examples().select(['c', 'a'])
    assert chosen.ids == ('c', 'a')
    assert len(chosen) == 2
    loaded = [chosen.load(tf.constant(i, tf.int64)) for i in range(2)]
    assert [int(example['image'][0, 0, 0]) for example in loaded] == [30, 10]
    assert [example['id'].numpy() for example in loaded] == [b'c', b'a']
    assert chosen.mask_classes.tolist() == [[False, False, True], [True, False, False]]


def test_selections_can_be_selected_from():
    chosen = make_examples().select(['c', 'b', 'a']).select(['a', 'c'])
    data = tf.data.Dataset.range(2).map(chosen.load)
    assert [int(example['image'][0, 0, 0]) for example in data] == [10, 30]


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        (['a', 'x', 'y'], '2 ids of the list are not in the dataset, the first: x, y'),
        (['a', 'b', 'a'], 'repeats ids: a'),
        ([], 'empty'),
    ],
)
def test_lists_that_do_not_fit_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        make_examples().select(ids)


def test_which_settings_a_resumed_run_may_change():
    assert info.may_change(Schedule, 'log_every') and not info.may_change(Schedule, 'steps')
    assert info.may_change(Folder, 'masks') and not info.may_change(Folder, 'class_names')
    assert info.may_change(TFRecord, 'splits') and info.may_change(Labelled, 'list_file')
    assert not info.may_change(momentum_poly, 'power')
