import types

import numpy as np
import pytest

from wss.results import metrics
from wss.training import monitor


def make_quality():
    return metrics.PseudoLabelQuality(2, 255, 0.8, 'fused')


def update(quality, label, probability):
    """One pixel of a class, to which a probability of class 1 is given."""
    labels = np.full([1, 1, 1], label, np.int32)
    probabilities = np.array([1 - probability, probability], np.float32).reshape(1, 1, 1, 2)
    quality.update_state(labels, probabilities, np.ones([1, 1, 1], np.float32))


def test_means_run_over_all_steps_since_the_last_log():
    means = monitor.Means({})
    means.add({'a': np.array([1.0, 2.0]), 'loss': np.array([4.0, 4.0])})
    means.add({'a': np.array([6.0]), 'loss': np.array([1.0])})
    assert means.values() == {'a': 3.0, 'loss': 3.0}
    means.clear()
    means.add({'a': np.array([5.0])})
    assert means.values() == {'a': 5.0}


def test_the_state_comes_back_bit_for_bit():
    values = np.random.default_rng(0).uniform(size=9).astype(np.float32)
    whole, first, second = (monitor.Means({}) for _ in range(3))
    whole.add({'loss': values})
    first.add({'loss': values[:4]})
    second.deserialize(first.serialize())
    second.add({'loss': values[4:]})
    assert second.values() == whole.values()


def test_pseudo_labels_counted_by_the_process_before_count_too():
    before = make_quality()
    first = monitor.Means({'fused': before})
    update(before, 1, 0.9)
    update(before, 0, 0.6)
    text = first.serialize()

    here = make_quality()
    update(here, 0, 0.1)  # Of no importance: the state takes its place.
    second = monitor.Means({'fused': here})
    second.deserialize(text)
    update(here, 1, 0.7)
    # Right: the first and the third of three pixels; confident: the first. The IoU of class 0 is 0
    # of 1, that of class 1 is 2 of 3.
    assert second.quality() == {
        'fused': {
            'accuracy': pytest.approx(2 / 3),
            'miou': pytest.approx(1 / 3),
            'confident': pytest.approx(1 / 3),
        }
    }
    second.clear()
    assert second.quality() == {}


def test_speed_by_hand():
    speed = monitor.Speed(images_per_step=8)
    assert speed.values() == {}
    speed.add(1, 10.0, 1.0)  # The first call of a process builds the graph.
    speed.add(2, 0.5, 0.1)
    speed.add(2, 0.3, 0.1)
    assert speed.values() == {
        'speed/steps_per_second': pytest.approx(5.0),
        'speed/images_per_second': pytest.approx(40.0),
        'speed/input_wait_share': pytest.approx(0.25),
    }


def test_a_first_call_that_is_alone_counts():
    speed = monitor.Speed(images_per_step=1)
    speed.add(1, 2.0, 1.0)
    assert speed.values()['speed/steps_per_second'] == 0.5
    speed.clear()
    speed.add(1, 0.5, 0.0)
    assert speed.values()['speed/steps_per_second'] == 2.0


def test_memory_of_the_process(monkeypatch):
    held = np.ones(2**27, np.uint8)
    assert monitor.memory()['memory/process_gib'] > held.size / 2**30
    usage = types.SimpleNamespace(ru_maxrss=3 * 2**20)  # KiB on Linux.
    system = types.SimpleNamespace(getrusage=lambda who: usage, RUSAGE_SELF=0)
    monkeypatch.setattr(monitor, 'resource', system)
    monkeypatch.setattr(monitor.sys, 'platform', 'linux')
    assert monitor.memory()['memory/process_gib'] == 3.0
    monkeypatch.setattr(monitor, 'resource', None)
    assert 'memory/process_gib' not in monitor.memory()
