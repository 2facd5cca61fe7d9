"""Batches of whole images."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.pipeline import evaluation
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame

PADDING = (100.0, 110.0, 120.0)
INFO = DatasetInfo('two', ('background', 'a', 'b'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
FIXED = Frame(1, PADDING, (6, 7))


def make_examples(sizes, has_label=True, known=True):
    """Example `i` has a size of `sizes`, the value `i`, and the class `i % 3`."""

    def load(index):
        height, width = tf.unstack(tf.gather(tf.constant(sizes), index), num=2)
        example = {
            'image': tf.cast(tf.fill([height, width, 3], index), tf.uint8),
            'id': tf.strings.join(['id', tf.strings.as_string(index)]),
        }
        if has_label:
            example['label'] = tf.cast(tf.fill([height, width], index % 3), tf.int32)
        return example

    ids = tuple(f'id{i}' for i in range(len(sizes)))
    largest = tuple(np.max(sizes, axis=0).tolist())
    known = np.array(sizes) if known else None
    return Examples(ids, load, has_label, largest, INFO, sizes=known)


def host(number, hosts, replicas=1):
    return tf.distribute.InputContext(hosts, number, hosts * replicas)


def ids_of(dataset):
    return [[name.decode() for name in batch['id'].numpy()] for batch in dataset]


def test_images_are_padded_to_a_fixed_size():
    found = list(WholeImages(make_examples([(4, 5), (5, 5), (4, 5)]), FIXED, 2)())
    assert ids_of(found) == [['id0', 'id1'], ['id2']]
    image, label = (found[0][name].numpy()[1] for name in ('image', 'label'))
    assert image.shape == (6, 7, 3) and image.dtype == np.float32
    inside = np.zeros((6, 7), bool)
    inside[:5, :5] = True
    np.testing.assert_array_equal(label, np.where(inside, 1, 255))
    assert (image[inside] == 1).all() and (image[~inside] == PADDING).all()


@pytest.mark.parametrize('known', [True, False])
def test_batches_have_images_of_one_size_and_none_that_are_empty(known):
    sizes = [(5, 5), (20, 9), (5, 6), (17, 17), (18, 30), (16, 4)]
    frame = Frame(8, PADDING)
    whole = WholeImages(make_examples(sizes, known=known), frame, 2)
    found = list(whole())
    assert ids_of(found) == [['id4'], ['id1'], ['id0', 'id2'], ['id3', 'id5']]
    shapes = [batch['image'].shape[1:3].as_list() for batch in found]
    assert shapes == [[25, 33], [25, 17], [17, 17], [17, 17]]
    assert [batch.images for batch in whole.plan] == [1, 1, 2, 2]
    assert whole.plan[0].pixels == 25 * 33


def test_a_larger_image_than_the_fixed_size_has_its_own_and_changes_no_other():
    small = [(5, 5), (4, 6)]
    alone = list(WholeImages(make_examples(small), Frame(8, PADDING, (25, 25)), 2)())
    mixed = WholeImages(make_examples([*small, (5, 40)]), Frame(8, PADDING, (25, 25)), 2)
    mixed = list(mixed())
    assert ids_of(mixed) == [['id2'], ['id0', 'id1']]
    assert mixed[0]['image'].shape[1:3] == (17, 41)
    tf.nest.map_structure(np.testing.assert_array_equal, alone[0], mixed[1])


def test_batches_of_large_images_are_smaller(monkeypatch):
    monkeypatch.setattr(evaluation, 'MOST_PIXELS', 3 * 17 * 17)
    examples = make_examples([(17, 17)] * 8 + [(33, 33)] * 2)
    counts = [batch.images for batch in WholeImages(examples, Frame(8, PADDING), 8).plan]
    assert counts == [1, 1, 3, 3, 2]
    # What the configuration asks for is done.
    fixed = WholeImages(examples, Frame(8, PADDING, (33, 33)), 8)
    assert [batch.images for batch in fixed.plan] == [8, 2]
    two = WholeImages(examples, Frame(8, PADDING), 8, replicas=2)
    assert [len(batch.positions) for batch in two.plan] == [2, 6, 6]


def test_hosts_and_replicas_have_every_example_once():
    sizes = [(5, 5)] * 5 + [(20, 20)]
    whole = WholeImages(make_examples(sizes), Frame(8, PADDING), 4, replicas=2)
    hosts = [ids_of(whole(host(number, 2))) for number in range(2)]
    assert hosts == [
        [['id5', ''], ['id0', 'id1'], ['id4', '']],
        [['', ''], ['id2', 'id3'], ['', '']],
    ]
    one = whole(host(0, 1, replicas=2))
    assert ids_of(one) == [pair for both in zip(*hosts, strict=True) for pair in both]
    assert int(one.cardinality()) == 6 and int(whole().cardinality()) == 3


def test_what_fills_a_batch_is_padding():
    (_, last) = WholeImages(make_examples([(5, 5)] * 3), FIXED, 2, fill=True)()
    image, label = last['image'].numpy()[1], last['label'].numpy()[1]
    assert (image == PADDING).all() and (label == 255).all() and last['id'][1] == b''


def test_shapes_are_static_where_all_batches_have_one():
    def is_static(dataset):
        return all(s.shape.is_fully_defined() for s in tf.nest.flatten(dataset.element_spec))

    examples = make_examples([(5, 5), (4, 5), (5, 4)])
    assert is_static(WholeImages(examples, FIXED, 2, fill=True)())
    assert is_static(WholeImages(examples, FIXED, 3)())
    last_is_smaller = WholeImages(examples, FIXED, 2)().element_spec
    assert last_is_smaller['image'].shape.as_list() == [None, 6, 7, 3]
    assert last_is_smaller['label'].shape.as_list() == [None, 6, 7]
    assert not is_static(WholeImages(examples, dataclasses.replace(FIXED, size=None), 1)())


def test_labels_may_be_missing():
    (batch,) = WholeImages(make_examples([(5, 5)], has_label=False), FIXED, 2)()
    assert (batch['label'].numpy() == 255).all()


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match=r'^Validation\.batch_size is 0'):
        WholeImages(make_examples([(5, 5)]), FIXED, 0)
    with pytest.raises(ValueError, match=r'Validation\.batch_size = 3 cannot be divided among 2'):
        WholeImages(make_examples([(5, 5)]), FIXED, 3, replicas=2)
    nothing = dataclasses.replace(make_examples([(5, 5)]), ids=())
    with pytest.raises(ValueError, match='no evaluation examples'):
        WholeImages(nothing, FIXED, 1)


def test_scaled_images_keep_their_label_maps():
    frame = Frame(8, PADDING, long_side=20)
    whole = WholeImages(make_examples([(30, 40), (40, 30), (10, 12)]), frame, 2)
    found = {batch['id'].numpy()[0].decode(): batch for batch in whole()}
    assert found['id0']['image'].shape[1:3] == (17, 25)
    assert found['id0']['label'].shape[1:] == (30, 40)
    rows, columns = found['id0']['rows'].numpy()[0], found['id0']['columns'].numpy()[0]
    # Two pixels of the photo are one of the scaled copy, which has 15 x 20.
    np.testing.assert_allclose(rows[:4], [0.0, 0.25, 0.75, 1.25])
    assert rows.shape == (30,) and rows[-1] == 14.0
    assert columns.shape == (40,) and columns[-1] == 19.0
    assert found['id1']['image'].shape[1:3] == (25, 17)
    # What is small is not enlarged, and its label map is padded as the image is.
    assert found['id2']['label'].shape[1:] == (17, 17)
    np.testing.assert_array_equal(found['id2']['rows'][0], np.arange(17))
