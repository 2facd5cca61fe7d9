"""Folders of runs as users have them: shared by mistake, killed, moved, of any name."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
GIN = """
include 'datasets/folder.gin'
include 'networks/small.gin'
include 'methods/supervised.gin'
Folder.images = 'data/images'
Folder.masks = 'data/masks'
Folder.splits = {'train': 'data/train.txt', 'val': 'data/val.txt', 'all': None}
Folder.class_names = ('ground', 'thing')
Views.crop_size = (33, 33)
Labelled.batch_size = 2
Validation.batch_size = 2
Schedule.steps = 4
Schedule.checkpoint_every = 1
Schedule.evaluate_every = 0
Schedule.picture_every = 0
Schedule.log_every = 1
"""


@pytest.fixture
def home(tmp_path):
    """A folder with data and `mine.gin`; the home folder of the commands."""
    for part in ('images', 'masks'):
        (tmp_path / 'data' / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(6):
        image = random.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / 'data' / 'images' / f'{i}.png')
        mask = np.zeros((40, 40), np.uint8)
        mask[5:20, 8:30] = 1
        Image.fromarray(mask).save(tmp_path / 'data' / 'masks' / f'{i}.png')
    (tmp_path / 'data' / 'train.txt').write_text('0\n1\n2\n3\n')
    (tmp_path / 'data' / 'val.txt').write_text('4\n5\n')
    (tmp_path / 'mine.gin').write_text(GIN)
    return tmp_path


def begin(home, command, *arguments):
    return subprocess.Popen(
        [sys.executable, '-m', f'wss.{command}', *arguments],
        cwd=home,
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(ROOT), 'HOME': str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(home, command, *arguments):
    process = begin(home, command, *arguments)
    out, errors = process.communicate(timeout=300)
    return process.returncode, out, errors


def params(*settings):
    return [part for setting in settings for part in ('--gin_param', setting)]


def wait_for(path, process):
    end = time.monotonic() + 200
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.05)


def test_a_run_is_killed_and_its_data_move(home):
    """The workdir has a `~` that the shell leaves as it is, and brackets."""
    train = ('train', '--workdir=~/lr[0.1]', '--gin_file', 'mine.gin')
    workdir = home / 'lr[0.1]'
    process = begin(home, *train, *params('Schedule.steps = 300'))
    wait_for(workdir / 'checkpoints' / 'last' / 'ckpt-3.index', process)
    status, _, errors = run(home, *train, *params('Schedule.steps = 300'))
    assert status == 1
    assert f'Another training is running in {workdir}: process {process.pid} on' in errors
    process.send_signal(signal.SIGKILL)
    process.communicate()

    # The data are elsewhere now; a closed terminal saves the run.
    shutil.move(home / 'data', home / 'moved')
    moved = params(
        "Folder.images = 'moved/images'",
        "Folder.masks = '~/moved/masks'",
        "Folder.splits = {'train': '~/moved/train.txt', 'val': 'moved/val.txt', 'all': None}",
    )
    process = begin(home, 'train', '--workdir=~/lr[0.1]', *moved)
    step = max(
        int(p.stem[5:])
        for p in workdir.glob('checkpoints/last/ckpt-*.index')
        if p.stem[5:].isdecimal()
    )
    wait_for(workdir / 'checkpoints' / 'last' / f'ckpt-{step + 2}.index', process)
    process.send_signal(signal.SIGHUP)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 129, errors
    assert 'Saved at step' in out

    # Other ids than before are refused.
    (home / 'moved' / 'val.txt').write_text('4\n')
    status, _, errors = run(home, 'train', '--workdir=~/lr[0.1]')
    assert status == 1 and 'holds a run of other validation images' in errors
    assert not (home / '~').exists()
    status, out, errors = run(
        home,
        'predict',
        '--workdir=~/lr[0.1]',
        '--checkpoint',
        'last',
        '--images=~/moved/images',
        '--out=~/predicted',
    )
    assert status == 0, errors
    assert (home / 'predicted').is_dir() and not (home / '~').exists()


def test_two_that_start_together_and_a_third_from_their_weights(home):
    both = [
        begin(home, 'train', '--workdir', 'run', '--gin_file', 'mine.gin', *params(setting))
        for setting in ('momentum_poly.learning_rate = 0.01', 'momentum_poly.learning_rate = 0.02')
    ]
    ended = [process.communicate(timeout=300) for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    refused = next(e for p, (_, e) in zip(both, ended, strict=True) if p.returncode)
    assert 'Traceback' not in refused
    # The other one has ended already, or runs.
    refused = refused.strip().splitlines()[-1]
    assert 'Another training is running in run' in refused or 'another configuration' in refused
    record = json.loads((home / 'run' / 'run.json').read_text())
    assert [session['state'] for session in record['sessions']] == ['finished']
    tags = [name for name in os.listdir(home / 'run' / 'events') if 'tfevents' in name]
    assert len(tags) == 1

    from_run = (
        'Experiment.initial_weights = @run_weights.load_run',
        "run_weights.load_run.folder = 'run'",
    )
    arguments = ('--workdir', 'second', '--gin_file', 'mine.gin', *params(*from_run))
    status, out, errors = run(home, 'train', *arguments)
    assert status == 0, errors
    assert 'Start fresh: nothing. Classes of the run: ground, thing; new: none.' in out


def test_a_run_is_extended_from_its_folder_alone(home):
    flags = ('train', '--workdir', 'run')
    status, _, errors = run(home, *flags, '--gin_file', 'mine.gin', *params('Schedule.steps = 1'))
    assert status == 0, errors
    more = params('Schedule.steps = 2', "Schedule.extend = 'restart'")
    for _ in range(2):  # Once more, it has ended.
        status, _, errors = run(home, *flags, *more)
        assert status == 0, errors
    assert json.loads((home / 'run' / 'result.json').read_text())['steps'] == 2
