"""What the README shows works as it stands there."""

import pathlib
import re

import numpy as np
import pytest
from PIL import Image

import wss
from wss.configuration import gin_files
from wss.experiment import Experiment
from wss.pipeline.data import Data

README = (pathlib.Path(__file__).resolve().parents[2] / 'README.md').read_text(encoding='utf-8')
PAPER = re.search(r'\| VOC, 1/4 .+\| `(.+)` \|', README)[1]


def test_it_is_short():
    assert len(README.splitlines()) <= 150


def test_five_lines_train_on_own_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = re.search(r"```\n(include 'experiments/folder_pseudoseg.gin'\n.+?)```", README, re.S)[1]
    assert len(lines.splitlines()) == 5
    pathlib.Path('mine.gin').write_text(lines)
    for folder, shape in (('photos', (40, 50, 3)), ('masks', (40, 50))):
        pathlib.Path(folder).mkdir()
        for name in ('a', 'b'):
            Image.fromarray(np.ones(shape, np.uint8)).save(f'{folder}/{name}.png')
    Image.fromarray(np.ones((30, 30, 3), np.uint8)).save('photos/c.png')
    pathlib.Path('with_masks.txt').write_text('a\n')
    pathlib.Path('validation.txt').write_text('b\n')
    gin_files.parse(['mine.gin'])
    gin_files.build(Experiment)
    dataset = gin_files.built(Data, 'make_dataset')
    assert dataset.info.class_names == ('background', 'leaf', 'stem')
    assert dataset.examples('train').ids == ('a',)
    assert dataset.examples('all', 'available').ids == ('a', 'b', 'c')


def parts_of_the_paper():
    """The files of the VOC command, and of those that the lines below change."""
    files = re.findall(r'--gin_file (\S+)', PAPER)
    assert [file.split('/')[0] for file in files] == ['datasets', 'methods', 'networks']
    others = re.findall(r'`--gin_file ((?:datasets|methods|networks)/\S+?)`', README)
    assert len(others) >= 4

    def replaced(other):
        kind = other.split('/')[0]
        return [other if file.startswith(kind) else file for file in files]

    return [files, *map(replaced, others)]


@pytest.mark.parametrize('files', parts_of_the_paper(), ids=' '.join)
def test_a_dataset_a_method_and_a_network_make_an_experiment(files):
    weak = ['PseudoSeg.weak_labels = True'] if 'methods/pseudoseg_paper.gin' in files else []
    gin_files.parse(files, weak)
    assert gin_files.build(Experiment).data.labelled.batch_size == 64
    gin_files.parse(files[::-1], ['batch_size = 8'])
    assert gin_files.build(Experiment).data.labelled.batch_size == 8


def test_three_lines_of_python(tiny_run, monkeypatch, tmp_path):
    lines = re.search(r'```python\n(import wss\n.+?)```', README, re.S)[1]
    assert len(list(filter(None, lines.splitlines()))) == 3
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'runs').mkdir()
    (tmp_path / 'runs' / 'mine').symlink_to(tiny_run)
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save('photo.jpg')
    names = {'wss': wss}
    exec(lines, names)
    assert names['labels'].shape == (40, 50) and names['labels'].dtype == np.int32
    labels, probabilities = names['model'].predict('photo.jpg', probabilities=True)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert names['model'].overlay('photo.jpg', labels).size == (50, 40)
    assert len(names['model'].classes) == probabilities.shape[-1]
