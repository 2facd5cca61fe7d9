"""How a method gets its optimiser."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from wss.methods.cps import CPS
from wss.methods.mean_teacher import MeanTeacher
from wss.training import building, optimisers

CROP = (33, 33)


def build(experiment):
    info = experiment.data.make_dataset().info
    make_optimiser = partial(experiment.make_optimiser, steps=10)
    strategy = tf.distribute.get_strategy()
    return building.new_method(experiment, strategy, info, CROP, make_optimiser)


def test_adamw_decays_the_kernels_alone(tiny):
    """With gradients of 0 nothing moves but what decays: by `rate * weight_decay` of itself."""
    make_optimiser = partial(optimisers.adamw_poly, learning_rate=0.5, weight_decay=0.25)
    method = build(tiny.experiment(make_optimiser=make_optimiser, weight_decay=0.0))
    variables = method.trainable_variables
    before = [variable.numpy() for variable in variables]
    method.optimizer.apply_gradients([(tf.zeros_like(v), v) for v in variables])
    kernels = {kernel.ref() for kernel in method.network.decayed_kernels()}
    assert 5 < len(kernels) < len(variables)
    for variable, value in zip(variables, before, strict=True):
        share = 1 - 0.5 * 0.25 if variable.ref() in kernels else 1.0
        np.testing.assert_allclose(variable.numpy(), share * value, rtol=1e-5)


def test_two_decays_are_refused(tiny):
    make_optimiser = partial(optimisers.adamw_poly, weight_decay=0.25)
    words = r'Update\.weight_decay is 0\.5 and adamw_poly\.weight_decay is 0\.25'
    with pytest.raises(ValueError, match=words):
        build(tiny.experiment(make_optimiser=make_optimiser, weight_decay=0.5))


def test_two_networks_are_two(tiny):
    network = tiny.make_network(3, 2)
    experiment = tiny.experiment(make_method=CPS, make_network=lambda **classes: network)
    with pytest.raises(ValueError, match='returned the same one twice'):
        build(experiment)


def test_an_average_of_the_student_is_refused_beside_the_teacher(tiny):
    words = r'Update\.average_decay is 0\.9, but MeanTeacher is evaluated by'
    with pytest.raises(ValueError, match=words):
        build(tiny.experiment(make_method=MeanTeacher, average_decay=0.9))
