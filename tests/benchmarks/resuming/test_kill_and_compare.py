"""The proof that a killed run resumes exactly: a small one, and that it can fail."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
import tensorflow as tf
from resuming import compare, kills, moments

from wss.training.schedule import Schedule

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = ROOT / 'benchmarks' / 'resuming' / 'kill_and_compare.py'
TINY = """
from __gin__ import dynamic_registration
from wss.datasets import shapes
from wss.networks import deeplab
from wss.networks.backbones import small
from wss.pipeline import data
from wss.views import views

include 'datasets/shapes.gin'
include 'networks/small.gin'
include 'methods/supervised.gin'

small.SmallResNet.filters = (16, 16, 16, 16)
deeplab.DeepLabV3Plus.aspp_filters = 16
deeplab.DeepLabV3Plus.decoder_filters = 16
shapes.Shapes.counts = {'train': 8, 'val': 3}
shapes.Shapes.size = 49
views.Views.crop_size = (49, 49)
data.Labelled.batch_size = 2
data.Validation.batch_size = 2
"""
OFTEN = [
    'Schedule.checkpoint_every = 2',
    'Schedule.evaluate_every = 4',
    'Schedule.picture_every = 3',
]


def start(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False
    )


def test_a_run_killed_three_times_ends_as_one_that_never_was(tmp_path):
    (tmp_path / 'tiny.gin').write_text(TINY)
    arguments = ['--workdir', tmp_path / 'proof', '--kills', '3', '--steps', '8']
    arguments += ['--gin_file', tmp_path / 'tiny.gin']
    arguments += [word for line in OFTEN for word in ('--gin_param', line)]
    result = start(*arguments)
    said = result.stdout
    assert result.returncode == 0, said + result.stderr
    assert len(re.findall(r'^ +\d+ .* -9 ', said, re.MULTILINE)) == 3
    half_written = re.search(r'3 kills by SIGKILL; (\d) left a checkpoint half', said)
    assert int(half_written[1]) >= 1
    assert 'differs' not in said and 'is the same as the one that was not' in said

    # What is compared was written by runs of its own.
    whole, killed = tmp_path / 'proof' / 'whole', tmp_path / 'proof' / 'killed'
    sessions = [
        len(json.loads((run / 'run.json').read_text())['sessions']) for run in (whole, killed)
    ]
    assert sessions[0] == 1 and sessions[1] >= 2
    assert json.loads((killed / 'result.json').read_text())['steps'] == 8

    refused = start(*arguments)
    assert refused.returncode == 1 and 'is not empty' in refused.stderr


def test_a_run_that_fails_by_itself_is_reported(tmp_path):
    result = start('--workdir', tmp_path, '--kills', '1', '--gin_param', 'Experiment.seed = -1')
    assert result.returncode == 1
    assert 'Training ended with status 1: Experiment.seed is -1' in result.stderr


def write_points(folder, points):
    writer = tf.summary.create_file_writer(str(folder / 'events'))
    with writer.as_default():
        for tag, step, value in points:
            tf.summary.scalar(tag, value, step=step)
    writer.close()


POINTS = [('loss', 1, 0.5), ('loss', 2, 0.25), ('speed/steps_per_second', 2, 3.0)]


@pytest.fixture
def runs(tmp_path):
    """Two folders of runs that came to the same, `whole` and `killed`."""
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    weight = tf.Variable([1.0, float('nan')])
    checkpoint = tf.train.Checkpoint(weight=weight, step=tf.Variable(2))
    for which in ('last', 'best'):
        checkpoint.write(str(whole / 'checkpoints' / which / 'ckpt-2'))
    (whole / 'checkpoints' / 'scores.json').write_text('[{"step": 2, "miou": 0.5}]')
    (whole / 'result.json').write_text('{"steps": 2, "last": {"miou": 0.5}}')
    (whole / 'run.json').write_text('{"state": "finished"}')
    shutil.copytree(whole, killed)
    write_points(whole, POINTS)
    # In two files, and slower.
    write_points(killed, POINTS[:1])
    write_points(killed, [POINTS[1], ('speed/steps_per_second', 2, 1.0)])
    return whole, killed, checkpoint


def different(whole, killed):
    found = compare.differences(whole, killed)
    return [line for lines in found.values() for line in lines]


def test_equal_runs_have_no_differences(runs):
    whole, killed, _ = runs
    found = compare.differences(whole, killed)
    assert not any(found.values())
    assert '3 TensorBoard points' in found
    assert any(name.startswith('last checkpoint: ') for name in found)


@pytest.mark.parametrize('which', ['last', 'best'])
def test_a_changed_weight_is_seen(runs, which):
    whole, killed, checkpoint = runs
    checkpoint.weight[0].assign(1.0000001)
    checkpoint.write(str(killed / 'checkpoints' / which / 'ckpt-2'))
    assert different(whole, killed) == ['weight/.ATTRIBUTES/VARIABLE_VALUE differs']


def test_a_checkpoint_of_another_step_or_none_is_seen(runs):
    whole, killed, checkpoint = runs
    checkpoint.step.assign(1)
    for path in (killed / 'checkpoints' / 'last').glob('ckpt-2.*'):
        path.unlink()
    assert 'weight/.ATTRIBUTES/VARIABLE_VALUE is missing' in different(whole, killed)
    checkpoint.write(str(killed / 'checkpoints' / 'last' / 'ckpt-1'))
    assert different(whole, killed) == ['step/.ATTRIBUTES/VARIABLE_VALUE differs']


@pytest.mark.parametrize(
    ('points', 'said'),
    [
        (POINTS[1:], 'loss at step 1 is missing'),
        ([*POINTS, POINTS[1]], 'loss at step 2 is there more than once'),
        ([*POINTS, ('loss', 3, 0.5)], 'loss at step 3 is new'),
        ([('loss', 1, 0.4), *POINTS[1:]], 'loss at step 1 has another value'),
        (POINTS[:2], 'speed/steps_per_second at step 2 is missing'),
    ],
)
def test_a_changed_point_is_seen(runs, points, said):
    whole, killed, _ = runs
    shutil.rmtree(killed / 'events')
    write_points(killed, points)
    assert different(whole, killed) == [said]


@pytest.mark.parametrize('name', ['result.json', 'checkpoints/scores.json'])
def test_other_scores_are_seen(runs, name):
    whole, killed, _ = runs
    (killed / name).write_text((killed / name).read_text().replace('0.5', '0.4'))
    assert 'became' in different(whole, killed)[0]


@pytest.mark.parametrize(
    'name',
    ['result.json.part', 'checkpoints/last/ckpt-1_temp', 'checkpoints/best/ckpt-1.data-00000-of-1'],
)
def test_what_is_left_over_is_seen(runs, name):
    whole, killed, _ = runs
    (killed / name).write_text('')
    assert different(whole, killed) == [name]


def test_a_run_that_is_not_finished_is_seen(runs):
    whole, killed, _ = runs
    (killed / 'run.json').write_text('{"state": "running"}')
    assert different(whole, killed) == ['its state is running']


SCHEDULE = Schedule(60, evaluate_every=15, checkpoint_every=5, picture_every=15)


@pytest.mark.parametrize(
    ('begun', 'logged', 'saved', 'writing', 'scored', 'doing'),
    [
        (False, -1, 15, False, (), 'start-up'),
        (True, -1, -1, False, (), 'building'),
        (True, 6, 5, False, (), 'steps'),
        (True, 15, 10, False, (), 'pictures'),
        (True, 15, 10, True, (), 'checkpoint'),
        (True, 15, 15, False, (), 'evaluation'),
        (True, 15, 15, False, (15,), 'steps'),
        (True, 60, 60, False, (15,), 'evaluation'),
        (True, -1, 60, False, (15, 60), 'end'),
    ],
)
def test_what_a_run_is_doing(begun, logged, saved, writing, scored, doing):
    view = moments.View(begun, logged, saved, writing, frozenset(scored))
    assert moments.phase(view, SCHEDULE) == doing


def test_moments_are_spread_over_the_whole_run():
    plan = moments.plan(20, SCHEDULE, seed=3)
    assert plan == moments.plan(20, SCHEDULE, seed=3) != moments.plan(20, SCHEDULE, seed=4)
    aims = [moment.aim for moment in plan]
    assert aims.count('checkpoint') == 6 and aims[-2:] == ['end', 'end']
    assert {'start-up', 'building', 'steps', 'pictures', 'evaluation'} < set(aims)
    steps = [moment.after for moment in plan if moment.aim == 'checkpoint']
    assert steps == sorted(steps) and steps[-1] < 60
    assert all(moment.after % 15 == 0 for moment in plan if moment.aim == 'evaluation')


def make_kill(**changes):
    settings = {'age': 9.0, 'doing': 'steps', 'step': 7, 'victim': 0}
    settings |= {'statuses': [-9], 'seconds': 0.0, 'last_lines': [], 'left': []}
    return kills.Kill(**settings | {'saved': 5, 'saved_at': None, 'resumed': (5, 3.0)} | changes)


@pytest.mark.parametrize(
    ('number', 'changes', 'said'),
    [
        (signal.SIGKILL, {}, None),
        (signal.SIGKILL, {'resumed': None}, None),
        (signal.SIGKILL, {'resumed': (0, 3.0)}, 'resumed at step 0, though 5'),
        (signal.SIGKILL, {'saved': -1, 'resumed': (0, 3.0)}, None),
        (signal.SIGKILL, {'statuses': [0]}, 'the status was 0'),
        (signal.SIGKILL, {'statuses': [0], 'doing': 'end'}, None),
        (signal.SIGKILL, {'statuses': [1]}, 'the status was 1'),
        (signal.SIGKILL, {'statuses': [75, -9], 'victim': 1}, None),
        (signal.SIGKILL, {'statuses': [None, -9], 'victim': 1}, 'the other process hung'),
        (signal.SIGKILL, {'statuses': [None, -9], 'victim': 1, 'doing': 'start-up'}, None),
        (signal.SIGKILL, {'statuses': [0, -9], 'victim': 1}, 'as if it had finished'),
        (signal.SIGTERM, {'statuses': [143], 'saved_at': 5}, None),
        (signal.SIGTERM, {'statuses': [143], 'saved_at': 7}, 'step 7 as saved, but step 5 is'),
        (signal.SIGTERM, {'statuses': [143]}, 'step None as saved'),
        (signal.SIGTERM, {'statuses': [-9]}, 'the status was -9, not 143'),
    ],
)
def test_what_goes_wrong_is_listed(number, changes, said):
    faults = kills.faults([make_kill(**changes)], number)
    assert (said in faults[0] and len(faults) == 1) if said else not faults
