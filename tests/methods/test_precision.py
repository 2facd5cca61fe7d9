"""Mixed precision: what computes in bfloat16, and what must not."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.methods.test_methods import make_batch, make_info, make_method
from tests.methods.test_rivals import full_batch
from tests.methods.test_rivals import make_method as make_rival
from wss.devices import compute
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.unimatch import UniMatch
from wss.training import optimisers

# Softmax, cross-entropy, fusion and its scale, and the norm of the gradient.
FLOAT32_OPERATIONS = {
    'Softmax',
    'SoftmaxCrossEntropyWithLogits',
    'SparseSoftmaxCrossEntropyWithLogits',
    'Rsqrt',
    'Pow',
    'L2Loss',
    'ResizeBilinear',
    'ResourceApplyMomentum',
    'BatchMatMulV2',  # Attention scores, and the activation map spread by them.
}


@pytest.fixture(autouse=True)
def restored():
    """The precision is the process's; other tests expect float32."""
    yield
    keras.mixed_precision.set_global_policy('float32')


def step_graph(method, batch):
    method.compile(optimizer=optimisers.momentum_poly(10))
    method.optimizer.build(method.trainable_variables)
    step = tf.function(method.train_step, autograph=False)
    return step.get_concrete_function({'labelled': batch[0], 'unlabelled': batch[1]}).graph


def test_convolutions_are_bfloat16_and_decisions_float32():
    keras.mixed_precision.set_global_policy('mixed_bfloat16')
    method = make_method(PseudoSeg)
    graph = step_graph(method, make_batch(make_info(True)))
    kinds = {}
    for operation in graph.get_operations():
        kind = kinds.setdefault(operation.type, set())
        kind |= {t.dtype for t in operation.inputs if t.dtype.is_floating}
        kind |= {t.dtype for t in operation.outputs if t.dtype.is_floating}
        if operation.type == 'ResourceApplyMomentum':
            kind.add(operation.get_attr('T'))
    assert set(kinds) >= FLOAT32_OPERATIONS
    for name in FLOAT32_OPERATIONS:
        assert kinds[name] == {tf.float32}, name
    backbone = [
        operation
        for operation in graph.get_operations()
        if operation.type == 'Conv2D' and 'tiny_backbone' in operation.name
    ]
    assert backbone
    assert all(operation.inputs[0].dtype == tf.bfloat16 for operation in backbone)
    # Batch norm takes bfloat16 maps and keeps scale, offset and statistics in float32.
    norms = [o for o in graph.get_operations() if o.type == 'FusedBatchNormV3']
    assert any(o.inputs[0].dtype == tf.bfloat16 for o in norms)
    assert all(t.dtype == tf.float32 for o in norms for t in o.inputs[1:])
    assert all(v.dtype == tf.float32 for v in method.trainable_variables)


@pytest.mark.parametrize('kind', [FixMatch, UniMatch, MeanTeacher, CPS])
def test_rivals_decide_in_float32(kind):
    keras.mixed_precision.set_global_policy('mixed_bfloat16')
    method = make_rival(kind)
    graph = step_graph(method, full_batch(boxes=('box', 'box_2')))
    decisions = [o for o in graph.get_operations() if o.type in FLOAT32_OPERATIONS | {'ArgMax'}]
    assert {o.type for o in decisions} >= {'Softmax', 'ResizeBilinear'}
    for operation in decisions:
        floats = {t.dtype for t in operation.inputs if t.dtype.is_floating}
        assert floats <= {tf.float32}, operation.name
    convolutions = [o for o in graph.get_operations() if o.type == 'Conv2D']
    assert any(o.inputs[0].dtype == tf.bfloat16 for o in convolutions)


def test_losses_are_near_those_of_float32():
    batch = make_batch(make_info(True))
    values = {}
    for precision in compute.PRECISIONS:
        keras.mixed_precision.set_global_policy(precision)
        values[precision] = make_method(PseudoSeg).compute_losses(*batch)
    for name, expected in values['float32'].items():
        assert values['mixed_bfloat16'][name].dtype == tf.float32
        np.testing.assert_allclose(values['mixed_bfloat16'][name], expected, rtol=0.1)
        assert values['mixed_bfloat16'][name] != expected


def test_a_run_in_bfloat16(tiny, tmp_path):
    experiment = tiny.experiment(make_method=tiny.pseudoseg, precision='mixed_bfloat16', steps=2)
    result = experiment.train(tmp_path)
    assert 0 <= result['last']['miou'] <= 1
    method = experiment.load(tmp_path, 'last')
    assert method.network.logits.compute_dtype == 'float32'
    assert method.network.backbone.compute_dtype == 'bfloat16'


def test_an_unknown_precision(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"Compute\.precision is 'half'; it can be 'float32'"):
        tiny.experiment(precision='half').train(tmp_path)
    assert keras.mixed_precision.global_policy().name == 'float32'
