"""Methods of two networks: what starts how, what is trained, and which network is used."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.methods.test_rivals import CROP, full_batch, make_method
from tests.small_batches import make_batch
from wss.inference.exports import saved_model
from wss.inference.exports.inputs import Inputs
from wss.methods import gradients
from wss.methods.cps import CPS
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.update import Update
from wss.networks import batch_norm
from wss.pipeline import frame
from wss.training import optimisers


def values(network):
    return [variable.numpy() for variable in network.variables]


def import_backbone(method):
    for variable in method.network.backbone.variables:
        variable.assign_add(tf.ones_like(variable))


def test_both_networks_of_cps_start_from_the_imported_backbone_and_differ_else():
    method = make_method(CPS)
    method.import_weights(import_backbone)
    first, second = method.network, method.second_network
    for one, other in zip(first.backbone.variables, second.backbone.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(first.logits.kernel - second.logits.kernel).max() > 1e-3
    again = make_method(CPS)
    np.testing.assert_array_equal(again.second_network.logits.kernel, second.logits.kernel)


def test_without_imported_weights_both_networks_of_cps_differ():
    method = make_method(CPS)
    method.import_weights(None)
    kernels = [n.backbone.stem.kernel for n in (method.network, method.second_network)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3


@pytest.mark.parametrize('initial_weights', [None, import_backbone])
def test_the_teacher_starts_as_the_student(initial_weights):
    method = make_method(MeanTeacher)
    method.import_weights(initial_weights)
    pairs = zip(method.network.submodules, method.teacher.submodules, strict=True)
    compared = 0
    for one, other in pairs:
        if isinstance(one, keras.layers.Layer) and hasattr(one, 'kernel'):
            np.testing.assert_array_equal(one.kernel, other.kernel)
            compared += 1
    assert compared > 10
    images = full_batch()[1]['weak']
    np.testing.assert_array_equal(method.network(images)[0], method.teacher(images)[0])


def trained(method, steps):
    """The variables after each step, those of the student and of the teacher side by side."""
    method.compile(optimizer=optimisers.momentum_poly(9, 0.01))
    method.optimizer.build(method.trainable_variables)
    history = []
    for _ in range(steps):
        method.train_step(make_batch(CROP))
        history.append([(s.numpy(), t.numpy()) for s, t in method.running.pairs])
    return history


def test_the_teacher_is_the_average_by_hand():
    """After the start w0: (w0 + w1) / 2, then 2/3 of that, then 3/4; statistics alike."""
    method = make_method(MeanTeacher)
    method.import_weights(None)
    start = [s.numpy() for s, _ in method.running.pairs]
    history = trained(method, 3)
    moved = 0
    for i, first in enumerate(start):
        mean = first.astype(np.float64)
        for rate, step in zip((1 / 2, 2 / 3, 3 / 4), history, strict=True):
            student, teacher = step[i]
            mean = rate * mean + (1 - rate) * student
            if student.dtype == np.float32:
                np.testing.assert_allclose(teacher, mean, rtol=1e-4, atol=1e-6)
        moved += np.abs(history[-1][i][0] - first).max() > 1e-5
    assert moved > 60


def test_the_teacher_has_no_gradient_and_no_slots():
    method = make_method(MeanTeacher)
    own = {v.ref() for v in method.network.trainable_variables}
    assert {v.ref() for v in method.trainable_variables} == own
    assert {k.ref() for k in method.decayed_kernels()} < own
    for layer in batch_norm.layers_of(method.teacher):
        assert layer.updates is None
    # Its batch norm runs in inference mode: a step moves statistics by the average alone.
    before = values(method.teacher)
    method.compute_losses(*full_batch())
    for one, other in zip(before, values(method.teacher), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_recipe_is_of_both_networks_of_cps():
    method = make_method(CPS)
    first, second = method.network, method.second_network
    assert len(method.decayed_kernels()) == 2 * len(first.decayed_kernels())
    method.set_recipe(Update(backbone_multiplier=0.5), method.supervised_loss)
    factors = dict(
        zip(
            [v.ref() for v in method.trainable_variables],
            gradients.step_factors(method, method.trainable_variables),
            strict=True,
        )
    )
    for network in (first, second):
        for variable in network.trainable_variables:
            is_backbone = any(variable is v for v in network.backbone.variables)
            assert factors[variable.ref()] == (0.5 if is_backbone else 1.0)


@pytest.mark.parametrize('kind', [MeanTeacher, CPS])
def test_which_network_predicts_and_is_exported(kind, tmp_path):
    """The logits of one network are set to class 1, those of the other to class 2."""
    method = make_method(kind)
    for network, bias in ((method.network, [0, 9, 0]), (method.second_network, [0, 0, 9])):
        network.logits.bias.assign(bias)
    expected = 2 if kind is MeanTeacher else 1
    images = tf.zeros([1, *CROP, 3])
    assert set(np.unique(method.predict_labels(images))) == {expected}
    assert int(tf.argmax(method(images)[0, 0, 0])) == expected
    rule = frame.for_backbone(method.network.backbone, CROP)
    saved_model.save(method, Inputs(rule), tmp_path / 'exported')
    exported = tf.saved_model.load(str(tmp_path / 'exported'))
    assert set(np.unique(exported.predict(images)['labels'])) == {expected}


def test_a_run_of_two_networks(tiny, tmp_path):
    """From the folder alone the teacher comes back, not the student."""
    experiment = tiny.experiment(make_method=functools.partial(MeanTeacher, decay=0.99))
    experiment.train(tmp_path / 'run')
    method = experiment.load(tmp_path / 'run', 'last')
    student, teacher = method.network, method.teacher
    kernels = [network.logits.kernel.numpy() for network in (student, teacher)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-6
    images = tf.random.stateless_uniform([1, *CROP, 3], [0, 1], 0, 255)
    np.testing.assert_array_equal(method.predict_scores(images), teacher(images)[0])
