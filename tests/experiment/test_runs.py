"""What a run writes, prints and returns."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.experiment.saved_runs import (
    check_equal,
    configuration,
    last_weights,
    logged,
    points,
)
from wss.datasets.files import owner
from wss.methods.supervised import Supervised
from wss.results import scores
from wss.runs import folder as run_folder


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


def test_the_same_run_twice_gives_the_same_weights(tiny, tmp_path):
    for name in ('first', 'second'):
        experiment = tiny.experiment(steps=2, seed=3, validation_split=None)
        result = experiment.train(tmp_path / name)
        assert result == {'steps': 2}
    first, second = (last_weights(tmp_path / name) for name in ('first', 'second'))
    check_equal(second, first)


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
    assert table[0].split() == ['class', 'IoU', '%', 'precision', '%', 'recall', '%']
    assert [line.split()[0] for line in table[2:5]] == ['ground', 'dark', 'light']
    assert said.count('starts fresh') == 1
    # A run that resumes takes its own weights, and one that is refused takes none.
    experiment.train(tmp_path / 'run', configuration('a = 1\n'))
    with pytest.raises(ValueError, match='another configuration'):
        experiment.train(tmp_path / 'run', configuration('a = 2\n'))
    assert 'starts fresh' not in capsys.readouterr().out


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


def test_a_profile_and_the_compiler(tiny, tmp_path):
    experiment = tiny.experiment(steps=8, validation_split=None, log_every=4, jit_compile=True)
    experiment.train(tmp_path / 'jit', profile=True)
    assert list((tmp_path / 'jit' / 'events').glob('plugins/profile/*/*.xplane.pb'))
    compute = dataclasses.replace(experiment.compute, jit_compile=False)
    dataclasses.replace(experiment, compute=compute).train(tmp_path / 'plain')
    compiled, plain = points(tmp_path / 'jit'), points(tmp_path / 'plain')
    assert compiled['losses/loss', 4] == pytest.approx(plain['losses/loss', 4], rel=1e-4)
