"""ResNet v1: the plan of its units, sizes, normalisation, batch norm, decay, parameters."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from wss.networks.backbones.resnet_v1 import VARIANTS, ResNetV1
from wss.networks.deeplab import DeepLabV3Plus

UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # He et al., table 1.
DEPTHS = {'block1': 256, 'block2': 512, 'block3': 1024, 'block4': 2048, 'stride_4': 256}


def plan(backbone):
    """Stride and rate of the units of each block."""
    return [[(u.stride, u.rate) for u in backbone.units if u.block == b] for b in backbone.blocks]


@pytest.fixture(scope='module')
def built():
    """Makes backbones with variables, each once."""

    @functools.cache
    def make(variant, output_stride=16):
        backbone = ResNetV1(variant, output_stride)
        backbone(tf.zeros([1, 33, 33, 3]))
        return backbone

    return make


@pytest.mark.parametrize('layers', [50, 101])
@pytest.mark.parametrize('beta', ['', '_beta'])
def test_the_last_unit_of_a_block_has_its_stride(layers, beta):
    counts = UNITS[layers]
    # The stem leaves stride 4, block 1 makes it 8, block 2 makes it 16; block 3 would make it 32.
    blocks = plan(ResNetV1(f'resnet_v1_{layers}{beta}', 16))
    assert blocks[0] == [(1, 1), (1, 1), (2, 1)]
    assert blocks[1] == [(1, 1), (1, 1), (1, 1), (2, 1)]
    assert blocks[2] == [(1, 1)] * counts[2]
    assert blocks[3] == [(1, 2), (1, 4), (1, 8)] if beta else [(1, 2)] * 3
    # At stride 8 block 2 is the first that has to give up its own.
    blocks = plan(ResNetV1(f'resnet_v1_{layers}{beta}', 8))
    assert blocks[0] == [(1, 1), (1, 1), (2, 1)]
    assert blocks[1] == [(1, 1)] * 4
    assert blocks[2] == [(1, 2)] * counts[2]
    assert blocks[3] == [(1, 4), (1, 8), (1, 16)] if beta else [(1, 4)] * 3


def test_multi_grid_can_be_chosen():
    assert plan(ResNetV1('resnet_v1_50', 16, (1, 2, 1)))[3] == [(1, 2), (1, 4), (1, 2)]
    assert plan(ResNetV1('resnet_v1_50_beta', 16, (1, 1, 1)))[3] == [(1, 2)] * 3
    assert plan(ResNetV1('resnet_v1_50_beta', 8, (3, 2, 1)))[3] == [(1, 12), (1, 8), (1, 4)]


def test_the_convolutions_follow_the_plan(built):
    convolutions = built('resnet_v1_50_beta').convolutions
    rates = [
        convolutions[f'block4/unit_{i}/bottleneck_v1/conv2'].convolution.dilation_rate
        for i in (1, 2, 3)
    ]
    assert rates == [(2, 2), (4, 4), (8, 8)]
    strided = {n for n, layer in convolutions.items() if layer.convolution.strides == (2, 2)}
    assert strided == {
        'conv1_1',
        'block1/unit_3/bottleneck_v1/conv2',
        'block2/unit_4/bottleneck_v1/conv2',
    }
    shortcuts = [n for n in convolutions if n.endswith('shortcut')]
    assert shortcuts == [f'block{i}/unit_1/bottleneck_v1/shortcut' for i in (1, 2, 3, 4)]
    linear = {n.rsplit('/', 1)[-1] for n, layer in convolutions.items() if not layer.activate}
    assert linear == {'conv3', 'shortcut'}


@pytest.mark.parametrize(
    ('stride', 'sides'),
    [
        (8, {'stride_4': (9, 13), 'block1': (5, 7), 'block3': (5, 7), 'block4': (5, 7)}),
        (16, {'stride_4': (9, 13), 'block1': (5, 7), 'block2': (3, 4), 'block4': (3, 4)}),
    ],
)
@pytest.mark.parametrize('size', [(33, 49), (34, 52)])
@pytest.mark.parametrize('variant', ['resnet_v1_50', 'resnet_v1_50_beta'])
def test_sizes_and_channels(built, variant, stride, size, sides):
    features = built(variant, stride)(tf.zeros([2, *size, 3]))
    assert {name: maps.shape[-1] for name, maps in features.items()} == DEPTHS
    assert {name: features[name].shape[1:3] for name in sides} == sides
    assert {maps.shape[0] for maps in features.values()} == {2}


def test_the_low_level_map_is_a_residual_before_its_sum_and_the_blocks_end_with_relu(built):
    image = tf.random.stateless_uniform([1, 33, 33, 3], [1, 2], 0, 255)
    features = built('resnet_v1_50')(image)
    assert float(tf.reduce_min(features['stride_4'])) < 0
    for block in ResNetV1.blocks:
        assert float(tf.reduce_min(features[block])) >= 0


@pytest.mark.parametrize(
    ('variant', 'first', 'image', 'expected'),
    [
        ('resnet_v1_50_beta', 'conv1_1', (0.0, 127.5, 255.0), (-1.0, 0.0, 1.0)),
        ('resnet_v1_50', 'conv1', (123.15, 125.9, 3.06), (0.0, 10.0, -100.0)),
    ],
)
def test_normalisation(built, monkeypatch, variant, first, image, expected):
    backbone, seen = built(variant), []
    layer = backbone.convolutions[first]

    def look(maps, training=False):
        seen.append(maps.numpy())
        return original(maps, training=training)

    original = layer.call
    monkeypatch.setattr(layer, 'call', look)
    ones = np.ones([1, 33, 33, 3], np.float32)
    backbone(tf.constant(ones * np.float32(backbone.padding_value)))
    np.testing.assert_array_equal(seen[0], 0 * ones)
    backbone(tf.constant(ones * np.float32(image)))
    np.testing.assert_allclose(seen[1][0, 0, 0], expected, atol=1e-5)


def test_batch_norm(built):
    for layer in built('resnet_v1_50_beta').convolutions.values():
        assert (layer.batch_norm.epsilon, layer.batch_norm.momentum) == (1e-5, 0.95)
        assert layer.batch_norm.scale and layer.batch_norm.center
        assert not layer.convolution.use_bias


# He et al.'s networks with their linear layer of 2048 * 1000 + 1000 weights have 25,557,032 and
# 44,549,160 parameters; that layer is none of the backbone.
PLAIN = {50: 25_557_032 - 2_049_000, 101: 44_549_160 - 2_049_000}
# The three convolutions of the beta stem in place of the 7x7 one, and 128 in place of 64 channels
# into the first unit's 1x1 convolutions of 64 and 256 filters.
STEM = 9 * 3 * 64 + 9 * 64 * 64 + 9 * 64 * 128 + 2 * (64 + 64 + 128) - (49 * 3 * 64 + 2 * 64)
BETA = STEM + 64 * 64 + 64 * 256


@pytest.mark.parametrize('layers', [50, 101])
def test_parameters(built, layers):
    for suffix, number in (('', PLAIN[layers]), ('_beta', PLAIN[layers] + BETA)):
        backbone = built(f'resnet_v1_{layers}{suffix}')
        assert sum(np.prod(v.shape) for v in backbone.trainable_variables) == number
        # Three convolutions a unit, one shortcut a block, and the stem.
        count = 3 * sum(UNITS[layers]) + 4 + (3 if suffix else 1)
        assert len(backbone.convolutions) == count
        assert len(backbone.trainable_variables) == 3 * count
        assert len(backbone.non_trainable_variables) == 2 * count


def test_every_kernel_decays_and_nothing_else():
    network = DeepLabV3Plus(3, 2, ResNetV1, 16, 16, 16)
    network(tf.zeros([1, 33, 33, 3]))
    decayed = {v.ref() for v in network.decayed_kernels()}
    inside = {v.ref() for v in network.backbone.variables}
    kernels = {layer.kernel.ref() for layer in network.backbone.convolutions.values()}
    assert decayed & inside == kernels


def test_names_of_published_checkpoints():
    for variant, (scope, stem) in {
        'resnet_v1_50': ('resnet_v1_50', ['conv1']),
        'resnet_v1_101_beta': ('resnet_v1_101', ['conv1_1', 'conv1_2', 'conv1_3']),
    }.items():
        backbone = ResNetV1(variant)
        assert backbone.scope == scope
        assert [name for name in backbone.convolutions if '/' not in name] == stem
    assert {f'block3/unit_23/bottleneck_v1/conv{i}' for i in (1, 2, 3)} < set(backbone.convolutions)
    assert 'block3/unit_24/bottleneck_v1/conv1' not in backbone.convolutions


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'variant': 'resnet_v2_50'}, r"variant is 'resnet_v2_50'; it can be .*_50_beta"),
        ({'output_stride': 32}, r'output_stride is 32; it can be 8 or 16'),
        ({'multi_grid': (1, 2)}, r'multi_grid is \(1, 2\); it must be a tuple of 3'),
        ({'multi_grid': (1, 2, 0)}, 'multi_grid is 0; it must be'),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        ResNetV1(**options)


def test_the_default_is_a_network_of_the_paper():
    kinds = ('', '_beta', '_keras')
    assert set(VARIANTS) == {f'resnet_v1_{n}{kind}' for n in (50, 101) for kind in kinds}
    assert ResNetV1().scope == 'resnet_v1_50'
    assert ResNetV1().beta
