"""Masks that score nothing are refused before training."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.datasets.lists import validation_masks

INFO = DatasetInfo('toys', ('ground', 'car', 'ball'), ((0, 0, 0), (255, 0, 0), (0, 0, 255)))


def make(*rows, known=True):
    labels = np.array(rows, np.int32)[:, None]
    classes = np.array([[i in row for i in range(3)] for row in rows])

    def load(index):
        return {'image': tf.zeros([1, 3, 3], tf.uint8), 'label': tf.gather(labels, index)}

    names = tuple(f'a{i}' for i in range(len(rows)))
    return Examples(names, load, True, (1, 3), INFO, mask_classes=classes if known else None)


@pytest.mark.parametrize('to_train', [True, False])
@pytest.mark.parametrize('known', [True, False])
def test_masks_without_a_labelled_pixel_are_refused(known, to_train):
    examples = make([255, 255, 255], [255, 255, 255], known=known)
    with pytest.raises(
        ValueError, match=r"nothing to score: the masks of the 2 images of split 'v'"
    ):
        validation_masks.check(examples, INFO, 'v', to_train)


def test_masks_of_one_class_are_refused_or_warned_of():
    examples = make([0, 255, 255], [255, 0, 0])
    message = r"2 images of split 'v' show ground and nothing else .* scores 100 %"
    with pytest.raises(ValueError, match=message + r'.*another Validation\.split'):
        validation_masks.check(examples, INFO, 'v')
    with pytest.warns(UserWarning, match=message):
        validation_masks.check(examples, INFO, 'v', to_train=False)


def test_classes_that_no_mask_shows_are_named():
    with pytest.warns(UserWarning, match=r"No mask of the 1 images of split 'v' shows ball; the"):
        validation_masks.check(make([0, 1, 255]), INFO, 'v')


def test_masks_are_decoded_no_further_than_the_second_class():
    ignored, ground, car, wrong = ([i, 255, i] for i in (255, 0, 1, 9))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        validation_masks.check(make([0, 1, 2]), INFO, 'v')
        validation_masks.check(make(ignored, ground, car, wrong, known=False), INFO, 'v')
        # So many that the rest is not read.
        validation_masks.check(make(*[ground] * 64, wrong, known=False), INFO, 'v')
        validation_masks.check(make(*[ignored] * 70, ground, wrong, known=False), INFO, 'v')
    with pytest.raises(ValueError, match=r'The mask of a0 has pixels of value 9'):
        validation_masks.check(make(wrong, known=False), INFO, 'v')
    with pytest.raises(ValueError, match=r'show car and nothing else'):
        validation_masks.check(make(ignored, car, car, known=False), INFO, 'v')
