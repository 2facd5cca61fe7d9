"""Which images a run keeps out of what it learns from, and what it refuses to score."""

import json
import types
import warnings

import numpy as np
import pytest
from PIL import Image

from wss.datasets.folder import Folder
from wss.pipeline.data import Data, Labelled, Unlabelled, Validation
from wss.runs import lists as run_lists

BOTH = types.SimpleNamespace(needs_unlabelled=True, needs_image_labels=False)
LABELLED = types.SimpleNamespace(needs_unlabelled=False, needs_image_labels=False)
WEAK = types.SimpleNamespace(needs_unlabelled=True, needs_image_labels=True)
NAMES = [f's{i}' for i in range(8)]


@pytest.fixture
def photos(tmp_path):
    """Writes eight images with masks; returns a maker of a `Folder` from lists by split."""
    for place in ('images', 'masks'):
        (tmp_path / place).mkdir()
    for i, name in enumerate(NAMES):
        image = np.full((4, 4, 3), 10 * i, np.uint8)
        Image.fromarray(image).save(tmp_path / 'images' / f'{name}.png')
        draw(tmp_path, name, np.eye(4))

    def make(**splits):
        paths = {'all': None}
        for split, numbers in splits.items():
            paths[split] = str(tmp_path / f'{split}.txt')
            if numbers is not None:
                (tmp_path / f'{split}.txt').write_text(''.join(f's{i}\n' for i in numbers))
        places = [str(tmp_path / place) for place in ('images', 'masks')]
        return Folder(places[0], ('background', 'object'), places[1], paths)

    return make


def draw(tmp_path, name, mask):
    Image.fromarray(np.asarray(mask, np.uint8)).save(tmp_path / 'masks' / f'{name}.png')


def select(dataset, method=BOTH, labelled=None, unlabelled=None, validation=None):
    unlabelled = unlabelled or Unlabelled('all')
    data = Data(dict, dict, labelled or Labelled(), unlabelled, validation or Validation())
    return data.select(dataset, method, data.choices())[0]


@pytest.fixture
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


@pytest.mark.parametrize('method', [BOTH, WEAK])
def test_images_of_validation_and_tests_are_left_out(photos, no_warnings, method):
    dataset = photos(train='01', val='23', my_test='4')
    found = select(dataset, method)
    assert found['labelled'].ids == ('s0', 's1')
    assert found['unlabelled'].ids == ('s0', 's1', 's5', 's6', 's7')
    assert found['unlabelled'].held_out == {'val': 2, 'my_test': 1}
    found = select(dataset, method, unlabelled=Unlabelled('all', exclude_labelled=True))
    assert found['unlabelled'].ids == ('s5', 's6', 's7')
    found = select(dataset, method, unlabelled=Unlabelled('all', exclude_held_out=False))
    assert found['unlabelled'].ids == tuple(NAMES)


def test_the_validation_split_counts_whatever_its_name_is(photos, no_warnings):
    found = select(photos(train='01', mine='23'), validation=Validation('mine'))
    assert found['unlabelled'].ids == ('s0', 's1', 's4', 's5', 's6', 's7')
    found = select(photos(train='01', val='23'), validation=Validation(None))
    assert found['unlabelled'].held_out == {'val': 2}


def test_a_split_that_the_run_is_told_to_learn_from_is_asked_for(photos, no_warnings):
    dataset = photos(train='01', val='23', test='45')
    found = select(dataset, unlabelled=Unlabelled('test'))
    assert found['unlabelled'].ids == ('s4', 's5')
    with pytest.raises(ValueError, match=r"2 of split 'val' are of .* \(val\), .*held_out ="):
        select(dataset, unlabelled=Unlabelled('val'))


def test_a_list_of_unlabelled_images_is_warned_of(photos, tmp_path):
    dataset = photos(train='01', val='23')
    (tmp_path / 'more.txt').write_text('s3\ns4\n')
    unlabelled = Unlabelled('all', str(tmp_path / 'more.txt'))
    with pytest.warns(UserWarning, match=r"more\.txt names images of .*: 1 of split 'val'\. Unl"):
        assert select(dataset, unlabelled=unlabelled)['unlabelled'].ids == ('s4',)


@pytest.mark.parametrize('method', [BOTH, LABELLED])
def test_labelled_images_that_are_validated_on_are_warned_of(photos, method):
    with pytest.warns(UserWarning, match="The 2 labelled images are the images of split 'val'"):
        select(photos(train='01', val='01'), method)
    with pytest.warns(UserWarning, match=r"1 of the 2 labelled images .* of split 'val': s1\. "):
        select(photos(train='01', val='123'), method)
    with pytest.warns(UserWarning, match=r"1 of the 2 labelled images .* of split 'test': s0\. "):
        select(photos(train='01', val='3', test='0'), method)


def test_a_test_split_without_its_list_is_warned_of(photos):
    with pytest.warns(
        UserWarning, match=r"Split 'test' cannot be read, .*test\.txt does not exist"
    ):
        assert select(photos(train='01', val='23', test=None))['unlabelled'].held_out == {'val': 2}


def test_validation_masks_are_checked(photos, tmp_path):
    dataset = photos(train='01', val='23')
    for name in ('s2', 's3'):
        draw(tmp_path, name, 255 * np.eye(4))
    with pytest.raises(ValueError, match=r"2 images of split 'val' show background and nothing"):
        select(dataset, LABELLED)
    for name in ('s2', 's3'):
        draw(tmp_path, name, np.full((4, 4), 255))
    with pytest.raises(ValueError, match=r"nothing to score: .* 2 images of split 'val'"):
        select(photos(train='01', val='23'), LABELLED)
    draw(tmp_path, 's2', np.full((4, 4), 7))
    with pytest.raises(ValueError, match=r's2\.png has pixels of value 7'):
        select(photos(train='01', val='23'), LABELLED)
    draw(tmp_path, 's2', np.eye(5))
    with pytest.raises(ValueError, match=r's2\.png is 5x5 pixels'):
        select(photos(train='01', val='23'), LABELLED)


def test_what_is_left_out_is_recorded(photos, tmp_path):
    found = select(photos(train='01', val='23'))
    choices = Data(dict, dict, Labelled(), Unlabelled('all')).choices()
    streams = {name: (choices[name], part.ids, part.held_out) for name, part in found.items()}
    (tmp_path / 'run').mkdir()
    run_lists.write(tmp_path / 'run', streams)
    record = json.loads((tmp_path / 'run' / 'lists.json').read_text())
    assert record['unlabelled']['held_out'] == {'val': 2}
    assert record['unlabelled']['count'] == 6 and 'held_out' not in record['labelled']
    assert 's2' not in (tmp_path / 'run' / 'unlabelled.txt').read_text().split()
