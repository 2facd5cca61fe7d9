"""A run that ends early resumes exactly: bit for bit, with the same TensorBoard points."""

import functools
import json
import os
import re
import shutil
import signal
import sys

import pytest

from tests.experiment.saved_runs import (
    check_equal,
    configuration,
    cut_off,
    forget_the_end,
    last_weights,
    logged,
    points,
    saved,
)
from wss.devices import strategies
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.unimatch import UniMatch
from wss.results import scores
from wss.runs import checkpoints
from wss.training import callbacks, optimisers
from wss.views.views import Views


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(trained, tmp_path, capsys):
    workdir = tmp_path / 'copy'
    shutil.copytree(trained.workdir, workdir)
    forget_the_end(workdir, 2)
    trained.experiment.train(workdir, configuration('Schedule.steps = 4\n'))
    assert 'resuming at step 2' in capsys.readouterr().out
    assert logged(workdir) == logged(trained.workdir)
    expected, resumed = last_weights(trained.workdir), last_weights(workdir)
    check_equal(resumed, expected)


@pytest.mark.parametrize('missing', ['evaluate', 'save_if_best', 'note_score'])
def test_a_run_that_dies_at_its_last_evaluation_makes_up_for_it(
    trained, tmp_path, monkeypatch, capsys, missing
):
    experiment = trained.experiment
    real = {
        'evaluate': scores.evaluate,
        'save_if_best': checkpoints.Checkpoints.save_if_best,
        'note_score': checkpoints.Checkpoints.note_score,
    }[missing]
    calls = []

    def dies_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise SystemExit
        return real(*arguments)

    place = scores if missing == 'evaluate' else checkpoints.Checkpoints
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(place, missing, dies_at_the_second)
        experiment.train(tmp_path, configuration('Schedule.steps = 4\n'))
    assert list((tmp_path / 'checkpoints' / 'last').glob('ckpt-4.index'))
    result = experiment.train(tmp_path, configuration('Schedule.steps = 4\n'))
    assert 'resuming at step 4' in capsys.readouterr().out
    assert result == trained.result
    assert logged(tmp_path) == logged(trained.workdir)
    there, here = (workdir / 'checkpoints' for workdir in (trained.workdir, tmp_path))
    assert (here / 'scores.json').read_bytes() == (there / 'scores.json').read_bytes()
    files = [sorted(path.name for path in place.glob('best/ckpt-*')) for place in (there, here)]
    assert files[0] == files[1]
    check_equal(saved(tmp_path, 'best'), saved(trained.workdir, 'best'))


def test_a_run_without_steps_that_dies_before_its_scores_makes_up_for_them(
    tiny, tmp_path, monkeypatch
):
    experiment = tiny.experiment(steps=0)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(checkpoints.Checkpoints, 'save_if_best', lambda *_: sys.exit(1))
        experiment.train(tmp_path)
    result = experiment.train(tmp_path)
    assert result['best'] == result['last']
    assert list((tmp_path / 'checkpoints' / 'best').glob('ckpt-0.index'))


# Every pixel counts: networks that have learnt nothing are never confident.
RESUMED = {
    'pseudoseg': PseudoSeg,
    'fixmatch': functools.partial(FixMatch, threshold=0.0),
    'unimatch': functools.partial(UniMatch, threshold=0.0),
    'mean_teacher': functools.partial(MeanTeacher, threshold=0.0),
    'cps': CPS,
}


@pytest.mark.parametrize('name', RESUMED)
def test_methods_go_on_with_adamw_and_all_strong_views(tiny, tmp_path, name):
    """Second networks, masks of channels and both means of gradients are part of a checkpoint."""
    make_views = functools.partial(
        Views,
        crop_size=(33, 33),
        cutout_half_size=4,
        cutout_probability=0.5,
        jitter_probability=0.8,
        greyscale_probability=0.5,
        blur_probability=0.5,
        cutmix_probability=0.5,
        strong_views=2,
    )
    experiment = tiny.experiment(
        make_method=RESUMED[name],
        make_optimiser=functools.partial(optimisers.adamw_poly, learning_rate=0.01),
        make_views=make_views,
        weight_decay=0.0,
    )
    whole, copy = tmp_path / 'whole', tmp_path / 'copy'
    experiment.train(whole, configuration('Schedule.steps = 4\n'))
    shutil.copytree(whole, copy)
    forget_the_end(copy, 2)
    experiment.train(copy, configuration('Schedule.steps = 4\n'))
    expected, resumed = last_weights(whole), last_weights(copy)
    assert expected.keys() == resumed.keys()
    assert sum('optimizer' in name for name in expected) > 40
    check_equal(resumed, expected)


def test_a_resumed_run_needs_its_initial_weights_no_more(tiny, tmp_path):
    def gone(method):
        raise FileNotFoundError('There is no weights file.')

    parts = {'steps': 2, 'checkpoint_every': 1, 'evaluate_every': 0, 'validation_split': None}
    with pytest.raises(FileNotFoundError, match='no weights file'):
        tiny.experiment(initial_weights=gone, **parts).train(tmp_path / 'run')
    tiny.experiment(**parts).train(tmp_path / 'run')
    for path in (tmp_path / 'run' / 'checkpoints' / 'last').glob('ckpt-2.*'):
        path.unlink()
    result = tiny.experiment(initial_weights=gone, **parts).train(tmp_path / 'run')
    assert result == {'steps': 2}


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(trained, tmp_path, capsys):
    workdir = tmp_path / 'run'
    shutil.copytree(trained.workdir, workdir)
    last = workdir / 'checkpoints' / 'last'
    cut_off(next(last.glob('ckpt-4.data-*')))
    result = trained.experiment.train(workdir, configuration('Schedule.steps = 4\n'))
    said = capsys.readouterr().out
    assert re.search(r'last/ckpt-4 is damaged or cut off: .*; taking the one before', said)
    assert 'resuming at step 2' in said
    assert result == trained.result
    assert len(list(last.glob('ckpt-4.data-*.damaged'))) == 1
    expected, resumed = last_weights(trained.workdir), last_weights(workdir)
    check_equal(resumed, expected)


def test_nothing_starts_anew_where_every_checkpoint_is_damaged(trained, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(trained.workdir, workdir)
    last = workdir / 'checkpoints' / 'last'
    for path in last.glob('ckpt-*.data-*'):
        cut_off(path)
    before = sorted((p.name, p.stat().st_size) for p in last.iterdir())
    with pytest.raises(ValueError, match=r'ckpt-2 is damaged or cut off'):
        trained.experiment.train(workdir, configuration('Schedule.steps = 4\n'))
    assert sorted((p.name, p.stat().st_size) for p in last.iterdir()) == before


class Signalled(callbacks.AfterStep):
    """Sends this process a signal after a step, as a launcher or a user would."""

    number, step = signal.SIGTERM, 3

    def after_step(self, step, values):
        if step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ('number', 'strategy'),
    # A mirrored strategy keeps its variables, such as the count of steps, in another way.
    [(signal.SIGTERM, 'one'), (signal.SIGINT, 'one'), (signal.SIGTERM, 'mirrored')],
)
def test_a_signal_saves_and_the_run_goes_on_as_if_there_had_been_none(
    tiny, tmp_path, monkeypatch, capsys, number, strategy
):
    experiment = tiny.experiment(
        steps=5,
        checkpoint_every=0,
        log_every=2,
        evaluate_every=5,
        make_method=tiny.pseudoseg,
        make_network=functools.partial(tiny.make_network, aspp_dropout=0.3),
    )
    devices = strategies.Devices(strategy)
    experiment.train(tmp_path / 'whole', devices=devices)

    with monkeypatch.context() as patch:
        patch.setattr(Signalled, 'number', number)
        patch.setattr(callbacks, 'StopAtNaN', lambda first_step, folder: Signalled(first_step))
        with pytest.raises((SystemExit, KeyboardInterrupt)) as stopped:
            experiment.train(tmp_path / 'parts', devices=devices)
    if number == signal.SIGTERM:
        assert stopped.value.code == 143
    assert 'Saved at step 3' in capsys.readouterr().out
    assert json.loads((tmp_path / 'parts' / 'run.json').read_text())['state'] == 'stopped'
    result = experiment.train(tmp_path / 'parts', devices=devices)
    whole, parts = last_weights(tmp_path / 'whole'), last_weights(tmp_path / 'parts')
    check_equal(parts, whole)
    assert result == json.loads((tmp_path / 'whole' / 'result.json').read_text())
    assert logged(tmp_path / 'whole') == logged(tmp_path / 'parts')


def test_several_steps_an_execution_change_nothing_but_when_one_looks(tiny, tmp_path):
    experiment = tiny.experiment(make_method=tiny.pseudoseg)
    one = experiment.train(tmp_path / 'one')
    by_two = tiny.experiment(make_method=tiny.pseudoseg, steps_per_execution=2)
    two = by_two.train(tmp_path / 'two')
    assert one == two
    assert points(tmp_path / 'one') == points(tmp_path / 'two')
    first, second = last_weights(tmp_path / 'one'), last_weights(tmp_path / 'two')
    check_equal(second, first)
    with pytest.raises(ValueError, match=r'steps_per_execution is 3, but something'):
        tiny.experiment(steps_per_execution=3).train(tmp_path / 'no')
    assert not (tmp_path / 'no').exists()


def test_an_evaluation_that_was_cut_short_is_made_up_for(tiny, tmp_path, monkeypatch, capsys):
    experiment = tiny.experiment(steps=4, checkpoint_every=2, evaluate_every=2, picture_every=4)
    whole = experiment.train(tmp_path / 'whole')
    note = checkpoints.Checkpoints.note_score

    def killed(self, step, miou):
        if step == 2:
            raise ConnectionError('as if the power had gone')
        note(self, step, miou)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, 'note_score', killed)
        with pytest.raises(ConnectionError):
            experiment.train(tmp_path / 'parts')
    assert experiment.train(tmp_path / 'parts') == whole
    assert capsys.readouterr().out.count('step 2: validation mIoU') == 3
    assert logged(tmp_path / 'parts') == logged(tmp_path / 'whole')
    assert points(tmp_path / 'parts') == points(tmp_path / 'whole')
