"""Ranges of the settings of computing, and how many steps run between two looks at them."""

import types

import pytest
import tensorflow as tf
import tf_keras as keras

from wss.devices import compute
from wss.devices.compute import Compute


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'precision': 'half'}, r"Compute\.precision is 'half'; it can be 'float32' or "),
        (
            {'steps_per_execution': 0},
            r'Compute\.steps_per_execution is 0; it must be a whole',
        ),
        ({'input_workers': 10**9}, r'Compute\.input_workers is 1000000000; .* 1 to 256'),
        ({'steps_per_execution': -5}, r'Compute\.steps_per_execution is -5'),
        ({'input_workers': 0}, r'Compute\.input_workers is 0; it must be a whole'),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(ValueError, match=words):
        Compute(**settings)


@pytest.mark.parametrize('precision', compute.PRECISIONS)
def test_prepare_sets_the_precision_of_new_layers(precision):
    try:
        Compute(precision=precision).prepare(tf.distribute.get_strategy())
        assert keras.layers.Dense(1).dtype_policy.name == precision
    finally:
        keras.mixed_precision.set_global_policy('float32')


def test_xla_is_for_one_device():
    several = types.SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(ValueError, match=r'Compute\.jit_compile is for one device'):
        Compute(jit_compile=True).prepare(several)
    Compute(jit_compile=True).prepare(tf.distribute.get_strategy())


def test_one_step_at_a_time_on_a_cpu_unless_asked_for_more():
    strategy = tf.distribute.get_strategy()
    assert Compute().steps_an_execution(strategy, [500, 50, 0]) == 1
    assert Compute(steps_per_execution=25).steps_an_execution(strategy, [500, 50, 0]) == 25


@pytest.mark.parametrize(('intervals', 'step'), [([500, 50], 50), ([500, 40, 7], 7), ([30], 30)])
def test_an_interval_that_is_not_a_multiple_is_named(intervals, step):
    settings = Compute(steps_per_execution=20)
    with pytest.raises(ValueError, match=rf'is 20, but something happens at step {step}, which'):
        settings.steps_an_execution(tf.distribute.get_strategy(), intervals)


@pytest.mark.parametrize(
    ('intervals', 'steps'), [([500, 50, 0], 10), ([30000], 20), ([7, 14], 7), ([500, 253], 1)]
)
def test_on_accelerators_the_most_up_to_20_that_divides_all(monkeypatch, intervals, steps):
    monkeypatch.setattr(compute.tf.config, 'list_logical_devices', lambda kind: [kind])
    assert Compute().steps_an_execution(tf.distribute.get_strategy(), intervals) == steps


def has_no_bfloat16(*_):
    raise tf.errors.AbortedError(None, None, 'Operation received an exception')


def test_bfloat16_is_refused_where_the_cpu_has_none(monkeypatch):
    """As oneDNN on a CPU with AVX2 only: ONEDNN_MAX_CPU_ISA=AVX2 makes one of any CPU."""
    monkeypatch.setattr(compute.tf.nn, 'conv2d', has_no_bfloat16)
    strategy = tf.distribute.get_strategy()
    with pytest.raises(
        ValueError, match=r"^Compute\.precision is 'mixed_.*TF_ENABLE_ONEDNN_OPTS=0"
    ):
        Compute('mixed_bfloat16').prepare(strategy)
    assert keras.layers.Dense(1).dtype_policy.name == 'float32'
    Compute('float32').prepare(strategy)


def test_bfloat16_of_the_cpu_does_not_matter_to_a_gpu(monkeypatch):
    monkeypatch.setattr(compute.tf.nn, 'conv2d', has_no_bfloat16)
    monkeypatch.setattr(compute.tf.config, 'list_logical_devices', lambda kind: [kind])
    try:
        Compute('mixed_bfloat16').prepare(tf.distribute.get_strategy())
    finally:
        keras.mixed_precision.set_global_policy('float32')
