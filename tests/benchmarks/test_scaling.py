"""The benchmark of replicas: what it measures, and the bytes that it counts."""

import json
import pathlib
import subprocess
import sys
import types

import pytest
import scaling
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = [
    'Views.crop_size = (33, 33)',
    'Views.cutout_half_size = 4',
    'Labelled.amount = 6',
    'Experiment.initial_weights = None',
]
# What `replicas.mean` is given while the step of two replicas is traced, beside what is printed.
RECORDED = """
import sys, json
sys.path.insert(0, 'benchmarks')
import scaling
import tensorflow as tf
from wss.devices import replicas
given, mean = [], replicas.mean
def recorded(values):
    given.extend(v.shape.num_elements() * v.dtype.size for v in tf.nest.flatten(values))
    return mean(values)
replicas.mean = recorded
sys.argv[0] = 'scaling.py'
scaling.main()
print(sum(given) // 2)  # Both replicas are traced.
"""


def flags(experiment, *others):
    small = [part for param in SMALL for part in ('--gin_param', param)]
    file = ['--gin_file', f'experiments/{experiment}.gin']
    return [*file, *small, '--steps', '1', '--repeats', '1', '--json', *others]


def test_rows_have_the_same_batch_and_the_same_batch_a_replica():
    assert scaling.rows(6) == [(1, 6), (2, 6), (2, 12)]


def test_one_replica(monkeypatch, capsys):
    few = ['--replicas', '1', '--batch', '2']
    monkeypatch.setattr(sys, 'argv', ['scaling.py', *flags('shapes_supervised', *few)])
    scaling.main()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    (row,) = result['rows']
    assert (row['replicas'], row['images_per_step'], row['steps_per_execution']) == (1, 2, 1)
    for part in ('training', 'step', 'input'):
        assert 0 < row[part]['least'] <= row[part]['rate'] <= row[part]['most']
        assert 0 <= row[part]['waited'] <= 1 and row[part]['milliseconds'] > 0
    slower = 'input' if row['input']['rate'] < row['step']['rate'] else 'compute'
    assert row['limit'] == slower
    assert row['reduced_bytes']['losses'] == 8  # The loss and the sum.
    scaling.show(result)
    assert 'shapes_supervised' in capsys.readouterr().out


def test_bytes_are_those_that_two_replicas_average():
    few = flags('shapes_supervised', '--replicas', '2', '--batch', '4')
    done = subprocess.run(
        [sys.executable, '-c', RECORDED, *few], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *_, printed, given = done.stdout.splitlines()
    (row,) = json.loads(printed)['rows']
    assert (row['replicas'], row['images_per_step']) == (2, 4)
    # No loss of this method reaches the classifier (96 features, 6 classes, biases); one is divided
    # by a count of pixels.
    classifier = 4 * (96 + 1) * 6
    assert row['reduced_bytes']['total'] - classifier == int(given) - 4


def test_bytes_of_variables():
    mean, first = tf.VariableAggregation.MEAN, tf.VariableAggregation.ONLY_FIRST_REPLICA
    method = types.SimpleNamespace(
        trainable_variables=[tf.Variable(tf.zeros([3, 5])), tf.Variable(tf.zeros([2]))],
        non_trainable_variables=[
            tf.Variable(tf.zeros([7]), aggregation=mean),
            tf.Variable(tf.zeros([100]), aggregation=first),
        ],
    )
    # 15 + 2 and 7 numbers of four bytes, and three losses.
    expected = {'gradients': 68, 'statistics': 28, 'losses': 12, 'total': 108}
    assert scaling.reduced_bytes(method, 3) == expected


def test_every_row_is_asked_of_a_process_of_its_own(monkeypatch, capsys):
    commands = []

    def run(command, **options):
        commands.append(command)
        row = {'replicas': int(command[command.index('--replicas') + 1])}
        return subprocess.CompletedProcess(command, 0, 'said\n' + json.dumps({'rows': [row]}))

    monkeypatch.setattr(subprocess, 'run', run)
    given = ['--json', '--batch', '4', '--gin_param', 'a = 1']
    monkeypatch.setattr(sys, 'argv', ['scaling.py', *given])
    scaling.main()
    rows = json.loads(capsys.readouterr().out)['rows']
    assert [row['replicas'] for row in rows] == [1, 2, 2]
    assert [command[-1] for command in commands] == ['4', '4', '8']
    assert all(command[command.index('--gin_param') + 1] == 'a = 1' for command in commands)


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (['--steps', '0'], '--steps must be 1 or more'),
        (['--replicas', '-1'], '--replicas must be 1 or more'),
        (['--replicas', '1', '--gin_file', 'nowhere.gin'], 'nowhere.gin'),
    ],
)
def test_errors_are_sentences(monkeypatch, capsys, given, said):
    monkeypatch.setattr(sys, 'argv', ['scaling.py', *given])
    with pytest.raises(SystemExit):
        scaling.main()
    assert said in capsys.readouterr().err.splitlines()[-1]
