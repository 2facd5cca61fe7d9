import json

import numpy as np
import pytest
import tensorflow as tf

from wss.devices import strategies, workers

CLUSTER = {'chief': ['a:1'], 'worker': ['b:1', 'c:1']}


@pytest.fixture
def three(monkeypatch):
    """Three workers, of which this process is the second; returns what the others add."""
    task = {'type': 'worker', 'index': 0}
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': CLUSTER, 'task': task}))
    monkeypatch.setattr(workers, 'is_multi_worker', lambda strategy: True)
    others = []

    def mean_function(strategy):
        return lambda own: (own + others.pop(0)) / 3.0

    monkeypatch.setattr(workers, '_mean_function', mean_function)
    return others


def answer(others, *texts):
    """Makes workers 0 and 2 give these texts."""
    first, last = (np.frombuffer(text.encode(), np.uint8) for text in texts)
    own = len(json.dumps({'Schedule.steps': '4', 'ü': 'x'}).encode())
    others.append(tf.constant([len(first), 0.0, len(last)], tf.float64))
    table = np.zeros([3, max(len(first), own, len(last))])
    table[0, : len(first)], table[2, : len(last)] = first, last
    others.append(tf.constant(table))


def test_workers_that_agree(three):
    values = {'Schedule.steps': '4', 'ü': 'x'}
    answer(three, json.dumps(values), json.dumps(values))
    workers.compare(None, values)


@pytest.mark.parametrize(
    ('last', 'message'),
    [
        ({'Schedule.steps': '5', 'ü': 'x'}, 'differ: Schedule.steps is 4 on worker 0 and 5 on w'),
        ({'ü': 'x'}, 'differ: Schedule.steps is 4 on worker 0 and not set on worker 2'),
        ({'Schedule.steps': '4', 'ü': 'x', 'z': '1'}, 'z is not set on worker 0 and 1 on worker 2'),
        ({f'{i}': 'x' * 200 for i in range(7)}, 'x... on worker 2; .*; and 4 more. Start all'),
    ],
)
def test_what_differs_is_named_with_the_worker(three, last, message):
    values = {'Schedule.steps': '4', 'ü': 'x'}
    answer(three, json.dumps(values), json.dumps(last))
    with pytest.raises(ValueError, match=message):
        workers.compare(None, values)


def test_one_process_has_nothing_to_compare():
    workers.compare(tf.distribute.get_strategy(), {'a': '1'})


@pytest.mark.parametrize('others_failed', [0.0, 1.0])
def test_all_workers_end_where_one_fails(three, others_failed):
    three.append(others_failed)
    with pytest.raises(ZeroDivisionError), workers.all_or_none(None):
        _ = 1 / 0
    three.append(others_failed)
    if not others_failed:
        with workers.all_or_none(None):
            pass
        return
    with (
        pytest.raises(ValueError, match='Another worker cannot take part'),
        workers.all_or_none(None),
    ):
        pass


@pytest.mark.parametrize('minutes', [0, -1, float('inf'), float('nan'), 10**9])
def test_a_wait_that_cannot_be(monkeypatch, minutes):
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': CLUSTER, 'task': {}}))
    strategies.make_strategy.cache_clear()
    with pytest.raises(ValueError, match='--wait_minutes is'):
        strategies.make_strategy(strategies.Devices('multi_worker', wait_minutes=minutes))
