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

from wss import callbacks, checkpoints, experiment, runtime, schedules
from wss.methods.supervised import Supervised
from wss.methods.weight_update import WeightUpdate


def last_weights(workdir):
    """All variables of the last checkpoint by name."""
    reader = tf.train.load_checkpoint(str(workdir / 'checkpoints' / 'last'))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith('VARIABLE_VALUE')]
    return {name: reader.get_tensor(name) for name in names}


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
    assert record['configuration'] == {'run.steps': '4'}

    labelled = (workdir / 'labelled.txt').read_text().split()
    unlabelled = (workdir / 'unlabelled.txt').read_text().split()
    assert len(labelled) == 4
    assert sorted(unlabelled) == sorted(f'train{i}' for i in range(12))
    assert set(labelled) < set(unlabelled)
    assert (workdir / 'config.gin').read_text() == 'run.steps = 4\n'


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
    assert tags['validation/miou'] == tags['validation/pixel_accuracy'] == [2, 4]
    assert tags['pictures'] == [4]


def test_a_finished_run_is_only_evaluated(trained, tmp_path, capsys):
    workdir = tmp_path / 'copy'
    shutil.copytree(trained.workdir, workdir)
    task = experiment.Train('run.steps = 4\n')
    assert experiment.run(workdir, task, **trained.settings) == trained.result
    said = capsys.readouterr().out
    assert 'finished; evaluating only' in said
    assert 'loss' not in said


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(trained, tmp_path, capsys):
    workdir = tmp_path / 'copy'
    shutil.copytree(trained.workdir, workdir)
    forget_the_end(workdir, 2)
    experiment.run(workdir, experiment.Train('run.steps = 4\n'), **trained.settings)
    assert 'going on at step 2' in capsys.readouterr().out
    assert logged(workdir) == logged(trained.workdir)
    expected, resumed = last_weights(trained.workdir), last_weights(workdir)
    assert expected.keys() == resumed.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value, name)


@pytest.mark.parametrize('missing', ['evaluate', 'save_if_best', 'note_score'])
def test_a_run_that_dies_at_its_last_evaluation_makes_up_for_it(
    trained, tmp_path, monkeypatch, capsys, missing
):
    settings = trained.settings
    real = {
        'evaluate': experiment.training.evaluation.evaluate,
        'save_if_best': checkpoints.Checkpoints.save_if_best,
        'note_score': checkpoints.Checkpoints.note_score,
    }[missing]
    calls = []

    def dies_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise SystemExit
        return real(*arguments)

    place = experiment.training.evaluation if missing == 'evaluate' else checkpoints.Checkpoints
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(place, missing, dies_at_the_second)
        experiment.run(tmp_path, experiment.Train('run.steps = 4\n'), **settings)
    assert list((tmp_path / 'checkpoints' / 'last').glob('ckpt-4.index'))
    result = experiment.run(tmp_path, experiment.Train('run.steps = 4\n'), **settings)
    assert 'going on at step 4' in capsys.readouterr().out
    assert result == trained.result
    assert logged(tmp_path) == logged(trained.workdir)
    for name in ('scores.json', 'best/ckpt-*.index'):
        there, here = (sorted(w.glob(f'checkpoints/{name}')) for w in (trained.workdir, tmp_path))
        assert [path.name for path in here] == [path.name for path in there]
        assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there]


def test_a_run_without_steps_that_dies_before_its_scores_makes_up_for_them(
    tiny, tmp_path, monkeypatch
):
    settings = tiny.settings(steps=0)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(checkpoints.Checkpoints, 'save_if_best', lambda *_: sys.exit(1))
        experiment.run(tmp_path, experiment.Train(), **settings)
    result = experiment.run(tmp_path, experiment.Train(), **settings)
    assert result['best'] == result['last']
    assert list((tmp_path / 'checkpoints' / 'best').glob('ckpt-0.index'))


def test_the_same_run_twice_gives_the_same_weights(tiny, tmp_path):
    for name in ('first', 'second'):
        settings = tiny.settings(steps=2, seed=3, validation_split=None)
        result = experiment.run(tmp_path / name, experiment.Train(), **settings)
        assert result == {'steps': 2}
    first, second = (last_weights(tmp_path / name) for name in ('first', 'second'))
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, name)


def test_another_configuration_is_refused_and_nothing_changes(trained):
    before = (trained.workdir / 'result.json').stat().st_mtime_ns
    task = experiment.Train('run.steps = 9\n')
    with pytest.raises(ValueError, match=r'run.steps is 4 there and 9 here.*another --workdir'):
        experiment.run(trained.workdir, task, **trained.settings)
    assert (trained.workdir / 'config.gin').read_text() == 'run.steps = 4\n'
    assert (trained.workdir / 'result.json').stat().st_mtime_ns == before


@pytest.fixture(scope='module')
def averaged(tiny, tmp_path_factory):
    """The folder of a finished run with moving averages, its settings and its result."""
    workdir = tmp_path_factory.mktemp('runs') / 'averaged'
    make_method = functools.partial(tiny.pseudoseg, weight_update=WeightUpdate(average_decay=0.9))
    settings = tiny.settings(make_method=make_method)
    result = experiment.run(workdir, experiment.Train('run.steps = 4\n'), **settings)
    return types.SimpleNamespace(workdir=workdir, settings=settings, result=result)


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
    experiment.run(workdir, experiment.Train('run.steps = 4\n'), **averaged.settings)
    expected, resumed = last_weights(averaged.workdir), last_weights(workdir)
    assert expected.keys() == resumed.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value, name)


@pytest.mark.parametrize('checkpoint', ['best', 'last'])
def test_averages_are_what_a_folder_is_evaluated_and_used_by(averaged, checkpoint):
    method = experiment.run(averaged.workdir, experiment.Load(checkpoint), **averaged.settings)
    reader = tf.train.load_checkpoint(str(averaged.workdir / 'checkpoints' / checkpoint))
    for i, variable in enumerate(method.trainable_variables):
        stored = reader.get_tensor(f'method/averages/{i}/.ATTRIBUTES/VARIABLE_VALUE')
        np.testing.assert_array_equal(variable, stored)
    name = 'method/network/logits/kernel/.ATTRIBUTES/VARIABLE_VALUE'
    assert np.any(reader.get_tensor(name) != method.network.logits.kernel.numpy())
    scores = experiment.run(averaged.workdir, experiment.Evaluate(checkpoint), **averaged.settings)
    assert scores['iou'] == averaged.result[checkpoint]['iou']


class Poisoned(Supervised):
    """Its loss turns NaN in the third step."""

    def compute_losses(self, labelled, unlabelled):
        values = super().compute_losses(labelled, unlabelled)
        poison = tf.where(self.optimizer.iterations >= 2, np.nan, 0.0)
        return {'fine': tf.constant(1.0), 'supervised': values['supervised'] + poison}


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tiny, tmp_path):
    settings = tiny.settings(make_method=Poisoned, checkpoint_every=1, validation_split=None)
    with pytest.raises(FloatingPointError, match=r'stopped at step 3: supervised is nan'):
        experiment.run(tmp_path / 'run', experiment.Train(), **settings)
    weights = last_weights(tmp_path / 'run')
    assert weights['step/.ATTRIBUTES/VARIABLE_VALUE'] == 2
    assert all(np.all(np.isfinite(value)) for value in weights.values())
    assert not (tmp_path / 'run' / 'result.json').exists()


def test_classes_without_a_background(tiny, tmp_path):
    info = tiny.make_info(has_background=False)
    settings = tiny.settings(
        make_dataset=lambda: tiny.Squares(info, {'train': 6, 'val': 2}),
        make_method=tiny.pseudoseg,
        steps=1,
        picture_every=1,
    )
    result = experiment.run(tmp_path / 'run', experiment.Train(), **settings)
    assert len(result['last']['iou']) == 3


def test_evaluation_task_gives_the_scores_of_training(trained):
    for checkpoint in ('last', 'best'):
        task = experiment.Evaluate(checkpoint)
        scores = experiment.run(trained.workdir, task, **trained.settings)
        step_and_scores = trained.result[checkpoint]
        assert scores == {'checkpoint': checkpoint, 'split': 'val'} | {
            name: value for name, value in step_and_scores.items() if name != 'step'
        }


def test_evaluation_of_another_split(trained):
    task = experiment.Evaluate('last', 'all4')
    scores = experiment.run(trained.workdir, task, **trained.settings)
    assert (scores['split'], scores['pixels']) == ('all4', 4 * 33 * 33)


def test_initial_weights_are_set_before_training(tiny, tmp_path):
    seen = []
    settings = tiny.settings(steps=1, validation_split=None, initial_weights=seen.append)
    experiment.run(tmp_path / 'run', experiment.Train(), **settings)
    assert [method.network.num_classes for method in seen] == [3]


def test_no_steps_save_and_evaluate_the_initial_weights(tiny, tmp_path, capsys):
    def initial_weights(method):
        method.network.logits.bias.assign([0.25, 0.5, -1.0])

    settings = tiny.settings(
        make_method=functools.partial(
            tiny.pseudoseg, weight_update=WeightUpdate(average_decay=0.9)
        ),
        make_optimizer=functools.partial(schedules.momentum_poly, slow_start_steps=100),
        steps=0,
        initial_weights=initial_weights,
    )
    workdir = tmp_path / 'run'
    result = experiment.run(workdir, experiment.Train('run.steps = 0\n'), **settings)
    said = capsys.readouterr().out
    assert 'No steps: the initial weights are saved and evaluated' in said
    assert 'finished' not in said and 'loss' not in said
    assert result['steps'] == result['last']['step'] == result['best']['step'] == 0
    assert result['last'] == result['best']
    assert json.loads((workdir / 'result.json').read_text()) == result

    method = experiment.run(workdir, experiment.Load('best'), **settings)
    np.testing.assert_array_equal(method.network.logits.bias, [0.25, 0.5, -1.0])
    for checkpoint in ('best', 'last'):
        scores = experiment.run(workdir, experiment.Evaluate(checkpoint), **settings)
        assert scores['iou'] == result[checkpoint]['iou']
    again = experiment.run(workdir, experiment.Train('run.steps = 0\n'), **settings)
    assert again == result
    assert 'finished; evaluating only' in capsys.readouterr().out


def test_no_steps_and_no_validation_split(tiny, tmp_path):
    settings = tiny.settings(steps=0, validation_split=None)
    assert experiment.run(tmp_path / 'run', experiment.Train(), **settings) == {'steps': 0}
    experiment.run(tmp_path / 'run', experiment.Load('last'), **settings)


def test_steps_and_rate_follow_the_batch(tiny, tmp_path, capsys):
    settings = tiny.settings(
        make_optimizer=functools.partial(
            schedules.momentum_poly, learning_rate=0.25, end_learning_rate=0.125
        ),
        steps=2,
        labelled_batch_size=2,
        reference_batch_size=3,
        evaluate_every=0,
    )
    workdir = tmp_path / 'run'
    result = experiment.run(workdir, experiment.Train(), **settings)
    # 2 * 3 / 2 = 3 steps; 0.25 * 2 / 3 is the rate at first, 0.125 * 2 / 3 at the end.
    assert result['steps'] == result['last']['step'] == 3
    said = '3 steps of 2 labelled images, the learning rate 0.166667 at first: 2 steps of 3 by'
    assert said in capsys.readouterr().out
    method = experiment.run(workdir, experiment.Load('last'), **settings)
    rates = [float(method.optimizer._learning_rate(step)) for step in (0, 3)]
    np.testing.assert_allclose(rates, [1 / 6, 1 / 12], rtol=1e-6)


def test_a_reference_batch_equal_to_the_batch_changes_nothing(tiny, tmp_path):
    settings = tiny.settings(steps=1, validation_split=None, initial_weights=None)
    results = []
    for reference in (None, settings['labelled_batch_size']):
        settings['reference_batch_size'] = reference
        experiment.run(tmp_path / str(reference), experiment.Train(), **settings)
        method = experiment.run(tmp_path / str(reference), experiment.Load('last'), **settings)
        results.append(method.network.logits.kernel.numpy())
    np.testing.assert_array_equal(*results)


def test_an_optimiser_of_ones_own_needs_no_rate_factor(tiny, tmp_path):
    def make_optimizer(steps):
        return schedules.momentum_poly(steps, learning_rate=0.05)

    settings = tiny.settings(steps=1, validation_split=None, make_optimizer=make_optimizer)
    assert experiment.run(tmp_path / 'run', experiment.Train(), **settings) == {'steps': 1}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'steps': -1}, r'run.steps is -1; it must be 0 or more'),
        ({'evaluate_every': -1}, r'run.evaluate_every is -1'),
        ({'steps': 10**20}, r'run.steps is 10+; it must be at most'),
        ({'labelled_count': 13}, r'Cannot draw 13 of 12 ids'),
        ({'labelled_count': 1, 'labelled_every_class': True}, r'too few for every class'),
        ({'labelled_split': 'trian'}, r"no split 'trian'; it has train"),
        ({'validation_split': 'test'}, r"no split 'test'"),
        ({'labelled_batch_size': 0}, r'labelled_batch_size'),
        ({'labelled_batch_size': 0, 'reference_batch_size': 4}, r'labelled_batch_size is 0'),
        ({'reference_batch_size': 0}, r'reference_batch_size is 0; it must be 1 or more'),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(
    tiny, tmp_path, changes, message
):
    workdir = tmp_path / 'run'
    with pytest.raises(ValueError, match=message):
        experiment.run(workdir, experiment.Train(), **tiny.settings(**changes))
    assert not workdir.exists()


def test_no_unlabelled_image_left(tiny, tmp_path):
    settings = tiny.settings(make_method=tiny.pseudoseg, labelled_count=None, exclude_labelled=True)
    with pytest.raises(ValueError, match=r'No unlabelled image is left: all 12 .* are labelled'):
        experiment.run(tmp_path / 'run', experiment.Train(), **settings)


def test_lists_narrow_the_labelled_images(tiny, tmp_path):
    ids = tmp_path / 'ids.txt'
    ids.write_text('train3\ntrain7\n')
    settings = tiny.settings(
        steps=1, labelled_list=str(ids), labelled_count=None, validation_split=None
    )
    experiment.run(tmp_path / 'run', experiment.Train(), **settings)
    assert (tmp_path / 'run' / 'labelled.txt').read_text() == 'train3\ntrain7\n'


def test_a_run_records_its_lists_and_refuses_others_when_it_goes_on(tiny, tmp_path):
    ids = tmp_path / 'ids.txt'
    ids.write_text('train3\ntrain6\n')
    called = []

    def find():
        called.append(str(ids))
        return str(ids)

    settings = tiny.settings(
        make_method=tiny.pseudoseg,
        steps=1,
        labelled_list=find,
        labelled_count=None,
        unlabelled_list=find,
        unlabelled_masks=False,
        validation_split=None,
    )
    workdir = tmp_path / 'run'
    experiment.run(workdir, experiment.Train(), **settings)
    record = json.loads((workdir / 'lists.json').read_text())
    assert record['labelled']['list']['path'] == record['unlabelled']['list']['path'] == str(ids)
    assert record['labelled']['count'] == 2
    assert called == [str(ids)] * 2

    experiment.run(workdir, experiment.Load('last'), **settings)
    experiment.run(workdir, experiment.Evaluate('last', 'val'), **settings)
    assert called == [str(ids)] * 2

    ids.write_text('  train3\n\ntrain6')  # The same ids.
    experiment.run(workdir, experiment.Train(), **settings)
    ids.write_text('train3\ntrain8\n')
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match=r'other labelled images than .*ids.txt gives now \(1 ids'):
        experiment.run(workdir, experiment.Train(), **settings)
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
    settings = tiny.settings(make_dataset=lambda: OneClass(info, {'train': 12, 'val': 2}))
    with pytest.raises(ValueError, match=r'the 4 labelled images show dark and nothing else'):
        experiment.run(tmp_path / 'run', experiment.Train(), **settings)
    assert not (tmp_path / 'run').exists()


def test_a_crop_that_the_network_cannot_take(tiny, tmp_path):
    from wss.views.views import Views

    settings = tiny.settings(make_views=lambda: Views(crop_size=(9, 9), cutout_half_size=2))
    with pytest.raises(ValueError, match=r'crop_size \(9, 9\) is too small'):
        experiment.run(tmp_path / 'run', experiment.Train(), **settings)


def test_evaluation_and_prediction_need_a_run(tiny, tmp_path):
    for task in (experiment.Evaluate(), experiment.Predict('images', 'out')):
        with pytest.raises(FileNotFoundError, match='is not the folder of a run'):
            experiment.run(tmp_path, task, **tiny.settings())


def test_training_is_not_lost_when_scoring_fails(tiny, tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError('There is nothing to score.')

    monkeypatch.setattr(experiment.training.evaluation, 'evaluate', fail)
    with pytest.raises(ValueError, match='nothing to score'):
        experiment.run(tmp_path / 'run', experiment.Train(), **tiny.settings(evaluate_every=0))
    assert list((tmp_path / 'run' / 'checkpoints' / 'last').glob('ckpt-4.index'))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:100])


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(trained, tmp_path, capsys):
    workdir = tmp_path / 'run'
    shutil.copytree(trained.workdir, workdir)
    last = workdir / 'checkpoints' / 'last'
    cut_off(next(last.glob('ckpt-4.data-*')))
    result = experiment.run(workdir, experiment.Train('run.steps = 4\n'), **trained.settings)
    said = capsys.readouterr().out
    assert re.search(r'last/ckpt-4 is damaged or cut off: .*; taking the one before', said)
    assert 'going on at step 2' in said
    assert result == trained.result
    assert len(list(last.glob('ckpt-4.data-*.damaged'))) == 1
    expected, resumed = last_weights(trained.workdir), last_weights(workdir)
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value, name)


def test_nothing_starts_anew_where_every_checkpoint_is_damaged(trained, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(trained.workdir, workdir)
    last = workdir / 'checkpoints' / 'last'
    for path in last.glob('ckpt-*.data-*'):
        cut_off(path)
    before = sorted((p.name, p.stat().st_size) for p in last.iterdir())
    with pytest.raises(ValueError, match=r'ckpt-2 is damaged or cut off'):
        experiment.run(workdir, experiment.Train('run.steps = 4\n'), **trained.settings)
    assert sorted((p.name, p.stat().st_size) for p in last.iterdir()) == before


def test_a_seed_out_of_range(tiny, tmp_path):
    with pytest.raises(ValueError, match=r'run\.seed is -1'):
        experiment.run(tmp_path / 'run', experiment.Train(), **tiny.settings(seed=-1))


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
    settings = tiny.settings(
        steps=5,
        checkpoint_every=0,
        log_every=2,
        evaluate_every=5,
        make_method=tiny.pseudoseg,
        make_network=functools.partial(tiny.make_network, aspp_dropout=0.3),
    )
    task = experiment.Train(devices=runtime.Devices(strategy))
    experiment.run(tmp_path / 'whole', task, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(Signalled, 'number', number)
        patch.setattr(callbacks, 'StopAtNaN', lambda first_step, folder: Signalled(first_step))
        with pytest.raises((SystemExit, KeyboardInterrupt)) as stopped:
            experiment.run(tmp_path / 'parts', task, **settings)
    if number == signal.SIGTERM:
        assert stopped.value.code == 143
    assert 'Saved at step 3' in capsys.readouterr().out
    assert json.loads((tmp_path / 'parts' / 'run.json').read_text())['state'] == 'stopped'
    result = experiment.run(tmp_path / 'parts', task, **settings)
    whole, parts = last_weights(tmp_path / 'whole'), last_weights(tmp_path / 'parts')
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(parts[name], value, name)
    assert result == json.loads((tmp_path / 'whole' / 'result.json').read_text())
    assert logged(tmp_path / 'whole') == logged(tmp_path / 'parts')


def scalars(workdir):
    """`{(tag, step): value}` of the TensorBoard files, but for what measures time and memory."""
    found = {}
    for path in sorted((workdir / 'events').glob('events.out.*')):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if not value.tag.startswith(('speed/', 'memory/')):
                    found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_several_steps_an_execution_change_nothing_but_when_one_looks(tiny, tmp_path):
    settings = tiny.settings(make_method=tiny.pseudoseg)
    one = experiment.run(tmp_path / 'one', experiment.Train(), **settings)
    two = experiment.run(tmp_path / 'two', experiment.Train(), **settings, steps_per_execution=2)
    assert one == two
    assert scalars(tmp_path / 'one') == scalars(tmp_path / 'two')
    first, second = last_weights(tmp_path / 'one'), last_weights(tmp_path / 'two')
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, name)
    with pytest.raises(ValueError, match=r'steps_per_execution is 3, and something'):
        experiment.run(tmp_path / 'no', experiment.Train(), **settings, steps_per_execution=3)
    assert not (tmp_path / 'no').exists()


def test_an_evaluation_that_was_cut_short_is_made_up_for(tiny, tmp_path, monkeypatch, capsys):
    settings = tiny.settings(steps=4, checkpoint_every=2, evaluate_every=2)
    whole = experiment.run(tmp_path / 'whole', experiment.Train(), **settings)
    note = checkpoints.Checkpoints.note_score

    def killed(self, step, miou):
        if step == 2:
            raise ConnectionError('as if the power had gone')
        note(self, step, miou)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, 'note_score', killed)
        with pytest.raises(ConnectionError):
            experiment.run(tmp_path / 'parts', experiment.Train(), **settings)
    assert experiment.run(tmp_path / 'parts', experiment.Train(), **settings) == whole
    assert capsys.readouterr().out.count('step 2: validation mIoU') == 3
    assert logged(tmp_path / 'parts') == logged(tmp_path / 'whole')
    assert scalars(tmp_path / 'parts') == scalars(tmp_path / 'whole')


def test_a_profile_and_the_compiler(tiny, tmp_path):
    settings = tiny.settings(steps=8, validation_split=None, log_every=4, jit_compile=True)
    experiment.run(tmp_path / 'jit', experiment.Train(profile=True), **settings)
    assert list((tmp_path / 'jit' / 'events').glob('plugins/profile/*/*.xplane.pb'))
    settings['jit_compile'] = False
    experiment.run(tmp_path / 'plain', experiment.Train(), **settings)
    compiled, plain = scalars(tmp_path / 'jit'), scalars(tmp_path / 'plain')
    assert compiled['losses/loss', 4] == pytest.approx(plain['losses/loss', 4], rel=1e-4)


def test_how_often_a_run_logs_may_change(tiny, tmp_path):
    settings = tiny.settings(steps=1, validation_split=None)
    text = 'experiment.run.log_every = {}\nexperiment.run.steps = {}\n'
    experiment.run(tmp_path, experiment.Train(text.format(50, 1)), **settings)
    experiment.run(tmp_path, experiment.Train(text.format(5, 1)), **settings)
    with pytest.raises(ValueError, match=r'steps is 1 there and 2 here'):
        experiment.run(tmp_path, experiment.Train(text.format(5, 2)), **settings)
