"""What the settings of a run decide, and which are refused."""

import dataclasses
import functools
import json
import shutil

import numpy as np
import pytest

from tests.experiment.saved_runs import (
    check_equal,
    configuration,
    last_weights,
)
from wss.training import contracts, optimisers
from wss.views.views import Views


def test_another_configuration_is_refused_and_nothing_changes(trained):
    before = (trained.workdir / 'result.json').stat().st_mtime_ns
    other = configuration('Schedule.steps = 9\n')
    with pytest.raises(
        ValueError, match=r'Schedule.steps is 4 there and 9 here.*another --workdir'
    ):
        trained.experiment.train(trained.workdir, other)
    assert (trained.workdir / 'config.gin').read_text() == 'Schedule.steps = 4\n'
    assert (trained.workdir / 'result.json').stat().st_mtime_ns == before


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
    experiment = tiny.experiment(make_views=lambda: Views(crop_size=(9, 9), cutout_half_size=2))
    with pytest.raises(ValueError, match=r'crop_size \(9, 9\) is too small'):
        experiment.train(tmp_path / 'run')


def test_a_seed_out_of_range(tiny, tmp_path):
    with pytest.raises(ValueError, match=r'Experiment\.seed is -1'):
        tiny.experiment(seed=-1).train(tmp_path / 'run')


def test_how_often_a_run_logs_may_change(tiny, tmp_path):
    experiment = tiny.experiment(steps=1, validation_split=None)
    text = 'Schedule.log_every = {}\nSchedule.steps = {}\n'
    experiment.train(tmp_path, configuration(text.format(50, 1)))
    experiment.train(tmp_path, configuration(text.format(5, 1)))
    with pytest.raises(ValueError, match=r'steps is 1 there and 2 here'):
        experiment.train(tmp_path, configuration(text.format(5, 2)))
