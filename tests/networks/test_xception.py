"""Xception: the plan of its modules, sizes, normalisation, batch norm, decay, parameters."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from wss.networks.backbones.xception import Xception
from wss.networks.deeplab import DeepLabV3Plus

DEPTHS = {
    'entry_flow/block1': 128,
    'entry_flow/block2': 256,
    'entry_flow/block3': 728,
    'middle_flow/block1': 728,
    'exit_flow/block1': 1024,
    'exit_flow/block2': 2048,
    'stride_4': 256,
}
MIDDLE = {'xception_41': 8, 'xception_65': 16}


def plan(backbone):
    """Stride and rates of the modules of each block, without repetition."""
    return {
        block: {(m.stride, m.rates) for m in backbone.modules if m.block == block}
        for block in backbone.blocks
    }


@pytest.fixture(scope='module')
def built():
    """Makes backbones with variables, each once."""

    @functools.cache
    def make(variant='xception_65', output_stride=16):
        backbone = Xception(variant, output_stride)
        backbone(tf.zeros([1, 33, 33, 3]))
        return backbone

    return make


@pytest.mark.parametrize('variant', MIDDLE)
def test_strides_and_rates(variant):
    dense, once, twice, four = (1, 1, 1), (2, (1, 1, 1)), (1, (2, 2, 2)), (1, (4, 4, 4))
    # The first convolution leaves stride 2, and the entry flow makes it 16 in three blocks.
    at_16 = plan(Xception(variant, 16))
    assert at_16 == {
        'entry_flow/block1': {once},
        'entry_flow/block2': {once},
        'entry_flow/block3': {once},
        'middle_flow/block1': {(1, dense)},
        'exit_flow/block1': {(1, dense)},
        'exit_flow/block2': {twice},
    }
    at_8 = plan(Xception(variant, 8))
    assert at_8 == {
        'entry_flow/block1': {once},
        'entry_flow/block2': {once},
        'entry_flow/block3': {(1, dense)},
        'middle_flow/block1': {twice},
        'exit_flow/block1': {twice},
        'exit_flow/block2': {four},
    }


def test_multi_grid_is_of_the_last_module():
    default, chosen = plan(Xception()), plan(Xception(multi_grid=(1, 2, 4)))
    assert chosen.pop('exit_flow/block2') == {(1, (2, 4, 8))}
    default.pop('exit_flow/block2')
    assert chosen == default
    last = plan(Xception(output_stride=8, multi_grid=(1, 2, 1)))['exit_flow/block2']
    assert last == {(1, (4, 8, 4))}


@pytest.mark.parametrize('variant', MIDDLE)
def test_modules(variant):
    modules = Xception(variant).modules
    assert len(modules) == 3 + MIDDLE[variant] + 2
    assert [m.shortcut for m in modules] == [
        *['convolution'] * 3,
        *['identity'] * MIDDLE[variant],
        'convolution',
        'none',
    ]
    # The name counts the two convolutions of the stem and three separable ones a module.
    assert 2 + 3 * len(modules) == int(variant[-2:])


def test_the_convolutions_follow_the_plan(built):
    convolutions = built().convolutions
    module = 'xception_module'
    strided = {n for n, layer in convolutions.items() if layer.convolution.strides == (2, 2)}
    assert strided == {'entry_flow/conv1_1'} | {
        f'entry_flow/block{i}/unit_1/{module}/{name}'
        for i in (1, 2, 3)
        for name in ('shortcut', 'separable_conv3_depthwise')
    }
    atrous = {n for n, layer in convolutions.items() if layer.convolution.dilation_rate == (2, 2)}
    assert atrous == {
        f'exit_flow/block2/unit_1/{module}/separable_conv{i}_depthwise' for i in (1, 2, 3)
    }
    assert all(layer.is_depthwise == n.endswith('_depthwise') for n, layer in convolutions.items())
    # ReLU after a convolution in the stem and in the last module alone; elsewhere it comes first.
    active = {n for n, layer in convolutions.items() if layer.activate}
    assert active == {'entry_flow/conv1_1', 'entry_flow/conv1_2'} | {
        f'exit_flow/block2/unit_1/{module}/separable_conv{i}_{kind}'
        for i in (1, 2, 3)
        for kind in ('depthwise', 'pointwise')
    }


@pytest.mark.parametrize('size', [(33, 49), (34, 52)])
@pytest.mark.parametrize('stride', [8, 16])
def test_sizes_and_channels(built, stride, size):
    features = built('xception_65', stride)(tf.zeros([2, *size, 3]))
    assert {name: maps.shape[-1] for name, maps in features.items()} == DEPTHS
    last = (5, 7) if stride == 8 else (3, 4)
    assert {name: maps.shape[1:3] for name, maps in features.items()} == {
        'entry_flow/block1': (9, 13),
        'stride_4': (9, 13),
        'entry_flow/block2': (5, 7),
        'entry_flow/block3': last,
        'middle_flow/block1': last,
        'exit_flow/block1': last,
        'exit_flow/block2': last,
    }


def test_only_the_last_module_ends_with_relu(built):
    image = tf.random.stateless_uniform([1, 33, 33, 3], [1, 2], 0, 255)
    features = built()(image)
    lowest = {name: float(tf.reduce_min(maps)) for name, maps in features.items()}
    assert lowest.pop('exit_flow/block2') == 0
    assert max(lowest.values()) < 0


def test_normalisation(built, monkeypatch):
    backbone, seen = built(), []
    layer = backbone.convolutions['entry_flow/conv1_1']

    def look(maps, training=False):
        seen.append(maps.numpy())
        return original(maps, training=training)

    original = layer.call
    monkeypatch.setattr(layer, 'call', look)
    ones = np.ones([1, 33, 33, 3], np.float32)
    backbone(tf.constant(ones * np.float32(backbone.padding_value)))
    np.testing.assert_array_equal(seen[0], 0 * ones)
    backbone(tf.constant(ones * np.float32([0, 127.5, 255])))
    np.testing.assert_allclose(seen[1][0, 0, 0], [-1.0, 0.0, 1.0], atol=1e-6)


def test_batch_norm(built):
    for layer in built().convolutions.values():
        assert (layer.batch_norm.epsilon, layer.batch_norm.momentum) == (1e-3, 0.9997)
        assert layer.batch_norm.scale and layer.batch_norm.center
        assert not layer.convolution.use_bias


def convolution(before, after, side=1):
    """Parameters of a convolution with gamma and beta."""
    return side * side * before * after + 2 * after


def separable(*widths):
    """Parameters of separable 3x3 convolutions in a row, from the first width to the last."""
    pairs = itertools.pairwise(widths)
    return sum(9 * before + 2 * before + convolution(before, after) for before, after in pairs)


TOTALS = {'xception_41': 24_920_560, 'xception_65': 37_867_312}


@pytest.mark.parametrize(('variant', 'total'), TOTALS.items())
def test_parameters(built, variant, total):
    entry = convolution(3, 32, 3) + convolution(32, 64, 3)
    for before, width in ((64, 128), (128, 256), (256, 728)):
        entry += convolution(before, width) + separable(before, width, width, width)
    middle = MIDDLE[variant] * separable(728, 728, 728, 728)
    leave = convolution(728, 1024) + separable(728, 728, 1024, 1024)
    leave += separable(1024, 1536, 1536, 2048)
    assert entry + middle + leave == total
    variables = built(variant).trainable_variables
    assert sum(np.prod(v.shape) for v in variables) == total


def test_depthwise_kernels_do_not_decay():
    network = DeepLabV3Plus(3, 2, functools.partial(Xception, 'xception_41'), 16, 16, 16)
    network(tf.zeros([1, 33, 33, 3]))
    decayed = {v.ref() for v in network.decayed_kernels()}
    inside = {v.ref() for v in network.backbone.variables}
    kernels = {
        layer.kernel.ref()
        for name, layer in network.backbone.convolutions.items()
        if not name.endswith('_depthwise')
    }
    # Stem, four shortcuts, and the pointwise convolutions of 13 modules.
    assert len(kernels) == 2 + 4 + 3 * 13
    assert decayed & inside == kernels


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'variant': 'xception_71'}, r"variant is 'xception_71'; it can be .*xception_65"),
        ({'output_stride': 32}, r'output_stride is 32; it can be 8 or 16'),
        ({'multi_grid': (1, 2)}, r'multi_grid is \(1, 2\); it must be a tuple of 3'),
        ({'multi_grid': (0, 2, 1)}, 'multi_grid is 0; it must be'),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        Xception(**options)
