"""Whether training and evaluation step would run on a TPU (see `docs/tpu.md`)."""

import functools
import os

import numpy as np
import pytest
import readiness
import tensorflow as tf
import tf_keras as keras

from tests.tiny_backbone import TinyBackbone
from wss.devices import tpu_input
from wss.methods import losses
from wss.methods.classification import Classification
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.unimatch import UniMatch
from wss.methods.update import Update
from wss.networks.backbones import mobilenet_v2, resnet_v1, xception
from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus
from wss.runs.configuration import Configuration
from wss.training import optimisers

# XLA on a CPU spends nearly all of its time on making the code fast.
_QUICK = '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true'
os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {_QUICK}'.strip()

SIDE = 33
CLASSES = 3

HARD_PIXELS = losses.SupervisedLoss(hard_share=0.5, hard_steps=5, label_weights=(1.0, 2.0, 0.5))
METHODS = {
    'supervised': Supervised,
    'hard_pixels': Supervised,
    'soft': functools.partial(PseudoSeg, attention_width=8),
    'hard_weak': functools.partial(
        PseudoSeg, attention_width=8, sgc_variant=1, soft=False, weak_labels=True, threshold=0.4
    ),
    'mixed': functools.partial(PseudoSeg, attention_width=8),
    # No pixel is near the threshold, where rounding would decide, and no channel is dropped.
    'fixmatch': functools.partial(FixMatch, threshold=0.0),
    'unimatch': functools.partial(UniMatch, threshold=0.0, dropout=0.0),
    'mean_teacher': functools.partial(MeanTeacher, threshold=0.0),
    'cps': CPS,
    'classification': Classification,
}
MIXED = ('mixed', 'fixmatch', 'unimatch', 'mean_teacher', 'cps')
BACKBONES = {
    'tiny': functools.partial(TinyBackbone, filters=(8, 8, 8)),
    'small': functools.partial(SmallResNet, filters=(8, 8, 8, 8)),
    'resnet': functools.partial(resnet_v1.ResNetV1, 'resnet_v1_50'),
    'resnet_beta': functools.partial(resnet_v1.ResNetV1, 'resnet_v1_50_beta'),
    'xception': functools.partial(xception.Xception, 'xception_41'),
    'mobilenet': mobilenet_v2.MobileNetV2,
}


@pytest.fixture
def precision(request):
    """Sets the precision that a test is named for."""
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy('float32')


def make_method(tiny, method, backbone, **options):
    """A method that can train, with a network of few channels."""
    keras.utils.set_random_seed(0)

    def make_network():
        channels = dict.fromkeys(('aspp_filters', 'decoder_filters', 'low_level_filters'), 8)
        few = {**channels, 'aspp_rates': (1, 2, 3), 'aspp_dropout': 0.0, **options}
        return DeepLabV3Plus(CLASSES, CLASSES - 1, BACKBONES[backbone], **few)

    loss = HARD_PIXELS if method == 'hard_pixels' else losses.SupervisedLoss()
    method = METHODS[method](make_network(), tiny.make_info())
    if method.needs_second_network:
        method.second_network = make_network()
    method.set_recipe(Update(), loss)
    method.build_variables((SIDE, SIDE))
    method.compile(
        optimizer=optimisers.momentum_poly(
            steps=10, slow_start_steps=2, slow_start_learning_rate=0.1
        )
    )
    method.optimizer.build(method.trainable_variables)
    return method


def make_batch(method=''):
    """A labelled and an unlabelled part of two images; some pixels are ignored or invalid."""
    random = np.random.default_rng(0)

    def image():
        return tf.constant(random.uniform(0, 255, (2, SIDE, SIDE, 3)), tf.float32)

    def truth():
        label = random.integers(0, CLASSES, (2, SIDE, SIDE))
        label[:, :4] = 255
        valid = np.ones((2, SIDE, SIDE))
        valid[:, :, :4] = 0
        return {
            'label': tf.constant(label, tf.int32),
            'valid': tf.constant(valid, tf.float32),
            'image_label': tf.constant([[1, 0], [1, 1]], tf.float32),
        }

    labelled = {'image': image(), **truth()}
    unlabelled = {'weak': image(), 'strong': image(), **truth()}
    if method in MIXED:
        unlabelled['strong_2'] = image()
        for name in ('box', 'box_2'):
            unlabelled[name] = tf.constant([[4, 0, 30, 21], [0, 9, 17, 33]])
    return {'labelled': labelled, 'unlabelled': unlabelled}


# Two programs of the same mathematics round differently. Batch norm over the two values of the
# image pooling, and over few pixels, multiplies that in the gradients of these tiny networks.
# Relative: losses; gradient norm and the update of all weights as one vector; and the share of
# pixels that change their class, since networks that have learnt nothing often find two as likely.
TOLERANCES = {
    'float32': (1e-5, 5e-3, 1e-3),
    'mixed_bfloat16': (1e-2, 2e-1, 3e-2),
    'differences': (1e-3, 2e-2, 1e-3),
}
# These learn from what two passes of an untrained network find different: nearly nothing.
DIFFERENCES = ('fixmatch', 'mean_teacher')


@pytest.mark.parametrize(
    ('precision', 'method', 'backbone'),
    [
        ('float32', 'hard_pixels', 'tiny'),
        ('float32', 'soft', 'tiny'),
        *(('float32', method, 'tiny') for method in MIXED),
        ('float32', 'classification', 'resnet_beta'),
        ('float32', 'classification', 'xception'),
        ('float32', 'classification', 'mobilenet'),
        ('mixed_bfloat16', 'hard_weak', 'small'),
        ('mixed_bfloat16', 'classification', 'small'),
    ],
    indirect=['precision'],
)
def test_compiled_steps_compute_what_the_others_do(tiny, shallow, precision, method, backbone):
    tolerances = TOLERANCES['differences' if method in DIFFERENCES else precision]
    batch, method = make_batch(method), make_method(tiny, method, backbone)
    for step, part in ((method.train_step, batch), (method.test_step, scored(batch))):
        compiled = compare(step, method, part, *tolerances)
        assert readiness.problems(readiness.trace(compiled, part)) == []


@pytest.mark.parametrize('precision', ['mixed_bfloat16'], indirect=True)
@pytest.mark.parametrize(
    ('method', 'backbone'),
    [('soft', 'resnet'), ('supervised', 'xception'), ('supervised', 'mobilenet')],
)
def test_steps_with_dropout_are_ready(tiny, shallow, precision, method, backbone):
    # Dropout draws other numbers in a compiled step, so that there is nothing to compare.
    method = make_method(tiny, method, backbone, aspp_dropout=0.1, classifier_dropout=0.5)
    batch = make_batch()
    for step, part in ((method.train_step, batch), (method.test_step, scored(batch))):
        program = readiness.trace(tf.function(step, jit_compile=True), part)
        assert readiness.problems(program) == []
        assert 'Conv2D' in program.ops


def scored(batch):
    return {name: batch['labelled'][name] for name in ('image', 'label')}


def compare(step, method, batch, loss_tolerance, update_tolerance, moved_pixels):
    """Runs a step as it is, and compiled from the same variables; compares all that it leaves."""
    counts = [v for v in method.variables if v.dtype.is_integer]
    weights = method.trainable_variables
    variables = [*method.variables, *method.optimizer.variables]
    start = [variable.numpy() for variable in variables]
    start_weights = flat(weights)

    expected = floats(step(batch))
    expected_update, expected_counts = flat(weights) - start_weights, [v.numpy() for v in counts]
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    compiled = tf.function(step, jit_compile=True)
    results = floats(compiled(batch))

    assert results.keys() == expected.keys()
    for name, value in results.items():
        tolerance = update_tolerance if name == 'gradient_norm' else loss_tolerance
        assert value == pytest.approx(expected[name], rel=tolerance), name
    difference = np.linalg.norm(flat(weights) - start_weights - expected_update)
    assert difference <= update_tolerance * np.linalg.norm(expected_update)
    for count, other in zip(counts, expected_counts, strict=True):
        assert np.abs(count.numpy() - other).sum() <= 2 * moved_pixels * other.sum()
    return compiled


def flat(variables):
    return np.concatenate([np.ravel(variable.numpy()).astype(np.float64) for variable in variables])


def floats(results):
    return {name: float(value) for name, value in results.items()}


def test_every_step_of_a_run_has_the_same_static_shapes(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(tpu_input, 'is_tpu', lambda strategy: True)
    monkeypatch.setattr(tpu_input, 'check', lambda strategy, batches: None)
    seen = {'train_step': [], 'test_step': []}

    class Recording(PseudoSeg):
        def train_step(self, data):
            seen['train_step'].append(data)
            return super().train_step(data)

        def test_step(self, data):
            seen['test_step'].append(data)
            return super().test_step(data)

    make_method = functools.partial(Recording, attention_width=8)
    experiment = tiny.experiment(make_method=make_method, steps=3, evaluate_every=2)
    experiment.train(tmp_path, lambda: Configuration('Schedule.steps = 3\n'))
    for batches in seen.values():
        assert batches
        parts = [tf.nest.flatten(batch, expand_composites=True) for batch in batches]
        assert all(part.shape.is_fully_defined() for batch in parts for part in batch)
        assert {part.dtype for batch in parts for part in batch} == {tf.float32, tf.int32}
        shapes = {tuple((tuple(part.shape), part.dtype) for part in batch) for batch in parts}
        assert len(shapes) == 1


def test_a_tpu_needs_images_of_one_size(monkeypatch):
    several = tf.data.Dataset.from_tensors(tf.zeros([2, 33, 41, 3]))
    several = several.map(lambda images: images[:, : tf.random.uniform([], 2, 9, tf.int32)])
    strategy = tf.distribute.get_strategy()
    tpu_input.check_shapes(strategy, several)
    monkeypatch.setattr(tpu_input, 'is_tpu', lambda strategy: True)
    with pytest.raises(ValueError, match=r'differ in size, .* set Validation\.size'):
        tpu_input.check_shapes(strategy, several)
    tpu_input.check_shapes(strategy, tf.data.Dataset.from_tensors(tf.zeros([2, 33, 41, 3])))


def problems(step, *arguments):
    return readiness.problems(readiness.trace(tf.function(step, jit_compile=True), *arguments))


VALUES = tf.TensorSpec([6], tf.float32)


def test_a_static_step_has_no_problem():
    assert problems(lambda x: tf.where(x > 2, x, 0.0), VALUES) == []


@pytest.mark.parametrize(
    ('step', 'where'),
    [
        (lambda x: tf.reduce_sum(tf.boolean_mask(x, x > 2)), 'Where'),
        (lambda x: tf.reduce_sum(tf.where(x > 2)), 'Where'),
        (lambda x: tf.cond(x[0] > 2, lambda: tf.unique(x)[0][0], lambda: 0.0), 'Unique'),
        (lambda x: tf.function(lambda y: tf.reduce_sum(tf.unique(y)[0]))(x), 'Unique'),
    ],
)
def test_finds_dynamic_shapes(step, where):
    found = problems(step, VALUES)
    assert any(f'of {where}' in line and 'no static shape' in line for line in found)
    assert any('dynamic dimension' in line and '<=6' in line for line in found)


def test_finds_a_length_that_is_computed():
    step = tf.function(lambda x: tf.reduce_sum(tf.range(tf.cast(x[0], tf.int32))))
    (line,) = readiness.dynamic_shapes(readiness.graph_nodes(step, VALUES))
    assert line == 'Output 0 of Range range has no static shape.'
    with pytest.raises(Exception, match='compile-time constant'):
        problems(step.python_function, VALUES)


@pytest.mark.parametrize(
    ('step', 'op'),
    [
        (lambda x: tf.strings.length(tf.strings.as_string(x)), 'AsString'),
        (lambda x: tf.numpy_function(np.sin, [x], tf.float32), 'PyFunc'),
        (lambda x: tf.image.resize(x[None, :, None, None], (3, 1), 'area'), 'ResizeArea'),
    ],
)
def test_finds_operations_without_a_kernel(step, op):
    step = tf.function(step, jit_compile=True)
    found = readiness.missing_kernels(readiness.graph_nodes(step, VALUES))
    assert any(line.startswith(op) and line.endswith('has no kernel.') for line in found)


def test_finds_types_without_a_kernel():
    (line, *_) = problems(lambda x: tf.cast(tf.cast(x, tf.float64) * 2, tf.float32), VALUES)
    assert line.startswith('Cast') and line.endswith('has no kernel for DstT = DT_DOUBLE.')
    batch = {'image': VALUES, 'id': tf.TensorSpec([6], tf.string)}
    step = tf.function(lambda batch: batch['image'] * 2, jit_compile=True)
    (line,) = readiness.missing_kernels(readiness.graph_nodes(step, batch))
    assert line.startswith('Placeholder') and line.endswith('no kernel for dtype = DT_STRING.')


def test_finds_calls_out_of_the_program():
    program = readiness.Program([], 'x = f32[2] custom-call(y), custom_call_target="OnlyOnCpus"')
    assert readiness.problems(program) == ['The program calls OnlyOnCpus outside of it.']
