"""Damaged folders of runs: they are read right, or refused by a sentence, and nothing else is lost.

Of the two checkpoints, a damaged one is put aside, and a run resumes from an older one.
"""

import pathlib
import random
import shutil

from attack import mutations, outcomes
from wss.configuration import gin_files
from wss.experiment import Experiment

_TRIES = 60
SETTINGS = (
    "Shapes.counts = {'train': 4, 'val': 2}",
    'Shapes.size = 33',
    'Views.crop_size = (33, 33)',
    'Views.cutout_half_size = 4',
    'Labelled.batch_size = 2',
    'DeepLabV3Plus.aspp_filters = 8',
    'DeepLabV3Plus.decoder_filters = 8',
    'Schedule.steps = 2',
    'Schedule.evaluate_every = 1',
    'Schedule.checkpoint_every = 1',
    'Schedule.log_every = 1',
    'Schedule.picture_every = 0',
)


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""
    whole = folder / 'whole'
    shutil.rmtree(whole, ignore_errors=True)
    gin_files.parse(['experiments/shapes_supervised.gin'], SETTINGS)
    gin_files.build(Experiment).train(whole, gin_files.operative)
    right = _evaluated(whole)

    def attempt(number):
        chance = random.Random(f'run folders {seed} {number}')
        run = folder / 'damaged'
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        _damage(run, chance)
        use = (_evaluate, _resume)[number % 2]
        return use(run, right)

    return _TRIES, attempt


def _damage(run, chance):
    files = sorted(path for path in run.rglob('*') if path.is_file())
    path = chance.choice(files)
    way = chance.choice(('change', 'change', 'empty', 'delete', 'folder'))
    if way == 'change':
        path.write_bytes(mutations.mutated(path.read_bytes(), chance))
    elif way == 'empty':
        path.write_bytes(b'')
    else:
        path.unlink()
        if way == 'folder':
            path.mkdir()


def _evaluated(run):
    gin_files.parse_run(str(run))
    return gin_files.build(Experiment).evaluate(run)


def _evaluate(run, right):
    found, sentence = outcomes.result_or_sentence(lambda: _evaluated(run))
    if sentence:
        return 'refused'
    # A damaged configuration may still be one, of another dataset.
    same_weights = found['checkpoint'] == right['checkpoint'] and found['split'] == right['split']
    outcomes.require(same_weights, f'Other weights were scored: {found}.')
    return 'evaluated'


def _resume(run, right):
    del right

    def train():
        gin_files.parse_run(str(run))
        return gin_files.build(Experiment).train(run, gin_files.operative)

    _, sentence = outcomes.result_or_sentence(train)
    if sentence:
        return 'refused'
    sentence = outcomes.result_or_sentence(lambda: _evaluated(run))[1]
    outcomes.require(not sentence, f'The resumed run cannot be evaluated: {sentence}')
    return 'resumed'
