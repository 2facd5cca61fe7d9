"""A training run and `wss.predict` are killed; both end as if nothing had happened."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
from resuming import kill_and_compare

from attack import outcomes, run_folders
from wss.configuration import gin_files
from wss.experiment import Experiment

_KILLS = 32  # Of one training, which is the first attempt.
_PREDICTIONS = 10
_PHOTOS = 40
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""
    run, photos = folder / 'run', folder / 'photos'
    shutil.rmtree(folder / 'predictions', ignore_errors=True)
    _prepare(run, photos)
    seconds, whole = _predicted(run, photos, folder / 'predictions' / 'whole')

    def attempt(number):
        if number < 2:
            return _kill_training(folder, number, seed)
        chance = random.Random(f'kills {seed} {number}')
        out = folder / 'predictions' / str(number)
        process = _start(run, photos, out)
        time.sleep(chance.uniform(0.4, 1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, found = _predicted(run, photos, out)
        outcomes.require(found == whole, 'Predictions after a kill are not those without one.')
        return 'equal'

    return 2 + _PREDICTIONS, attempt


def _kill_training(folder, number, seed):
    """One training is killed by SIGKILL, 32 times; a second one by SIGTERM, 5 times."""
    kills, kind = ((_KILLS, 'KILL'), (5, 'TERM'))[number]
    workdir = folder / f'training_{kind}'
    shutil.rmtree(workdir, ignore_errors=True)
    flags = ['--workdir', str(workdir), '--kills', str(kills), '--seed', str(seed)]
    small = ('Labelled.batch_size = 4', 'Unlabelled.batch_size = 4')
    counts = "Shapes.counts = {'train': 400, 'val': 40}"
    flags += [f'--gin_param={setting}' for setting in (*small, counts)]
    status = kill_and_compare.main([*flags, '--signal', kind])
    outcomes.require(status == 0, f'{kills} kills leave another run; see {workdir}.')
    return 'equal'


def _prepare(run, photos):
    """Trains a tiny run, and makes the photos to predict."""
    shutil.rmtree(run, ignore_errors=True)
    gin_files.parse(['experiments/shapes_supervised.gin'], run_folders.SETTINGS)
    gin_files.build(Experiment).train(run, gin_files.operative)
    photos.mkdir(exist_ok=True)
    chance = np.random.default_rng(0)
    for i in range(_PHOTOS):
        pixels = chance.integers(0, 256, (400, 300, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(photos / f'{i}.png')


def _start(run, photos, out):
    words = ['-m', 'wss.predict', '--workdir', run, '--images', photos, '--out', out]
    environment = os.environ | {'PYTHONPATH': str(_ROOT)}
    return subprocess.Popen([sys.executable, *map(str, words)], stdout=2, env=environment)


def _predicted(run, photos, out):
    """Predicts; returns the seconds that it took, and the content of every file."""
    begin = time.monotonic()
    status = _start(run, photos, out).wait()
    outcomes.require(status == 0, f'wss.predict ends with status {status}.')
    content = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob('*') if p.is_file()}
    outcomes.require(len(content) >= 2 * _PHOTOS, f'There are {len(content)} predictions.')
    return time.monotonic() - begin, content
