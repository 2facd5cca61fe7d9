"""One error names all that is missing."""

import functools

import pytest

from wss.configuration import gin_files
from wss.experiment import Experiment
from wss.networks.weights import npz, run_weights
from wss.pipeline.data import Labelled

EXPERIMENT = 'experiments/folder_supervised.gin'


def refused(experiment, workdir):
    with pytest.raises(FileNotFoundError) as raised:
        experiment.train(workdir)
    assert not workdir.exists()
    return str(raised.value)


def test_lists_are_named_together(tiny, tmp_path):
    experiment = tiny.experiment(
        labelled_list_file='labelled_none.txt', unlabelled_list_file='unlabelled_none.txt'
    )
    text = refused(experiment, tmp_path / 'run')
    assert 'labelled_none.txt does not exist' in text
    assert 'unlabelled_none.txt does not exist' in text


def test_lists_and_weights_are_named_together(tmp_path):
    params = ["Labelled.list_file = 'none.txt'", "npz.load.path = 'none.npz'"]
    gin_files.parse(['experiments/shapes_supervised.gin'], params)
    text = refused(gin_files.build(Experiment), tmp_path / 'run')
    assert 'none.txt does not exist' in text and 'There is no weights file none.npz' in text


def test_weights_and_images_are_named_together(tmp_path):
    params = [
        f"Folder.images = '{tmp_path}/images'",
        f"Folder.masks = '{tmp_path}/masks'",
        "Folder.class_names = ('a', 'b')",
        "Folder.splits = {'train': None, 'all': None, 'val': None}",
        "npz.load.path = 'none.npz'",
        'Schedule.steps = 1',
    ]
    gin_files.parse([EXPERIMENT], params)
    text = refused(gin_files.build(Experiment), tmp_path / 'run')
    assert 'There is no weights file none.npz' in text
    assert f'{tmp_path}/images does not exist' in text


def test_lists_of_the_package_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_files.parse(['datasets/camvid_8.gin'])
    choice = gin_files.build(Labelled).choice()
    choice.check_list()
    assert choice.list_file.endswith('camvid_8.txt')


def test_what_was_loaded_is_printed_once_the_data_is_good(tiny, tmp_path, capsys):
    def load(method):
        return 'Loaded by hand.'

    experiment = tiny.experiment(initial_weights=load, labelled_split='none', steps=0)
    with pytest.raises(ValueError, match='none'):
        experiment.train(tmp_path / 'run')
    assert 'Loaded' not in capsys.readouterr().out
    experiment = tiny.experiment(initial_weights=load, steps=0)
    experiment.train(tmp_path / 'run')
    assert '\nLoaded by hand.\n' in capsys.readouterr().out
    experiment.train(tmp_path / 'run')
    assert 'Loaded' not in capsys.readouterr().out


def test_partial_of_weights_is_fine(tiny, tmp_path):
    weights = functools.partial(npz.load, path='none.npz')
    text = refused(tiny.experiment(initial_weights=weights), tmp_path / 'run')
    assert 'There is no weights file none.npz' in text


def test_weights_that_are_there_do_not_hide_what_is_missing(tiny, tmp_path):
    tiny.experiment(steps=0).train(tmp_path / 'first')
    weights = functools.partial(run_weights.load_run, folder=tmp_path / 'first')
    functools.update_wrapper(weights, run_weights.load_run)  # As gin does.

    def make_dataset():
        raise FileNotFoundError('The images are gone.')

    experiment = tiny.experiment(initial_weights=weights, make_dataset=make_dataset)
    assert refused(experiment, tmp_path / 'run') == 'The images are gone.'
