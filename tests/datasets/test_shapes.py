"""Generated scenes: a function of the seed, other seeds for every split, sound label maps."""

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.shapes import Shapes

COUNTS = {'train': 12, 'val': 3, 'test': 3}


def test_an_example_is_what_it_says():
    examples = Shapes(size=33, counts=COUNTS).examples('train')
    assert len(examples) == 12 and examples.max_size == (33, 33) and examples.has_label
    example = examples.load(tf.constant(4, tf.int64))
    assert example['image'].shape == (33, 33, 3) and example['image'].dtype == tf.uint8
    assert example['label'].shape == (33, 33) and example['label'].dtype == tf.int32
    assert example['id'].numpy() == b'train-000004'


def test_a_scene_is_a_function_of_seed_split_and_number():
    first, again = Shapes(33).scene('train', 5), Shapes(33, COUNTS).scene('train', 5)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    others = [(0, 'train', 6), (0, 'test', 5), (1, 'train', 5)]
    for seed, split, index in others:
        other = Shapes(33, seed=seed).scene(split, index)
        assert np.mean(first[0] != other[0]) > 0.5


def test_every_class_occurs_and_the_ground_prevails():
    dataset = Shapes(33)
    labels = np.stack([dataset.scene('train', i)[1] for i in range(60)])
    shares = np.bincount(labels.ravel(), minlength=7) / labels.size
    assert dataset.info.num_classes == len(shares) == 7
    assert shares[0] > 0.5 and shares[1:].min() > 0.005


def test_colour_does_not_tell_the_class():
    """Mean colours of two classes lie closer together than they spread."""
    dataset = Shapes(33)
    means = {1: [], 4: []}
    for i in range(150):
        image, label = dataset.scene('train', i)
        for kind, values in means.items():
            if np.any(label == kind):
                values.append(image[label == kind].mean(0))
    first, second = (np.array(values) for values in means.values())
    assert np.all(np.abs(first.mean(0) - second.mean(0)) < np.concatenate([first, second]).std(0))


def test_without_labels_no_mask_is_given():
    examples = Shapes(33, COUNTS).examples('val', labels='none')
    assert not examples.has_label
    assert set(examples.load(tf.constant(0, tf.int64))) == {'image', 'id'}


def test_in_a_pipeline_as_by_hand():
    dataset = Shapes(33, COUNTS)
    examples = dataset.examples('val').select(['val-000002', 'val-000000'])
    shown = list(tf.data.Dataset.range(2).map(examples.load).as_numpy_iterator())
    assert [example['id'] for example in shown] == [b'val-000002', b'val-000000']
    np.testing.assert_array_equal(shown[0]['image'], dataset.scene('val', 2)[0])
    np.testing.assert_array_equal(shown[1]['label'], dataset.scene('val', 0)[1])


def test_unknown_split_and_bad_numbers():
    with pytest.raises(ValueError, match="no split 'dev'; it has train, val, test"):
        Shapes(33, COUNTS).examples('dev')
    with pytest.raises(ValueError, match=r'Shapes\.size is 0'):
        Shapes(0)
    with pytest.raises(ValueError, match=r'Shapes\.seed is -1'):
        Shapes(seed=-1)
    with pytest.raises(ValueError, match='it must be a whole number, 1 to 1000000'):
        Shapes(counts={'train': 10**12})


def test_scenes_are_narrowed_to_ids():
    shapes = Shapes(size=33, counts={'train': 5})
    examples = shapes.examples('train', ids=['train-000003', 'train-000001.png'])
    assert examples.ids == ('train-000003', 'train-000001')
    image = examples.load(tf.constant(0, tf.int64))['image']
    np.testing.assert_array_equal(image, shapes.scene('train', 3)[0])
