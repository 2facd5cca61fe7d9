import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.devices import lost, strategies, workers


def make_model(units=2):
    model = keras.Sequential([keras.layers.Dense(units, use_bias=False)])
    model.build([None, 3])
    return model


def test_seed_fixes_initialisation():
    kernels = []
    for seed in (1, 1, 2):
        strategies.set_seed(seed)
        kernels.append(make_model().layers[0].kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(kernels[0] != kernels[2])


def devices(**changes):
    return strategies.Devices(**changes)


def config(index, count=2, role='worker', **others):
    workers_ = {'worker': [f'host{i}:1' for i in range(count)], **others}
    return json.dumps({'cluster': workers_, 'task': {'type': role, 'index': index}})


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    strategies.make_strategy.cache_clear()
    for name in ('TF_CONFIG', 'TPU_NAME'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def chosen(monkeypatch):
    """The kind of strategy that is made, without making it; and a machine of any number of GPUs."""
    made = []

    def note(kind):
        return lambda *details: made.append((kind, *details))

    monkeypatch.setattr(strategies, '_tpu_strategy', note('tpu'))
    monkeypatch.setattr(strategies, '_multi_worker_strategy', note('multi_worker'))
    monkeypatch.setattr(strategies.tf.distribute, 'MirroredStrategy', note('mirrored'))
    monkeypatch.setattr(strategies.tf.distribute, 'get_strategy', note('one'))
    return made


@pytest.mark.parametrize(
    ('settings', 'gpus', 'environment', 'expected'),
    [
        ({}, 0, {}, ('one',)),
        ({}, 1, {}, ('one',)),
        ({}, 2, {}, ('mirrored', ['GPU:0', 'GPU:1'])),
        ({'replicas': 1}, 2, {}, ('one',)),
        ({'replicas': 2}, 4, {}, ('mirrored', ['GPU:0', 'GPU:1'])),
        ({'strategy': 'mirrored'}, 1, {}, ('mirrored', ['GPU:0'])),
        ({'strategy': 'one'}, 4, {}, ('one',)),
        ({'tpu': 'mine'}, 0, {}, ('tpu', 'mine')),
        ({}, 0, {'TPU_NAME': 'theirs'}, ('tpu', 'theirs')),
        ({'strategy': 'tpu'}, 0, {}, ('tpu', 'local')),
        ({'strategy': 'one'}, 0, {'TPU_NAME': 'theirs'}, ('one',)),
        ({'strategy': 'one'}, 0, {'TF_CONFIG': config(1)}, ('one',)),
        ({}, 4, {'TF_CONFIG': config(0)}, ('multi_worker', 10.0)),
        ({}, 0, {'TF_CONFIG': config(0, count=1)}, ('one',)),
        (
            {'strategy': 'multi_worker'},
            0,
            {'TF_CONFIG': config(0, count=1)},
            ('multi_worker', 10.0),
        ),
    ],
)
def test_the_strategy_that_is_found(chosen, monkeypatch, settings, gpus, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(strategies.tf.config, 'list_physical_devices', lambda kind: [kind] * gpus)
    strategies.make_strategy(devices(**settings))
    assert chosen == [expected]
    assert workers.is_chief()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'strategy': 'horovod'}, "--strategy is 'horovod'"),
        ({'replicas': 0}, '--replicas is 0'),
        ({'tpu': ''}, '--tpu is empty'),
        ({'strategy': 'one', 'replicas': 2}, 'goes with --strategy mirrored, not with one'),
        ({'strategy': 'mirrored', 'tpu': 'mine'}, '--tpu is given with --strategy mirrored'),
        ({'strategy': 'multi_worker'}, 'needs the environment variable TF_CONFIG'),
        ({'strategy': 'mirrored', 'replicas': 3}, 'cannot be divided into 3 devices after'),
        ({'tpu': 'local'}, "The TPU 'local' cannot be used"),
    ],
)
def test_devices_that_are_missing(settings, message):
    tf.constant(1.0) + 1.0  # TensorFlow has started.
    with pytest.raises(ValueError, match=message):
        strategies.make_strategy(devices(**settings))


def test_too_many_gpus_are_asked_for(monkeypatch):
    monkeypatch.setattr(strategies.tf.config, 'list_physical_devices', lambda kind: [kind] * 2)
    with pytest.raises(ValueError, match=r'--replicas is 5, but this machine has 2 GPUs'):
        strategies.make_strategy(devices(replicas=5))


@pytest.mark.parametrize(
    'text',
    [
        '{',
        '[]',
        '{"cluster": 3}',
        '{"cluster": {"worker": 1}}',
        '{"cluster": {"worker": "host0:1"}}',
        '{"task": [1]}',
        config('zero'),
        config(None),
        config(float('inf')),
    ],
)
def test_a_damaged_description_of_the_workers(monkeypatch, text):
    monkeypatch.setenv('TF_CONFIG', text)
    with pytest.raises(ValueError, match='TF_CONFIG is damaged'):
        strategies.make_strategy(devices())


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        (config(2), r'task.index is 2; it must be 0 to 1'),
        (config(-1), r'task.index is -1'),
        (config(1, count=1), r'task.index is 1; it must be 0 to 0'),
        (config(0, role='chief'), r"task.type is 'chief', which the cluster does not list"),
        (config(0, role='evaluator', evaluator=['host9:1']), r"task.type is 'evaluator'"),
        (config(0, role=None), r'task.type is None'),
        (config(0, role='chief', chief=['host8:1', 'host9:1']), 'only one chief'),
        (config(0, chief=['host0:1']), "'host0:1' is listed twice"),
        (config(0, chief=['host9']), "'host9' is not of the form host:port"),
        (config(0, chief=[9]), '9 is not of the form host:port'),
        ('{"cluster": {"worker": ["host0:1", "host1:1"]}}', 'task.type is None'),
        (
            '{"cluster": {"worker": ["host0:1", "host1:1"]}, "task": {"type": "worker"}}',
            'task.index is None',
        ),
    ],
)
def test_workers_that_could_not_meet(monkeypatch, content, fault):
    monkeypatch.setenv('TF_CONFIG', content)
    with pytest.raises(ValueError, match=f'TF_CONFIG is damaged: .*{fault}'):
        strategies.make_strategy(devices(strategy='multi_worker'))


@pytest.mark.parametrize(
    ('text', 'first'),
    [
        ('', True),
        (config(0), True),
        (config(1), False),
        (config(0, chief=['host9:1']), False),
        (config(0, role='chief', chief=['host9:1']), True),
        (config(0, count=1), True),
    ],
)
def test_the_worker_that_writes(monkeypatch, text, first):
    monkeypatch.setenv('TF_CONFIG', text)
    assert workers.is_chief() == first


def test_another_worker_is_lost(monkeypatch, capsys):
    strategy = tf.distribute.get_strategy()
    error = tf.errors.UnavailableError(None, None, 'Connection reset by peer\nat a place')
    with pytest.raises(tf.errors.UnavailableError), lost.exits_when_lost(strategy):
        raise error
    monkeypatch.setattr(workers, 'is_multi_worker', lambda strategy: True)
    with pytest.raises(SystemExit) as ended, lost.exits_when_lost(strategy):
        raise error
    assert ended.value.code == 75
    said = capsys.readouterr().err
    assert said.startswith('Another worker was lost: Connection reset by peer\nStart all workers')
    assert said.endswith('the run resumes from its last checkpoint.\n')


def test_workers_that_see_different_folders(monkeypatch):
    strategy = tf.distribute.get_strategy()
    workers.check_workers_agree(strategy, 500, 'runs/a')
    monkeypatch.setattr(workers, 'mean_over_workers', lambda strategy, value: 250.0)
    with pytest.raises(ValueError, match=r'Workers disagree: here runs/a holds a run at step 500'):
        workers.check_workers_agree(strategy, 500, 'runs/a')


def test_workers_that_disagree_around_the_step_of_one_of_them(monkeypatch):
    """Steps 1, 2 and 3: the second has the mean, and must end with the others."""
    means = iter([2.0, 2 / 3])
    monkeypatch.setattr(workers, 'mean_over_workers', lambda strategy, value: next(means))
    with pytest.raises(ValueError, match=r'Workers disagree: here runs/a holds a run at step 2'):
        workers.check_workers_agree(tf.distribute.get_strategy(), 2, 'runs/a')
