"""Runs with moving averages of the weights."""

import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from tests.experiment.saved_runs import (
    check_equal,
    configuration,
    forget_the_end,
    last_weights,
)


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
