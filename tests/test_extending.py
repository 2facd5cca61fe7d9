"""The examples of docs/extending.md: written to a folder as they stand there, and trained."""

import importlib
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from PIL import Image

from tests.experiment.saved_runs import points
from wss.configuration import gin_files
from wss.datasets.preparation import build
from wss.experiment import Experiment

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'extending.md').read_text(encoding='utf-8')
FILES = dict(re.findall(r'^`mine/(\S+)`:\n\n```\w*\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = sorted(name for name in FILES if name.endswith('.gin'))
THRESHOLDS = {
    'my_method.gin': ['MyFixMatch.threshold = 0.0'],
    'my_teacher.gin': ['Teacher.threshold = 0.0'],
}
# Besides training, these change what is loaded, scored and predicted.
USED = ('lakes.gin', 'my_dataset.gin', 'my_method.gin', 'my_network.gin', 'my_teacher.gin')


@pytest.fixture(scope='module')
def mine(tmp_path_factory):
    """A folder of a user, with all examples and an image."""
    home = tmp_path_factory.mktemp('home')
    for name, text in FILES.items():
        (home / 'mine' / name).parent.mkdir(parents=True, exist_ok=True)
        (home / 'mine' / name).write_text(text)
    (home / 'photos').mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(home / 'photos' / 'photo.png')
    make_lakes(home / 'manual' / 'lakes')
    return home / 'mine'


def make_lakes(folder):
    """Writes what the archive of the prepared dataset holds, unpacked."""
    random = np.random.default_rng(0)
    for part in ('images', 'masks'):
        (folder / part).mkdir(parents=True)
    for split, names in (('train', 'abc'), ('val', 'd')):
        (folder / f'{split}.txt').write_text(''.join(f'{name}\n' for name in names))
        for name in names:
            pixels, mask = (random.integers(0, n, (40, 50, 3)).astype(np.uint8) for n in (256, 3))
            Image.fromarray(pixels).save(folder / 'images' / f'{name}.jpg')
            Image.fromarray(mask[..., 0]).save(folder / 'masks' / f'{name}.png')


def settings(name):
    """Settings that make an example small."""
    small = ['Schedule.steps = 2', 'Schedule.log_every = 1', 'Schedule.picture_every = 2']
    small += [f'{part}.batch_size = 2' for part in ('Labelled', 'Unlabelled', 'Validation')]
    if name == 'lakes.gin':
        return small
    if name == 'my_dataset.gin':
        return [*small, 'Discs.count = 9']
    few = [*small, 'Labelled.amount = 3', "Shapes.counts = {'train': 8, 'val': 3}"]
    return [*few, *THRESHOLDS.get(name, ())]  # In two steps no pixel is sure.


def test_every_part_has_an_example():
    parts = {
        'lakes',
        'my_dataset',
        'my_backbone',
        'my_network',
        'my_method',
        'my_teacher',
        'my_views',
    }
    assert parts <= {name.removesuffix('.gin') for name in EXAMPLES}
    assert {name.removesuffix('.gin') for name in EXAMPLES} == {
        name.removesuffix('.py') for name in FILES if name.endswith('.py')
    }


@pytest.mark.parametrize('name', EXAMPLES)
def test_an_example_trains(name, mine, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.chdir(mine.parent)
    if name == 'lakes.gin':
        build.prepare('mine/lakes.py:Lakes', 'data', 'manual')
    gin_files.parse([str(mine / name)], settings(name))
    result = gin_files.build(Experiment).train(tmp_path / 'run', gin_files.operative)
    assert result['steps'] == result['last']['step'] == 2
    if name != 'lakes.gin':  # Its records need no module of the user's.
        text = (tmp_path / 'run' / 'config.gin').read_text()
        assert f'# Import path: ["{mine}"]' in text
    if name in THRESHOLDS:
        assert points(tmp_path / 'run')['losses/consistency', 2] > 0.1
    if name not in USED:
        return
    gin_files.parse_run(str(tmp_path / 'run'))
    experiment = gin_files.build(Experiment)
    method = experiment.load(tmp_path / 'run', 'last')
    assert method.predict_labels(tf.zeros([1, 65, 65, 3])).shape == (1, 65, 65)
    scores = experiment.evaluate(tmp_path / 'run', 'last')
    assert scores['miou'] == pytest.approx(result['last']['miou'])
    predicted = experiment.predict(tmp_path / 'run', mine.parent / 'photos', tmp_path / 'out')
    assert (predicted.predicted, predicted.unreadable) == (1, 0)


def test_the_teacher_of_the_page_follows_its_student(mine, monkeypatch, tiny):
    monkeypatch.syspath_prepend(mine)
    teacher = importlib.import_module('my_teacher').Teacher
    method = teacher(tiny.make_network(3, 2), tiny.make_info())
    method.second_network = tiny.make_network(3, 2)
    method.build_variables((33, 33))
    method.compile(optimizer=keras.optimizers.SGD(0.1))
    method.start_second_network(set())
    student, mean = (network.logits.kernel for network in (method.network, method.second_network))
    start = student.numpy()
    np.testing.assert_array_equal(mean, start)
    student.assign(start + 1)
    method.optimizer.iterations.assign(3)
    method.after_update()
    np.testing.assert_allclose(mean, start + 0.25, rtol=1e-5)  # Three quarters of the old stay.
    assert method.evaluated_network is method.second_network
    assert not method.second_network.trainable


def test_the_commands_find_a_module_beside_the_gin_file_and_again_from_elsewhere(mine, tmp_path):
    def start(folder, command, *arguments):
        result = subprocess.run(
            [sys.executable, '-m', f'wss.{command}', '--workdir', tmp_path / 'run', *arguments],
            cwd=folder,
            env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(ROOT), 'HOME': str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, ''), result.stderr
        return result.stdout

    params = [word for line in settings('my_method.gin') for word in ('--gin_param', line)]
    start(mine.parent, 'train', '--gin_file', 'mine/my_method.gin', *params)
    assert 'mIoU' in start(tmp_path, 'evaluate')
