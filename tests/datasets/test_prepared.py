import os

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets.small_builds import HEIGHT, WIDTH, mask, record, write_build
from wss.datasets.examples import SelectionError
from wss.datasets.prepared import Prepared
from wss.datasets.records import index as record_index


@pytest.fixture
def build(tmp_path):
    """Five training images in two files, and two images without masks."""
    train = [
        [record(f'2007_{i:06d}', i, image_classes=[1 + i, 20]) for i in range(3)],
        [record(f'2007_{i:06d}', i, image_classes=[]) for i in range(3, 5)],
    ]
    test = [[record('test0', 7, has_label=False), record('test1', 8, has_label=False)]]
    folder = write_build(tmp_path, {'train': train, 'test': test})
    return tmp_path, folder


def load(examples, position):
    return {name: value.numpy() for name, value in examples.load(tf.constant(position)).items()}


def test_examples_in_the_order_of_the_records(build):
    examples = Prepared('voc_seg/2012', build[0]).examples('train')
    assert examples.ids == tuple(f'2007_{i:06d}' for i in range(5))
    assert examples.has_label and not examples.has_image_label
    assert examples.max_size == (HEIGHT, WIDTH)
    assert examples.sizes.tolist() == [[HEIGHT, WIDTH]] * 5
    for i in (4, 0, 3):
        example = load(examples, i)
        assert set(example) == {'image', 'id', 'label'}
        assert example['id'] == f'2007_{i:06d}'.encode()
        assert example['image'].dtype == np.uint8 and example['label'].dtype == np.int32
        np.testing.assert_array_equal(example['image'], np.full((HEIGHT, WIDTH, 3), 10 * i))
        np.testing.assert_array_equal(example['label'], mask(i))
    expected = np.zeros((5, 21), bool)
    expected[:, 0] = expected[range(5), range(1, 6)] = True
    np.testing.assert_array_equal(examples.mask_classes, expected)


def test_examples_can_be_read_in_a_pipeline(build):
    examples = Prepared('voc_seg/2012', build[0]).examples('train')
    dataset = tf.data.Dataset.from_tensor_slices([2, 1]).map(examples.load)
    assert dataset.element_spec['image'].shape.as_list() == [None, None, 3]
    assert [int(example['image'][0, 0, 0]) for example in dataset] == [20, 10]


def test_a_list_narrows_the_split(build):
    dataset = Prepared('voc_seg/2012', build[0])
    examples = dataset.examples('train', ids=['2007_000003.jpg', '2007_000001'])
    assert examples.ids == ('2007_000003', '2007_000001')
    np.testing.assert_array_equal(load(examples, 0)['label'], mask(3))
    assert examples.mask_classes[:, 1:6].tolist() == [[0, 0, 0, 1, 0], [0, 1, 0, 0, 0]]
    with pytest.raises(SelectionError, match=r'2007_000009'):
        dataset.examples('train', ids=['2007_000009'])
    with pytest.raises(SelectionError, match=r'repeats'):
        dataset.examples('train', ids=['2007_000001', '2007_000001.jpg'])


def test_masks_are_read_only_where_they_are_asked_for(build):
    dataset = Prepared('voc_seg/2012', build[0])
    assert set(load(dataset.examples('train', 'none'), 0)) == {'image', 'id'}
    assert set(load(dataset.examples('test', 'available'), 0)) == {'image', 'id'}
    with pytest.raises(
        ValueError, match=r'2 examples of split .test. .* have no mask: test0, test1'
    ):
        dataset.examples('test')
    with pytest.raises(ValueError, match=r'labels must be one of'):
        dataset.examples('train', 'perhaps')


def test_where_some_have_masks_the_others_are_ignored(tmp_path):
    records = [record('with', 0), record('without', 1, has_label=False)]
    write_build(tmp_path, {'train': [records]})
    dataset = Prepared('voc_seg/2012', tmp_path)
    examples = dataset.examples('train', 'available')
    np.testing.assert_array_equal(load(examples, 0)['label'], mask(0))
    np.testing.assert_array_equal(load(examples, 1)['label'], np.full((HEIGHT, WIDTH), 255))
    # A list that leaves the image without mask out has what it needs.
    assert dataset.examples('train', 'required', ['with']).ids == ('with',)


def test_image_labels_of_the_annotations(build):
    dataset = Prepared('voc_seg/2012', build[0], image_labels='annotations')
    examples = dataset.examples('train', 'none')
    assert examples.has_image_label
    expected = np.zeros(20, np.float32)
    expected[[1, 19]] = 1  # Classes 2 and 20, the background left out.
    np.testing.assert_array_equal(load(examples, 1)['image_label'], expected)
    np.testing.assert_array_equal(load(examples, 4)['image_label'], np.zeros(20))
    with pytest.raises(ValueError, match=r'have no image-level label: test0, test1; set Prepared'):
        dataset.examples('test', 'none')


def test_splits_of_another_build(build):
    data_dir, _ = build
    write_build(data_dir, {'unlabeled': [[record('u', 1, False)]]}, 'voc_seg/more')
    splits = {'all': 'train', 'unlabeled': 'voc_seg/more:unlabeled'}
    dataset = Prepared('voc_seg/2012', data_dir, splits)
    assert len(dataset.examples('all')) == 5
    assert dataset.examples('unlabeled', 'none').ids == ('u',)
    with pytest.raises(ValueError, match=r'no split .train.; Prepared.splits names all, unlabeled'):
        dataset.examples('train')
    with pytest.raises(ValueError, match=r'has other classes'):
        Prepared('voc_seg/2012', data_dir, {'x': 'coco_seg/2017:train'})


def test_newest_whole_version_is_taken(build):
    data_dir, _ = build
    write_build(data_dir, {'train': [[record('new', 1)]]}, version='1.10.0')
    write_build(data_dir, {'train': [[record('older', 1)]]}, version='1.9.0')
    half = write_build(data_dir, {'train': [[record('half', 1)]]}, version='2.0.0')
    os.remove(os.path.join(half, 'dataset_info.json'))
    assert Prepared('voc_seg/2012', data_dir).examples('train').ids == ('new',)


def test_what_is_not_there_is_named(build):
    with pytest.raises(ValueError, match=r'it must be DATASET/CONFIGURATION'):
        Prepared('voc_seg', build[0])
    with pytest.raises(ValueError, match=r'Prepared.image_labels'):
        Prepared('voc_seg/2012', build[0], image_labels='maybe')
    command = r'python -m wss.prepare --dataset coco_seg/2017 --data_dir'
    with pytest.raises(FileNotFoundError, match=command):
        Prepared('coco_seg/2017', build[0]).examples('train')
    with pytest.raises(ValueError, match=r'Prepared\.data_dir is .*; it must be a path'):
        Prepared('coco_seg/2017', '')
    with pytest.raises(ValueError, match=r'has no split .validation.; it has test, train'):
        Prepared('voc_seg/2012', build[0]).examples('validation')


def test_index_is_kept_and_made_again_when_files_change(build, monkeypatch):
    data_dir, folder = build
    dataset = Prepared('voc_seg/2012', data_dir)
    before = dataset.examples('train')
    kept = os.path.join(folder, 'index-train.npz')
    assert os.path.exists(kept)
    monkeypatch.setattr(record_index, '_scan', lambda *_: pytest.fail('The index was there.'))
    assert dataset.examples('train').ids == before.ids
    monkeypatch.undo()
    shard = os.path.join(folder, 'voc_seg-train.tfrecord-00001-of-00002')
    with tf.io.TFRecordWriter(shard) as writer:
        writer.write(record('other', 2))
    assert dataset.examples('train').ids == (*before.ids[:3], 'other')
    with open(kept, 'wb') as file:
        file.write(b'no archive')
    assert len(dataset.examples('train')) == 4


def test_index_that_cannot_be_kept_is_no_error(build, monkeypatch):
    def refuse(path, index):
        raise PermissionError('read-only')

    monkeypatch.setattr(record_index, '_save', refuse)
    with pytest.warns(UserWarning, match='cannot be written'):
        assert len(Prepared('voc_seg/2012', build[0]).examples('train')) == 5


def test_half_an_index_is_not_left_behind(build):
    os.mkdir(os.path.join(build[1], 'index-train.npz'))  # Cannot be replaced by a file.
    with pytest.warns(UserWarning, match='cannot be written'):
        assert len(Prepared('voc_seg/2012', build[0]).examples('train')) == 5
    assert not [name for name in os.listdir(build[1]) if 'unfinished' in name]


def test_missing_and_damaged_files_are_named(build):
    data_dir, folder = build
    dataset = Prepared('voc_seg/2012', data_dir)
    first = os.path.join(folder, 'voc_seg-train.tfrecord-00000-of-00002')
    with open(first, 'rb') as file:
        content = file.read()
    with open(first, 'wb') as file:
        file.write(content[:-20])
    with pytest.raises(ValueError, match=r'cut off. Delete .* and build it again'):
        dataset.examples('train')
    with tf.io.TFRecordWriter(first) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(ValueError, match=r'is not a record of wss.prepare'):
        dataset.examples('train')
    os.remove(first)
    with pytest.raises(ValueError, match=r'has 1 of its 2 files'):
        dataset.examples('train')


def test_ids_that_stand_twice_are_named(tmp_path):
    write_build(tmp_path, {'train': [[record('a', 0), record('b', 0), record('a', 1)]]})
    with pytest.raises(ValueError, match=r'more than one record in .*: a; delete'):
        Prepared('voc_seg/2012', tmp_path).examples('train')


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    example = tf.train.Example.FromString(record('bad', 2))
    feature = example.features.feature['image'].bytes_list
    feature.value[0] = feature.value[0][:-20]
    folder = write_build(tmp_path, {'train': [[record('good', 1), example.SerializeToString()]]})
    examples = Prepared('voc_seg/2012', tmp_path).examples('train')
    assert load(examples, 0)['image'].shape == (HEIGHT, WIDTH, 3)
    message = f'ValueError: The image of example bad is damaged: .* Delete {folder}'
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        load(examples, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(tf.data.Dataset.range(2).map(examples.load))
