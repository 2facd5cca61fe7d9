"""Factors of gradients and moving averages of weights, by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.small_batches import make_batch
from tests.tiny_backbone import TinyBackbone
from wss.datasets.info import DatasetInfo
from wss.methods import gradients
from wss.methods.losses import SupervisedLoss
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.update import Update, average, average_rate
from wss.networks.deeplab import DeepLabV3Plus
from wss.results import scores
from wss.training import optimisers

INFO = DatasetInfo('test', ('ground', 'a', 'b'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
CROP = (33, 33)


def make_method(kind=Supervised, update=None, **options):
    keras.utils.set_random_seed(1)
    network = DeepLabV3Plus(3, 2, TinyBackbone, 16, 16, 16, aspp_rates=(1, 2, 3), aspp_dropout=0.0)
    method = kind(network, INFO, **options)
    method.set_recipe(update or Update(), SupervisedLoss())
    method.build_variables(CROP)
    return method


def test_multiplier_by_hand():
    update = Update(last_layer_multiplier=10.0, bias_multiplier=2.0)
    factors = [update.multiplier(last, bias) for last in (False, True) for bias in (False, True)]
    assert factors == [1.0, 2.0, 10.0, 20.0]
    assert {Update().multiplier(a, b) for a in (False, True) for b in (False, True)} == {1.0}


def test_which_gradients_are_multiplied():
    """One step of SGD from the same weights: each moves by its factor times the plain step."""
    moves = {}
    scaled = Update(last_layer_multiplier=10.0, bias_multiplier=2.0)
    for name, update in [('plain', None), ('scaled', scaled)]:
        method = make_method(PseudoSeg, sgc_variant=1, update=update)
        method.compile(optimizer=keras.optimizers.SGD(0.01))
        before = [v.numpy() for v in method.trainable_variables]
        values = method.train_step(make_batch(CROP))
        moves[name] = [
            v.numpy() - old for v, old in zip(method.trainable_variables, before, strict=True)
        ]
        moves[f'{name} norm'] = float(values['gradient_norm'])
    network = method.network
    factors = {v.ref(): 1.0 for v in method.trainable_variables}
    factors |= {network.logits.kernel.ref(): 10.0, network.logits.bias.ref(): 20.0}
    factors |= {network.classifier.kernel.ref(): 10.0, network.classifier.bias.ref(): 20.0}
    factors[method.sgc.output_convolution.bias.ref()] = 2.0
    for variable, plain, scaled in zip(
        method.trainable_variables, moves['plain'], moves['scaled'], strict=True
    ):
        expected = factors[variable.ref()] * plain
        np.testing.assert_allclose(scaled, expected, rtol=1e-3, atol=2e-6, err_msg=variable.name)
    assert sum(np.any(move) for move in moves['plain']) > 30
    assert moves['plain norm'] == moves['scaled norm']  # That of the loss, not of the update.


def test_average_by_hand():
    # The rates of steps 1, 2 and 3 are 0, 1/10 and 2/11, the last above the decay of 0.15.
    mean = tf.constant(99.0)
    for step, (weight, expected) in enumerate([(1.0, 1.0), (2.0, 1.9), (4.0, 3.685)], start=1):
        mean = average(mean, tf.constant(weight), average_rate(0.15, tf.constant(step, tf.int64)))
        np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_averages_in_training():
    method = make_method(update=Update(average_decay=0.15))
    method.compile(optimizer=keras.optimizers.SGD(0.1))
    for variable in method.trainable_variables:
        variable.assign(variable + 1.0)  # As if weights had been loaded after the averages began.
    seen = []
    for _ in range(3):
        method.train_step(make_batch(CROP))
        seen.append([v.numpy() for v in method.trainable_variables])
    assert len(method.averages) == len(seen[0]) > 30
    for mean, first, second, third in zip(method.averages, *seen, strict=True):
        expected = 0.15 * (0.1 * first + 0.9 * second) + 0.85 * third
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
    # Training itself continues with the raw weights.
    plain = make_method()
    plain.compile(optimizer=keras.optimizers.SGD(0.1))
    for variable in plain.trainable_variables:
        variable.assign(variable + 1.0)
    for _ in range(3):
        plain.train_step(make_batch(CROP))
    for variable, raw in zip(plain.trainable_variables, seen[-1], strict=True):
        np.testing.assert_array_equal(variable, raw)
    assert plain.averages == []


def make_divided_method():
    """A method whose raw weights predict class 1 and whose averages predict class 2."""
    method = make_method(update=Update(average_decay=0.9))
    method.compile(optimizer=keras.optimizers.SGD(0.1))
    bias = method.network.logits.bias
    (index,) = (i for i, v in enumerate(method.trainable_variables) if v is bias)
    method.network.logits.kernel.assign(tf.zeros_like(method.network.logits.kernel))
    bias.assign([0.0, 1.0, 0.0])
    method.averages[index].assign([0.0, 0.0, 1.0])
    method.averages[index - 1].assign(method.network.logits.kernel)
    return method


def predicted(method):
    return set(np.unique(method.predict_labels(tf.zeros([1, *CROP, 3]))))


def batches(fails=False):
    def load(index):
        tf.debugging.assert_less(index, tf.constant(1 if fails else 9, tf.int64), 'broken file')
        return {'image': tf.zeros([1, *CROP, 3]), 'label': tf.fill([1, *CROP], 2)}

    return tf.data.Dataset.range(3).map(load)


def test_evaluation_has_the_averages_and_training_the_raw_weights():
    method = make_divided_method()
    assert predicted(method) == {1}
    assert scores.evaluate(method, lambda context: batches())['pixel_accuracy'] == 1.0
    assert predicted(method) == {1}
    with method.averaged():
        assert predicted(method) == {2}
        with method.averaged():
            assert predicted(method) == {2}
        assert predicted(method) == {2}
    assert predicted(method) == {1}


def test_raw_weights_are_back_after_a_failed_evaluation():
    method = make_divided_method()
    raw = [v.numpy() for v in method.trainable_variables]
    with pytest.raises(tf.errors.InvalidArgumentError, match='broken file'):
        scores.evaluate(method, lambda context: batches(fails=True))
    for variable, value in zip(method.trainable_variables, raw, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert predicted(method) == {1}


def test_without_averages_nothing_is_replaced():
    method = make_method()
    raw = [v.numpy() for v in method.trainable_variables]
    with method.averaged():
        method.use_averages()
    for variable, value in zip(method.trainable_variables, raw, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'weight_decay': -1.0}, r'Update\.weight_decay is -1\.0; it must be a number, 0 to 1'),
        ({'weight_decay': float('inf')}, r'Update\.weight_decay is inf; it must be'),
        ({'last_layer_multiplier': 0.0}, r'last_layer_multiplier is 0\.0'),
        ({'bias_multiplier': -2.0}, r'bias_multiplier is -2\.0'),
        ({'average_decay': 1.0}, r'average_decay is 1\.0'),
        ({'average_decay': 0.0}, r'average_decay is 0\.0'),
    ],
)
def test_options_outside_their_range(options, words):
    with pytest.raises(ValueError, match=words):
        Update(**options)


def import_backbone(method):
    for variable in method.network.backbone.trainable_variables:
        variable.assign(variable + 0.01)


def steps_of(update, optimiser, count=1, **options):
    """The moves of every variable by an optimiser, after an import of the backbone."""
    method = make_method(PseudoSeg, update=update, attention_width=8, **options)
    method.compile(optimizer=optimiser)
    if isinstance(optimiser, optimisers.AdamW):
        optimiser.decay_only(method.decayed_kernels())
    method.import_weights(import_backbone)
    before = [v.numpy() for v in method.trainable_variables]
    for _ in range(count):
        method.train_step(make_batch(CROP))
    after = [v.numpy() for v in method.trainable_variables]
    return method, [b - a for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize(
    'make_optimiser',
    [
        lambda: optimisers.momentum_poly(9, 0.001),
        lambda: keras.optimizers.Adam(1e-3),
        lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.1),
        lambda: optimisers.adamw_poly(9, 1e-3, weight_decay=0.1),
    ],
)
def test_factors_of_steps(make_optimiser):
    """The first step of each layer is exactly its factor times the plain one, whatever takes it."""
    _, plain = steps_of(Update(), make_optimiser())
    scaled = Update(fresh_multiplier=8.0, backbone_multiplier=0.5)
    method, moves = steps_of(scaled, make_optimiser())
    backbone = {v.ref() for v in method.network.backbone.variables}
    variables = method.trainable_variables
    for variable, one, other in zip(variables, plain, moves, strict=True):
        factor = 0.5 if variable.ref() in backbone else 8.0
        np.testing.assert_allclose(other, factor * one, rtol=1e-4, atol=2e-6, err_msg=variable.name)
    assert sum(np.any(move) for move in plain) > 30
    assert sum(f == 0 for f in method.fresh.numpy()) == len(
        method.network.backbone.trainable_variables
    )


def test_factor_of_sgc():
    """Its layers alone take steps of four times the size, on top of that of fresh layers."""
    _, plain = steps_of(Update(), keras.optimizers.Adam(1e-3))
    method, moves = steps_of(
        Update(fresh_multiplier=2.0), keras.optimizers.Adam(1e-3), sgc_multiplier=4.0
    )
    backbone = {v.ref() for v in method.network.backbone.variables}
    own = {v.ref() for v in method.sgc.trainable_variables}
    assert len(own) == 4  # Query, key, last convolution, offsets of its batch norm.
    for variable, one, other in zip(method.trainable_variables, plain, moves, strict=True):
        factor = 1.0 if variable.ref() in backbone else 8.0 if variable.ref() in own else 2.0
        np.testing.assert_allclose(other, factor * one, rtol=1e-4, atol=2e-6, err_msg=variable.name)


def test_without_imported_weights_every_step_is_multiplied():
    method = make_method(update=Update(fresh_multiplier=2.0))
    with pytest.warns(UserWarning, match='no layer has imported weights, so it multiplies every'):
        method.import_weights(None)
    assert all(method.fresh.numpy() == 1)


def test_factors_of_one_leave_the_step_alone():
    method = make_method()
    assert method.fresh is None
    assert set(gradients.step_factors(method, method.trainable_variables)) == {1.0}


@pytest.mark.parametrize('name', ['fresh_multiplier', 'backbone_multiplier'])
@pytest.mark.parametrize('value', [0.0, -1.0, float('nan')])
def test_factors_of_steps_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf'Update\.{name} is {value}; it must be a number, 1e-06'):
        Update(**{name: value})
