"""Two replicas do what one does: the same gradient, the same statistics, the same scores."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.distribution import program

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


def start(kind, replicas, out, **environment):
    command = [sys.executable, str(HERE / 'program.py'), kind, str(replicas), str(out)]
    paths = {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | paths | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes):
    for process in processes:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said[-3000:]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(('localhost', 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('replicas')


@pytest.fixture(scope='module')
def one(folder):
    finish(start('one', 0, folder / 'one.npz'))
    return np.load(folder / 'one.npz')


@pytest.fixture(scope='module')
def mirrored(folder):
    finish(start('mirrored', 2, folder / 'mirrored.npz'))
    return np.load(folder / 'mirrored.npz')


@pytest.fixture(scope='module')
def workers(folder):
    cluster = {'worker': [f'localhost:{port}' for port in free_ports(2)]}
    finish(
        *(
            start(
                'multi_worker',
                0,
                folder / 'workers.npz',
                TF_CONFIG=json.dumps(
                    {'cluster': cluster, 'task': {'type': 'worker', 'index': index}}
                ),
            )
            for index in range(2)
        )
    )
    return np.load(folder / 'workers.npz')


def joined(arrays, prefix):
    names = sorted(name for name in arrays.files if name.startswith(prefix))
    assert names, prefix
    return np.concatenate([np.ravel(arrays[name]).astype(np.float64) for name in names])


def distance(found, expected):
    """Norm of the difference, by the norm of what is expected."""
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def check_same(found, one, case):
    assert found['replicas'] == 2 and one['replicas'] == 1
    for part in ('gradient', 'statistics', 'loss'):
        # float32 has 6e-8; the statistics of synchronised batch norm are sums of their own, and its
        # moving variance has Bessel's correction on one device.
        allowed = 1e-5 if case == 'synchronised' else 1e-6
        prefix = f'{case}/{part}/'
        assert distance(joined(found, prefix), joined(one, prefix)) < allowed, prefix
    for name in one.files:
        assert not name.startswith(f'{case}/loss/') or one[name] > 0, name
    np.testing.assert_array_equal(found[f'{case}/counts'], one[f'{case}/counts'])
    # Five images fill one batch of four and a quarter of the next.
    assert found[f'{case}/pixels'] == one[f'{case}/pixels'] == 5 * 33 * 33


@pytest.mark.parametrize('case', program.CASES)
def test_two_replicas_of_one_process(mirrored, one, case):
    check_same(mirrored, one, case)


@pytest.mark.parametrize('case', program.WORKER_CASES)
def test_two_workers(workers, one, case):
    check_same(workers, one, case)


@pytest.mark.parametrize('case', ['fused', 'weak', 'mixed', 'mean_teacher', 'cps'])
def test_pseudo_labels_are_measured_over_all_replicas(mirrored, one, case):
    prefix = f'{case}/quality/'
    np.testing.assert_allclose(joined(mirrored, prefix), joined(one, prefix), rtol=1e-6)


def test_moving_averages_of_the_weights(mirrored, workers, one):
    expected = joined(one, 'supervised/averages/')
    assert distance(joined(mirrored, 'supervised/averages/'), expected) < 1e-6
    assert distance(joined(workers, 'supervised/averages/'), expected) < 1e-6


@pytest.mark.parametrize('case', ['naive', 'alone'])
def test_the_mean_of_what_each_half_computes_for_itself_is_another_gradient(one, case):
    """The halves differ in labelled pixels, so the tests above can fail.

    In the consistency loss of Mean Teacher alone they differ in the share of confident pixels.
    """
    whole = joined(one, f'{case}/gradient/')
    assert distance(joined(one, f'{case}_halves/gradient/'), whole) > 0.01


@pytest.mark.parametrize('case', program.DECIDED)
def test_a_part_of_the_pixels_counts(one, case):
    _, confident = joined(one, f'{case}/quality/')
    assert 0.2 < confident < 0.9


def test_batch_norm_is_per_replica_unless_it_is_synchronised(mirrored):
    each = joined(mirrored, 'per_replica/gradient/')
    assert distance(each, joined(mirrored, 'synchronised/gradient/')) > 0.05


def test_a_pooled_branch_sees_all_replicas(mirrored):
    """One value a replica: alone it would have the variance 0, and every image the same output."""
    part = {name: mirrored[f'pooled/{name}'] for name in ('inputs', 'weights', 'outputs')}
    kernel = tf.Variable(np.reshape(np.arange(12.0), (3, 4)) / 12)
    with tf.GradientTape() as tape:
        values = tf.matmul(part['inputs'].astype(np.float64), kernel)
        mean, variance = tf.nn.moments(values, axes=0)
        outputs = (values - mean) / tf.sqrt(variance + 1e-5)
        loss = tf.reduce_sum(outputs * part['weights'])
    np.testing.assert_allclose(part['outputs'], outputs, rtol=1e-4, atol=1e-5)
    expected = tape.gradient(loss, kernel)
    np.testing.assert_allclose(mirrored['pooled/gradient'], expected, rtol=1e-3, atol=1e-4)
    # The first update has the decay 1/10.
    assert mirrored['pooled/updates'] == 1
    np.testing.assert_allclose(mirrored['pooled/mean'], 0.9 * mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mirrored['pooled/variance'], 0.1 + 0.9 * variance, rtol=1e-5)


def test_a_replica_mixes_images_of_its_own(one):
    """One replica has other images to mix than two, so the tests above can fail."""
    mixed = joined(one, 'mixed/gradient/')
    assert distance(joined(one, 'mixed_in_one/gradient/'), mixed) > 0.001


@pytest.mark.parametrize('case', ['mean_teacher', 'cps'])
def test_second_networks(mirrored, one, case):
    """A teacher moves, and a trained network learns, as on one replica."""
    prefix = f'{case}/second/'
    assert distance(joined(mirrored, prefix), joined(one, prefix)) < 1e-6
