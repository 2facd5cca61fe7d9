"""Learning rates by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.training import optimisers, rates


def rate(optimizer, step):
    return float(optimizer._learning_rate(step))


def test_momentum_poly_by_hand():
    optimizer = optimisers.momentum_poly(100, learning_rate=0.5, power=2.0)
    # 0.5 (1 - step / 100)^2.
    for step, expected in [(0, 0.5), (50, 0.125), (90, 0.005), (100, 0.0), (150, 0.0)]:
        np.testing.assert_allclose(rate(optimizer, step), expected, atol=1e-7)
    assert optimizer.momentum == 0.9


def test_end_learning_rate_by_hand():
    optimizer = optimisers.momentum_poly(100, learning_rate=0.5, power=2.0, end_learning_rate=0.1)
    # 0.4 (1 - step / 100)^2 + 0.1.
    for step, expected in [(0, 0.5), (50, 0.2), (100, 0.1), (150, 0.1)]:
        np.testing.assert_allclose(rate(optimizer, step), expected, atol=1e-7)


def test_slow_start_by_hand():
    optimizer = optimisers.momentum_poly(
        110, learning_rate=0.5, power=2.0, slow_start_steps=10, slow_start_learning_rate=0.01
    )
    # Ten slow steps; then 0.5 (1 - (step - 10) / 100)^2, from the full rate down to 0.
    expected = [(0, 0.01), (9, 0.01), (10, 0.5), (60, 0.125), (100, 0.005), (110, 0.0), (150, 0.0)]
    for step, value in expected:
        np.testing.assert_allclose(rate(optimizer, step), value, atol=1e-7)


def test_batch_rule_by_hand():
    # The same number of images: 30,000 * 64 = 240,000 * 8 = 7,500 * 256.
    assert optimisers.steps_for_batch(30_000, 8, 64) == 240_000
    assert optimisers.steps_for_batch(30_000, 64, 64) == 30_000
    assert optimisers.steps_for_batch(30_000, 256, 64) == 7_500
    # 10 * 64 / 24 = 26.7 steps; 3 * 1 / 4 = 0.75.
    assert optimisers.steps_for_batch(10, 24, 64) == 27
    assert optimisers.steps_for_batch(3, 4, 1) == 1
    assert optimisers.steps_for_batch(0, 8, 64) == 0
    assert optimisers.rate_factor_for_batch(8, 64) == 0.125
    assert optimisers.rate_factor_for_batch(96, 64) == 1.5


@pytest.mark.parametrize(
    ('batches', 'words'),
    [
        ((0, 64), r'Labelled\.batch_size is 0; it must be a whole number, 1'),
        ((8, 0), r'Schedule\.reference_batch_size is 0; it must be a whole number, 1'),
        ((8, -64), r'Schedule\.reference_batch_size is -64'),
    ],
)
def test_batches_smaller_than_an_image(batches, words):
    with pytest.raises(ValueError, match=words):
        optimisers.steps_for_batch(10, *batches)
    with pytest.raises(ValueError, match=words):
        optimisers.rate_factor_for_batch(*batches)


def test_rate_factor_is_of_all_rates():
    optimizer = optimisers.momentum_poly(
        110,
        learning_rate=0.5,
        power=1.0,
        end_learning_rate=0.1,
        slow_start_steps=10,
        slow_start_learning_rate=0.02,
        rate_factor=0.25,
    )
    # 0.005 while slow; then from 0.125 to 0.025, half-way at step 60.
    for step, expected in [(0, 0.005), (10, 0.125), (60, 0.075), (110, 0.025)]:
        np.testing.assert_allclose(rate(optimizer, step), expected, atol=1e-7)


def test_slow_start_in_training():
    """SGD on a loss equal to the weight moves it by the rate of each step."""
    optimizer = optimisers.momentum_poly(
        4, learning_rate=0.5, momentum=0.0, power=1.0, slow_start_steps=2
    )
    weight = tf.Variable(0.0)
    optimizer.build([weight])

    @tf.function
    def step():
        optimizer.apply_gradients([(tf.constant(1.0), weight)])

    moved = []
    for _ in range(4):
        before = float(weight)
        step()
        moved.append(before - float(weight))
    np.testing.assert_allclose(moved, [1e-4, 1e-4, 0.5, 0.25], rtol=1e-3)


def test_slow_start_survives_serialisation():
    optimizer = optimisers.momentum_poly(100, slow_start_steps=10, slow_start_learning_rate=0.01)
    config = keras.optimizers.schedules.serialize(optimizer._learning_rate)
    again = keras.optimizers.schedules.deserialize(config, {'SlowStart': rates.SlowStart})
    for step in (0, 9, 10, 60, 100):
        assert float(again(step)) == rate(optimizer, step)


def test_a_run_of_no_steps_has_an_optimiser():
    for slow in (0, 10):
        optimizer = optimisers.momentum_poly(0, learning_rate=0.5, slow_start_steps=slow)
        assert np.isfinite(rate(optimizer, 0))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'learning_rate': 0.0}, r'momentum_poly\.learning_rate is 0\.0; it must be a number'),
        ({'rate_factor': 0.0}, r'rate_factor is 0\.0; it must be a number'),
        ({'momentum': 1.0}, r'momentum_poly\.momentum is 1\.0'),
        ({'power': -1.0}, r'momentum_poly\.power is -1\.0'),
        ({'power': float('inf')}, r'momentum_poly\.power is inf; it must be a number, 0 to 100'),
        ({'steps': -1}, r'momentum_poly\.steps is -1'),
        ({'end_learning_rate': -0.1}, r'end_learning_rate is -0\.1'),
        (
            {'end_learning_rate': 0.1},
            r'end_learning_rate is 0\.1; it must be a number, 0 to 0',
        ),
        ({'slow_start_steps': 10}, 'slow_start_steps is 10; it must be a whole number, 0 to 9'),
        ({'slow_start_steps': -1}, 'slow_start_steps is -1'),
        ({'slow_start_learning_rate': 0.0}, r'slow_start_learning_rate is 0\.0'),
    ],
)
def test_momentum_poly_outside_its_range(options, words):
    with pytest.raises(ValueError, match=words):
        optimisers.momentum_poly(**{'steps': 10, **options})


def test_momentum_by_hand():
    """`m <- 0.5 m + g`, `w <- w - rate * m`, with rates 1, 0.5 and 0 and gradients 1, 2 and 4."""
    optimizer = optimisers.momentum_poly(2, learning_rate=1.0, momentum=0.5, power=1.0)
    weight = tf.Variable([10.0])
    optimizer.build([weight])
    seen = []
    for gradient in (1.0, 2.0, 4.0):
        optimizer.apply_gradients([(tf.constant([gradient]), weight)])
        seen.append(float(weight[0]))
    # m: 1, then 2.5, then 5.25. Keras, whose m has the rate in it, would end at 9 - 1.5 - 0.75.
    assert seen == [9.0, 7.75, 7.75]
    assert float(optimizer.momentums[0][0]) == 5.25


def test_momentum_in_a_graph_is_checkpointed(tmp_path):
    def make():
        weight = tf.Variable([1.0, 2.0])
        optimizer = optimisers.momentum_poly(10)
        optimizer.build([weight])
        return weight, optimizer, tf.train.Checkpoint(weight=weight, optimizer=optimizer)

    weight, optimizer, checkpoint = make()
    step = tf.function(lambda: optimizer.apply_gradients([(tf.constant([1.0, 3.0]), weight)]))
    step()
    path = checkpoint.save(tmp_path / 'ckpt')
    step()
    other, its_optimizer, its_checkpoint = make()
    its_checkpoint.restore(path).assert_consumed()
    its_optimizer.apply_gradients([(tf.constant([1.0, 3.0]), other)])
    assert other.numpy().tolist() == weight.numpy().tolist()


def test_a_schedule_that_starts_again():
    """Without slow steps, over the steps that are left; and it survives Keras's own description."""
    again = optimisers.momentum_poly(10, 0.1, power=1.0, slow_start_steps=5, first_step=6)
    found = [float(again._learning_rate(step)) for step in (0, 6, 8, 10)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.05, 0.0], atol=1e-7)
    copy = rates.Restarted.from_config(again._learning_rate.get_config())
    assert float(copy(8)) == found[2]
    with pytest.raises(ValueError, match=r'first_step is 11; it must be a whole number, 0 to 10'):
        optimisers.momentum_poly(10, first_step=11)


def test_adamw_poly_by_hand():
    optimizer = optimisers.adamw_poly(
        100, learning_rate=0.1, weight_decay=0.5, beta_1=0.5, beta_2=0.75, epsilon=1e-8, power=1.0
    )
    decayed, free = tf.Variable(2.0), tf.Variable(2.0)
    optimizer.decay_only([decayed])
    for gradient in (4.0, -2.0):
        optimizer.apply_gradients([(tf.constant(gradient), v) for v in (decayed, free)])
    # Step 1: m = 2, v = 4; corrected 4 and 16, so that the step is 0.1 * 4 / 4 = 0.1.
    # Step 2, rate 0.099: m = 0, v = 3 + 1 = 4; corrected 0 and 64/7, so that the step is 0.
    np.testing.assert_allclose(float(free), 2.0 - 0.1, rtol=1e-6)
    # The decay comes first: 2 (1 - 0.05) - 0.1 = 1.8, then 1.8 (1 - 0.0495).
    np.testing.assert_allclose(float(decayed), 1.8 * (1 - 0.0495), rtol=1e-6)


def test_adamw_equals_that_of_keras():
    steps = [np.random.default_rng(i).normal(size=(3, 4)).astype(np.float32) for i in range(5)]
    results = []
    for optimizer in (
        optimisers.adamw_poly(5, 0.01, weight_decay=0.1, power=0.0, end_learning_rate=0.01),
        keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-8),
    ):
        variable = tf.Variable(np.ones((3, 4), np.float32))
        if hasattr(optimizer, 'decay_only'):
            optimizer.decay_only([variable])
        for gradient in steps:
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'weight_decay': -0.1}, r'adamw_poly\.weight_decay is -0\.1'),
        ({'beta_1': 1.0}, r'adamw_poly\.beta_1 is 1\.0'),
        ({'beta_2': 1.0}, r'adamw_poly\.beta_2 is 1\.0'),
        ({'epsilon': 0.0}, r'adamw_poly\.epsilon is 0\.0'),
        ({'learning_rate': 0.0}, r'adamw_poly\.learning_rate is 0\.0'),
    ],
)
def test_settings_of_adamw(settings, words):
    with pytest.raises(ValueError, match=words):
        optimisers.adamw_poly(10, **settings)
