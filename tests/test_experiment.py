import dataclasses
import functools
import json
import os
import re
import shutil
import signal
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.files import owner
from wss.devices import strategies
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.unimatch import UniMatch
from wss.results import scores
from wss.runs import checkpoints
from wss.runs import folder as run_folder
from wss.runs.configuration import Configuration
from wss.training import callbacks, contracts, optimisers
from wss.views.views import Views


def configuration(text):
    """What makes a configuration of this text, some of whose settings may change."""
    return lambda: Configuration(text, frozenset({'Schedule.log_every', 'Schedule.extend'}))


def saved(workdir, kind):
    """All values of the last or best checkpoint by name, but for the graph that names them."""
    reader = tf.train.load_checkpoint(str(workdir / 'checkpoints' / kind))
    names = set(reader.get_variable_to_shape_map()) - {'_CHECKPOINTABLE_OBJECT_GRAPH'}
    return {name: reader.get_tensor(name) for name in names}


def last_weights(workdir):
    """All variables of the last checkpoint by name."""
    values = saved(workdir, 'last')
    return {name: value for name, value in values.items() if name.endswith('VARIABLE_VALUE')}


def check_equal(found, expected):
    """Compares values by name, bit for bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)


def logged(workdir):
    """`{tag: [steps]}` of the TensorBoard files."""
    tags = {}
    for path in sorted((workdir / 'events').iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    return tags


def forget_the_end(workdir, step):
    """Makes a finished run of 4 steps look as if it had died after the checkpoint of `step`."""
    for path in (workdir / 'checkpoints' / 'last').glob('ckpt-4.*'):
        path.unlink()
    (workdir / 'result.json').unlink()


def test_a_run_leaves_everything_behind(trained, tiny):
    workdir, result = trained.workdir, trained.result
    assert json.loads((workdir / 'result.json').read_text()) == result
    assert result['steps'] == 4
    assert result['last']['step'] == 4
    assert result['best']['step'] in (2, 4)
    assert result['best']['miou'] >= result['last']['miou']
    assert list(result['last']['iou']) == list(tiny.make_info().class_names)
    assert result['last']['pixels'] == 5 * 33 * 33
    record = json.loads((workdir / 'run.json').read_text())
    assert (record['state'], record['result']) == ('finished', result)
    assert record['configuration'] == {'Schedule.steps': '4'}

    labelled = (workdir / 'labelled.txt').read_text().split()
    unlabelled = (workdir / 'unlabelled.txt').read_text().split()
    assert len(labelled) == 4
    assert sorted(unlabelled) == sorted(f'train{i}' for i in range(12))
    assert set(labelled) < set(unlabelled)
    assert (workdir / 'config.gin').read_text() == 'Schedule.steps = 4\n'


def test_a_run_logs_scalars_and_pictures(trained):
    tags = logged(trained.workdir)
    for loss in ('loss', 'supervised', 'sgc', 'classification', 'consistency', 'weight_decay'):
        assert tags[f'losses/{loss}'] == [2, 4]
    for speed in ('steps_per_second', 'images_per_second', 'input_wait_share'):
        assert tags[f'speed/{speed}'] == [2, 4]
    assert tags['gradient_norm'] == tags['learning_rate'] == tags['memory/process_gib'] == [2, 4]
    for measure in ('accuracy', 'miou', 'confident'):
        for source in ('decoder', 'sgc', 'fused'):
            assert tags[f'pseudo_label_{measure}/{source}'] == [2, 4]
    assert tags['classifier_recall/mean'][-1] == 4
    assert tags['validation/miou'] == tags['validation/pixel_accuracy'] == [2, 4]
    assert tags['pictures'] == [4]
    for name in trained.experiment.data.make_dataset().info.class_names:
        assert tags[f'validation/iou/{name}'] == [2, 4]
    assert tags['validation/pictures'] == [2, 4]
    assert tags['configuration'] == [0]


def test_a_finished_run_is_only_evaluated(trained, tmp_path, capsys):
    workdir = tmp_path / 'copy'
    shutil.copytree(trained.workdir, workdir)
    make_configuration = configuration('Schedule.steps = 4\n')
    assert trained.experiment.train(workdir, make_configuration) == trained.result
    said = capsys.readouterr().out
    assert 'finished; evaluating only' in said
    assert 'loss' not in said


def test_a_folder_in_which_another_process_trains_is_refused(trained, tmp_path):
    workdir = tmp_path / 'copy'
    shutil.copytree(trained.workdir, workdir)
    before = {path: path.read_bytes() for path in workdir.rglob('*') if path.is_file()}
    path = workdir / '.training.lock'
    with (
        owner.only_one(path),
        pytest.raises(OSError, match=r'Another training is running in .*copy: process'),
    ):
        trained.experiment.train(workdir, configuration('Schedule.steps = 4\n'))
    assert {p: p.read_bytes() for p in workdir.rglob('*') if p.is_file()} == before


def test_a_folder_that_another_process_trained_in_meanwhile_is_refused(trained, tmp_path):
    """The other process begins after the first check, and ends before this one owns the folder."""
    workdir = tmp_path / 'copy'

    real = run_folder.owned

    def owned(folder):
        shutil.copytree(trained.workdir, folder)
        return real(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, 'owned', owned)
        with pytest.raises(ValueError, match='holds a run of another configuration'):
            trained.experiment.train(workdir, configuration('Schedule.steps = 5\n'))
    assert (workdir / 'config.gin').read_text() == 'Schedule.steps = 4\n'


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


def test_the_same_run_twice_gives_the_same_weights(tiny, tmp_path):
    for name in ('first', 'second'):
        experiment = tiny.experiment(steps=2, seed=3, validation_split=None)
        result = experiment.train(tmp_path / name)
        assert result == {'steps': 2}
    first, second = (last_weights(tmp_path / name) for name in ('first', 'second'))
    check_equal(second, first)


def test_another_configuration_is_refused_and_nothing_changes(trained):
    before = (trained.workdir / 'result.json').stat().st_mtime_ns
    other = configuration('Schedule.steps = 9\n')
    with pytest.raises(
        ValueError, match=r'Schedule.steps is 4 there and 9 here.*another --workdir'
    ):
        trained.experiment.train(trained.workdir, other)
    assert (trained.workdir / 'config.gin').read_text() == 'Schedule.steps = 4\n'
    assert (trained.workdir / 'result.json').stat().st_mtime_ns == before


@pytest.fixture(scope='module')
def averaged(tiny, tmp_path_factory):
    """The folder of a finished run with moving averages, its experiment and its result."""
    workdir = tmp_path_factory.mktemp('runs') / 'averaged'
    experiment = tiny.experiment(make_method=tiny.pseudoseg, average_decay=0.9)
    result = experiment.train(workdir, configuration('Schedule.steps = 4\n'))
    return types.SimpleNamespace(workdir=workdir, experiment=experiment, result=result)


def test_averages_leave_the_training_as_it_is(trained, averaged):
    raw, more = last_weights(trained.workdir), last_weights(averaged.workdir)
    added = {name for name in more if name.startswith('method/averages/')}
    assert added and more.keys() - added == raw.keys()
    for name, value in raw.items():
        # Sums of the same numbers in another order: the graphs differ.
        if not name.startswith('best_'):
            np.testing.assert_allclose(more[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def test_averages_go_on_as_if_the_run_had_not_stopped(averaged, tmp_path):
    workdir = tmp_path / 'copy'
    shutil.copytree(averaged.workdir, workdir)
    forget_the_end(workdir, 2)
    averaged.experiment.train(workdir, configuration('Schedule.steps = 4\n'))
    expected, resumed = last_weights(averaged.workdir), last_weights(workdir)
    check_equal(resumed, expected)


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


@pytest.mark.parametrize('checkpoint', ['best', 'last'])
def test_averages_are_what_a_folder_is_evaluated_and_used_by(averaged, checkpoint):
    method = averaged.experiment.load(averaged.workdir, checkpoint)
    reader = tf.train.load_checkpoint(str(averaged.workdir / 'checkpoints' / checkpoint))
    for i, variable in enumerate(method.trainable_variables):
        stored = reader.get_tensor(f'method/averages/{i}/.ATTRIBUTES/VARIABLE_VALUE')
        np.testing.assert_array_equal(variable, stored)
    name = 'method/network/logits/kernel/.ATTRIBUTES/VARIABLE_VALUE'
    assert np.any(reader.get_tensor(name) != method.network.logits.kernel.numpy())
    found = averaged.experiment.evaluate(averaged.workdir, checkpoint)
    assert found['iou'] == averaged.result[checkpoint]['iou']


class Poisoned(Supervised):
    """Its loss turns NaN in the third step."""

    def compute_losses(self, labelled, unlabelled):
        values = super().compute_losses(labelled, unlabelled)
        poison = tf.where(self.optimizer.iterations >= 2, np.nan, 0.0)
        return {'fine': tf.constant(1.0), 'supervised': values['supervised'] + poison}


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tiny, tmp_path):
    experiment = tiny.experiment(make_method=Poisoned, checkpoint_every=1, validation_split=None)
    with pytest.raises(FloatingPointError, match=r'stopped at step 3: supervised is nan'):
        experiment.train(tmp_path / 'run')
    weights = last_weights(tmp_path / 'run')
    assert weights['step/.ATTRIBUTES/VARIABLE_VALUE'] == 2
    assert all(np.all(np.isfinite(value)) for value in weights.values())
    assert not (tmp_path / 'run' / 'result.json').exists()


def test_classes_without_a_background(tiny, tmp_path):
    info = tiny.make_info(has_background=False)
    experiment = tiny.experiment(
        make_dataset=lambda: tiny.Squares(info, {'train': 6, 'val': 2}),
        make_method=tiny.pseudoseg,
        steps=1,
        picture_every=1,
    )
    result = experiment.train(tmp_path / 'run')
    assert len(result['last']['iou']) == 3


def test_evaluation_task_gives_the_scores_of_training(trained):
    for checkpoint in ('last', 'best'):
        found = trained.experiment.evaluate(trained.workdir, checkpoint)
        assert found == {'checkpoint': checkpoint, 'split': 'val', **trained.result[checkpoint]}


def test_evaluation_of_another_split(trained):
    found = trained.experiment.evaluate(trained.workdir, 'last', 'all4')
    assert (found['split'], found['pixels']) == ('all4', 4 * 33 * 33)


def test_initial_weights_are_set_before_training(tiny, tmp_path):
    seen = []
    experiment = tiny.experiment(steps=1, validation_split=None, initial_weights=seen.append)
    experiment.train(tmp_path / 'run')
    assert [method.network.num_classes for method in seen] == [3]


def test_a_run_says_what_it_is_and_what_came_out(tiny, tmp_path, capsys):
    def initial_weights(method):
        return 'the rest starts fresh'

    experiment = tiny.experiment(make_method=tiny.pseudoseg, initial_weights=initial_weights)
    experiment.train(tmp_path / 'run', configuration('a = 1\n'))
    said = capsys.readouterr().out
    for line in (
        f'Run folder: {tmp_path / "run"}',
        'Images: 4 labelled, 12 unlabelled, 5 validation.',
        'Crops: 33x33 of images of up to 33x33 pixels (width x height).',
        'Steps: 4 of 2 labelled + 2 unlabelled images.',
        'Device: CPU; precision float32.',
        'The first step builds the graph, which takes longer than a step.',
    ):
        assert f'{line}\n' in said
    assert 'Shares of the labelled pixels (3 classes): ground ' in said
    table = said.split('Validation, best weights (step ')[1].splitlines()[1:]
    assert table[0].split() == ['class', 'IoU', '%']
    assert [line.split()[0] for line in table[2:5]] == ['ground', 'dark', 'light']
    assert said.count('starts fresh') == 1
    # A run that resumes takes its own weights, and one that is refused takes none.
    experiment.train(tmp_path / 'run', configuration('a = 1\n'))
    with pytest.raises(ValueError, match='another configuration'):
        experiment.train(tmp_path / 'run', configuration('a = 2\n'))
    assert 'starts fresh' not in capsys.readouterr().out


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


def test_no_steps_save_and_evaluate_the_initial_weights(tiny, tmp_path, capsys):
    def initial_weights(method):
        method.network.logits.bias.assign([0.25, 0.5, -1.0])

    experiment = tiny.experiment(
        make_method=tiny.pseudoseg,
        average_decay=0.9,
        make_optimiser=functools.partial(optimisers.momentum_poly, slow_start_steps=100),
        steps=0,
        initial_weights=initial_weights,
    )
    workdir = tmp_path / 'run'
    result = experiment.train(workdir, configuration('Schedule.steps = 0\n'))
    said = capsys.readouterr().out
    assert 'No steps: the initial weights are saved and evaluated' in said
    assert 'finished' not in said and 'loss' not in said
    assert result['steps'] == result['last']['step'] == result['best']['step'] == 0
    assert result['last'] == result['best']
    assert json.loads((workdir / 'result.json').read_text()) == result

    method = experiment.load(workdir, 'best')
    np.testing.assert_array_equal(method.network.logits.bias, [0.25, 0.5, -1.0])
    for checkpoint in ('best', 'last'):
        found = experiment.evaluate(workdir, checkpoint)
        assert found['iou'] == result[checkpoint]['iou']
    again = experiment.train(workdir, configuration('Schedule.steps = 0\n'))
    assert again == result
    assert 'finished; evaluating only' in capsys.readouterr().out


def test_a_finished_run_trains_on(tiny, tmp_path, capsys):
    """4 steps, then 4 more, once in one go and once killed in between."""
    parts = {'checkpoint_every': 1, 'evaluate_every': 4, 'validation_split': None}
    text = "Schedule.steps = {}\nSchedule.extend = 'restart'\n"
    workdir, killed = tmp_path / 'run', tmp_path / 'killed'
    tiny.experiment(steps=4, **parts).train(workdir, configuration('Schedule.steps = 4\n'))
    longer = tiny.experiment(steps=8, **parts)
    with pytest.raises(ValueError, match=r"more steps, set Schedule\.extend = 'restart' too"):
        longer.train(workdir, configuration('Schedule.steps = 8\n'))
    longer = tiny.experiment(steps=8, extend='restart', **parts)
    rates = []

    def make_optimiser(**options):
        optimiser = optimisers.momentum_poly(learning_rate=0.05, **options)
        rates.append([float(optimiser._learning_rate(step)) for step in range(4, 9)])
        return optimiser

    longer = dataclasses.replace(longer, make_optimiser=make_optimiser)
    assert longer.train(workdir, configuration(text.format(8))) == {'steps': 8}
    assert 'is extended to 8 steps; the learning rate starts again from step 4' in (
        capsys.readouterr().out
    )
    expected = [0.05 * (1 - step / 4) ** 0.9 for step in range(5)]
    np.testing.assert_allclose(rates[0], expected, rtol=1e-6)
    record = json.loads((workdir / 'run.json').read_text())
    assert (record['steps'], record['restarts']) == (8, [{'step': 4, 'steps': 8}])

    shutil.copytree(workdir, killed)
    for path in (killed / 'checkpoints' / 'last').glob('ckpt-8.*'):
        path.unlink()
    (killed / 'result.json').unlink()
    longer.train(killed, configuration(text.format(8)))
    said = capsys.readouterr().out
    assert 'resuming at step 7' in said and 'is extended' not in said
    assert rates[1] == rates[0]
    expected, resumed = last_weights(workdir), last_weights(killed)
    check_equal(resumed, expected)
    with pytest.raises(ValueError, match=r'Schedule\.steps is 8 there and 6 here'):
        dataclasses.replace(longer, schedule=dataclasses.replace(longer.schedule, steps=6)).train(
            workdir, configuration(text.format(6))
        )


def test_an_optimiser_that_cannot_start_again_is_named():
    def make_optimiser(steps):
        return optimisers.momentum_poly(steps)

    with pytest.raises(
        ValueError, match=r'make_optimiser takes no first_step, which Schedule\.ext'
    ):
        contracts.optimiser_for(make_optimiser, rate_factor=None, first_step=4)
    assert contracts.optimiser_for(make_optimiser, rate_factor=None) is make_optimiser


def test_no_steps_and_no_validation_split(tiny, tmp_path):
    experiment = tiny.experiment(steps=0, validation_split=None)
    assert experiment.train(tmp_path / 'run') == {'steps': 0}
    experiment.load(tmp_path / 'run', 'last')


def test_steps_and_rate_follow_the_batch(tiny, tmp_path, capsys):
    made = []

    def make_optimiser(**options):
        made.append(
            optimisers.momentum_poly(**options, learning_rate=0.25, end_learning_rate=0.125)
        )
        return made[-1]

    experiment = tiny.experiment(
        make_optimiser=make_optimiser,
        steps=2,
        labelled_batch_size=2,
        reference_batch_size=3,
        evaluate_every=0,
    )
    workdir = tmp_path / 'run'
    result = experiment.train(workdir)
    # 2 * 3 / 2 = 3 steps; 0.25 * 2 / 3 is the rate at first, 0.125 * 2 / 3 at the end.
    assert result['steps'] == result['last']['step'] == 3
    said = '3 steps of 2 labelled images, the learning rate 0.166667 at first: 2 steps of 3 by'
    assert said in capsys.readouterr().out
    rates = [float(made[-1]._learning_rate(step)) for step in (0, 3)]
    np.testing.assert_allclose(rates, [1 / 6, 1 / 12], rtol=1e-6)


def test_a_reference_batch_equal_to_the_batch_changes_nothing(tiny, tmp_path):
    experiment = tiny.experiment(steps=1, validation_split=None, initial_weights=None)
    results = []
    for reference in (None, experiment.data.labelled.batch_size):
        schedule = dataclasses.replace(experiment.schedule, reference_batch_size=reference)
        experiment = dataclasses.replace(experiment, schedule=schedule)
        experiment.train(tmp_path / str(reference))
        method = experiment.load(tmp_path / str(reference), 'last')
        results.append(method.network.logits.kernel.numpy())
    np.testing.assert_array_equal(*results)


def test_an_optimiser_of_ones_own_needs_no_rate_factor(tiny, tmp_path):
    def make_optimiser(steps):
        return optimisers.momentum_poly(steps, learning_rate=0.05)

    experiment = tiny.experiment(steps=1, validation_split=None, make_optimiser=make_optimiser)
    assert experiment.train(tmp_path / 'run') == {'steps': 1}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'steps': -1}, r'Schedule.steps is -1; it must be a whole number, 0 to'),
        ({'evaluate_every': -1}, r'Schedule.evaluate_every is -1'),
        ({'steps': 10**20}, r'Schedule.steps is 10+; it must be a whole number'),
        ({'labelled_amount': 13}, r'Cannot sample 13 of 12 ids'),
        ({'labelled_amount': 1, 'labelled_every_class': True}, r'too few for every class'),
        ({'labelled_split': 'trian'}, r"no split 'trian'; it has train"),
        ({'validation_split': 'test'}, r"no split 'test'"),
        ({'labelled_batch_size': 0}, r'Labelled.batch_size is 0; it must be'),
        ({'labelled_batch_size': 0, 'reference_batch_size': 4}, r'Labelled.batch_size is 0'),
        (
            {'reference_batch_size': 0},
            r'reference_batch_size is 0; it must be a whole',
        ),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(
    tiny, tmp_path, changes, message
):
    workdir = tmp_path / 'run'
    with pytest.raises(ValueError, match=message):
        tiny.experiment(**changes).train(workdir)
    assert not workdir.exists()


def test_no_unlabelled_image_left(tiny, tmp_path):
    experiment = tiny.experiment(
        make_method=tiny.pseudoseg, labelled_amount=None, unlabelled_exclude_labelled=True
    )
    with pytest.raises(ValueError, match=r'No unlabelled image is left: all 12 .* are labelled'):
        experiment.train(tmp_path / 'run')


def test_lists_narrow_the_labelled_images(tiny, tmp_path):
    ids = tmp_path / 'ids.txt'
    ids.write_text('train3\ntrain7\n')
    experiment = tiny.experiment(
        steps=1, labelled_list_file=str(ids), labelled_amount=None, validation_split=None
    )
    experiment.train(tmp_path / 'run')
    assert (tmp_path / 'run' / 'labelled.txt').read_text() == 'train3\ntrain7\n'


def test_a_run_records_its_lists_and_refuses_others_when_it_goes_on(tiny, tmp_path):
    ids = tmp_path / 'ids.txt'
    ids.write_text('train3\ntrain6\n')
    called = []

    def find():
        called.append(str(ids))
        return str(ids)

    experiment = tiny.experiment(
        make_method=tiny.pseudoseg,
        steps=1,
        labelled_list_file=find,
        labelled_amount=None,
        unlabelled_list_file=find,
        unlabelled_masks=False,
        validation_split=None,
    )
    workdir = tmp_path / 'run'
    experiment.train(workdir)
    record = json.loads((workdir / 'lists.json').read_text())
    assert record['labelled']['list']['path'] == record['unlabelled']['list']['path'] == str(ids)
    assert record['labelled']['count'] == 2
    assert called == [str(ids)] * 2

    experiment.load(workdir, 'last')
    experiment.evaluate(workdir, 'last', 'val')
    assert called == [str(ids)] * 2

    ids.write_text('  train3\n\ntrain6')  # The same ids.
    experiment.train(workdir)
    ids.write_text('train3\ntrain8\n')
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match=r'other labelled images than .*ids.txt gives now \(1 ids'):
        experiment.train(workdir)
    assert before == {
        path: path.stat().st_mtime_ns for path in workdir.rglob('*') if path.is_file()
    }


def test_labelled_images_of_one_class_are_refused_before_training(tiny, tmp_path):
    class OneClass(tiny.Squares):
        def examples(self, split, labels='required', ids=None):
            examples = super().examples(split, labels, ids)
            shown = np.zeros((len(examples), 3), bool)
            shown[:, 1] = True
            return dataclasses.replace(examples, mask_classes=shown)

    info = tiny.make_info()
    experiment = tiny.experiment(make_dataset=lambda: OneClass(info, {'train': 12, 'val': 2}))
    with pytest.raises(ValueError, match=r'the 4 labelled images show dark and nothing else'):
        experiment.train(tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_crop_that_the_network_cannot_take(tiny, tmp_path):
    from wss.views.views import Views

    experiment = tiny.experiment(make_views=lambda: Views(crop_size=(9, 9), cutout_half_size=2))
    with pytest.raises(ValueError, match=r'crop_size \(9, 9\) is too small'):
        experiment.train(tmp_path / 'run')


def test_evaluation_and_prediction_need_a_run(tiny, tmp_path):
    experiment = tiny.experiment()
    for call in (experiment.evaluate, lambda workdir: experiment.predict(workdir, 'images', 'out')):
        with pytest.raises(FileNotFoundError, match='is not the folder of a run'):
            call(tmp_path)


def test_training_is_not_lost_when_scoring_fails(tiny, tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError('There is nothing to score.')

    monkeypatch.setattr(scores, 'evaluate', fail)
    with pytest.raises(ValueError, match='nothing to score'):
        tiny.experiment(evaluate_every=0).train(tmp_path / 'run')
    assert list((tmp_path / 'run' / 'checkpoints' / 'last').glob('ckpt-4.index'))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:100])


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


def test_a_seed_out_of_range(tiny, tmp_path):
    with pytest.raises(ValueError, match=r'Experiment\.seed is -1'):
        tiny.experiment(seed=-1).train(tmp_path / 'run')


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


def points(workdir):
    """`{(tag, step): value}` of the TensorBoard files, but for what measures time and memory.

    Pictures and texts are bytes.
    """
    found = {}
    for path in sorted((workdir / 'events').glob('events.out.*')):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if not value.tag.startswith(('speed/', 'memory/')):
                    content = tf.make_ndarray(value.tensor).ravel().tolist()
                    found[value.tag, event.step] = content if len(content) > 1 else content[0]
    return found


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


def test_a_profile_and_the_compiler(tiny, tmp_path):
    experiment = tiny.experiment(steps=8, validation_split=None, log_every=4, jit_compile=True)
    experiment.train(tmp_path / 'jit', profile=True)
    assert list((tmp_path / 'jit' / 'events').glob('plugins/profile/*/*.xplane.pb'))
    compute = dataclasses.replace(experiment.compute, jit_compile=False)
    dataclasses.replace(experiment, compute=compute).train(tmp_path / 'plain')
    compiled, plain = points(tmp_path / 'jit'), points(tmp_path / 'plain')
    assert compiled['losses/loss', 4] == pytest.approx(plain['losses/loss', 4], rel=1e-4)


def test_how_often_a_run_logs_may_change(tiny, tmp_path):
    experiment = tiny.experiment(steps=1, validation_split=None)
    text = 'Schedule.log_every = {}\nSchedule.steps = {}\n'
    experiment.train(tmp_path, configuration(text.format(50, 1)))
    experiment.train(tmp_path, configuration(text.format(5, 1)))
    with pytest.raises(ValueError, match=r'steps is 1 there and 2 here'):
        experiment.train(tmp_path, configuration(text.format(5, 2)))
