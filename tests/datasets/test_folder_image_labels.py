"""Image-level labels of a folder's images, from a file."""

import types
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.folder import Folder
from wss.datasets.lists import selection
from wss.datasets.lists.selection import Choice

WEAK = types.SimpleNamespace(needs_unlabelled=True, needs_image_labels=True)
CLASSES = ('background', 'traffic light', 'ball')


@pytest.fixture
def folder(tmp_path):
    """Four images; the mask of `a` shows ground and balls, and the others have none."""
    for name in ('a.png', 'b.jpg', 'seq/c.png', 'd.png'):
        (tmp_path / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (6, 4)).save(tmp_path / 'images' / name)
    (tmp_path / 'masks').mkdir()
    Image.fromarray(np.uint8([[0, 2, 2, 255, 0, 0]] * 4)).save(tmp_path / 'masks' / 'a.png')
    (tmp_path / 'train.txt').write_text('a\n')
    return tmp_path


def make(folder, text, **changes):
    (folder / 'shown.csv').write_text(text)
    splits = {'train': str(folder / 'train.txt'), 'all': None}
    values = {'masks': str(folder / 'masks'), 'splits': splits, **changes}
    file = str(folder / 'shown.csv')
    return Folder(str(folder / 'images'), CLASSES, image_labels=file, **values)


def image_labels(examples):
    loads = tf.data.Dataset.range(len(examples)).map(examples.load)
    return {e['id'].decode(): e['image_label'].tolist() for e in loads.as_numpy_iterator()}


COMMAS = 'b.jpg,traffic light,ball\nseq/c.png, ball\nd,\n'


@pytest.mark.parametrize(
    'text',
    [
        COMMAS,
        'image,label\n' + COMMAS,
        '# by hand\nb;traffic light;ball\nimages/seq/c.png;ball\nd.png;background\n',
        'b.jpg\ttraffic light\nb.jpg\tball\nseq/c\tball\nd',
        '"b.jpg","traffic light","ball"\n"seq/c.png",ball\nd.png\nnot_there.png,ball\n',
    ],
)
def test_lines_give_the_classes_and_masks_fill_in(folder, text):
    examples = make(folder, text).examples('all', 'available')
    assert examples.has_image_label and examples.has_label
    expected = {'a': [0, 1], 'b': [1, 1], 'd': [0, 0], 'seq/c': [0, 1]}
    assert image_labels(examples) == expected
    assert image_labels(examples.select(['d', 'b'])) == {'d': [0, 0], 'b': [1, 1]}


def test_a_dataset_without_background(folder):
    Image.fromarray(np.uint8([[1, 2, 2, 255, 1, 1]] * 4)).save(folder / 'masks' / 'a.png')
    text = 'b,background,ball\nseq/c,ball\nd,background\n'
    with pytest.warns(UserWarning, match='counts as a class like the others'):
        dataset = make(folder, text, has_background=False)
    examples = dataset.examples('all', 'available')
    expected = {'a': [0, 1, 1], 'b': [1, 0, 1], 'd': [1, 0, 0], 'seq/c': [0, 0, 1]}
    assert image_labels(examples) == expected


def test_images_with_masks_learn_from_them_alone(folder):
    assert not make(folder, COMMAS).examples('train').has_image_label


def test_weak_mode_needs_no_masks(folder):
    text = COMMAS + 'a.png,ball\n'
    for masks in (True, False):
        examples = selection.unlabelled_examples(
            make(folder, text), WEAK, Choice('all'), left_out=['a'], masks=masks
        )
        assert image_labels(examples) == {'b': [1, 1], 'd': [0, 0], 'seq/c': [0, 1]}
    dataset = make(folder, text, masks=None)
    assert image_labels(dataset.examples('all', 'available'))['a'] == [0, 1]


def test_weak_mode_without_the_file_says_what_to_set(folder):
    splits = {'all': None}
    dataset = Folder(str(folder / 'images'), CLASSES, str(folder / 'masks'), splits)
    with pytest.raises(
        FileNotFoundError, match=r'3 of its ids have no mask.*Folder.image_labels names'
    ):
        selection.unlabelled_examples(dataset, WEAK, Choice('all'))
    with pytest.raises(ValueError, match=r'Unlabelled.masks = True.*Folder.image_labels'):
        selection.unlabelled_examples(dataset, WEAK, Choice('all'), masks=False)


def test_an_image_without_line_and_mask_is_refused(folder):
    dataset = make(folder, 'b.jpg,ball\n')
    with pytest.raises(ValueError, match=r'2 images have no line in .*shown.csv.*: d, seq/c\. Add'):
        dataset.examples('all', 'available')
    with pytest.raises(ValueError, match=r'3 images have no line .* no mask that was read'):
        dataset.examples('all', 'none')


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('b.jpg,bal\n', "'b.jpg,bal' of .*shown.csv names 'bal', which is no class; classes: back"),
        ('b.jpg,1\n', "names '1', which is no class"),
        ('a.png,ball\na,ball\n', 'both a.png and a are image a'),
        ('b,' + 'x' * 200_000, 'the line .* of .*shown.csv cannot be read. A line is an image'),
        ('a\0b', 'Folder.image_labels: file .*shown.csv is not a text file in UTF-8'),
    ],
)
def test_bad_files_are_refused(folder, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(folder, text).examples('all', 'available')


def test_a_missing_file_and_a_setting_that_is_no_path(folder):
    dataset = make(folder, '')
    (folder / 'shown.csv').unlink()
    with pytest.raises(FileNotFoundError, match=r'Folder.image_labels: file .* does not exist'):
        dataset.examples('all', 'available')
    with pytest.raises(ValueError, match=r'Folder.image_labels'):
        Folder(str(folder / 'images'), CLASSES, image_labels=3)


def test_a_mask_with_more_classes_than_its_line_is_named(folder):
    dataset = make(folder, COMMAS + 'a,traffic light\n')
    with pytest.warns(UserWarning, match=r'masks of 1 images show classes .* lack, the first: a'):
        examples = dataset.examples('all', 'available')
    assert image_labels(examples)['a'] == [1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        make(folder, COMMAS + 'a,traffic light,ball\n').examples('all', 'available')
