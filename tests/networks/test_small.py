"""The small backbone: strides, size, normalisation."""

import numpy as np
import pytest
import tensorflow as tf

from wss.networks.backbones.small import SmallResNet


@pytest.mark.parametrize('stride, last', [(8, (5, 7)), (16, (3, 4))])
@pytest.mark.parametrize('size', [(33, 49), (34, 52)])
def test_features_sit_at_their_strides(stride, last, size):
    backbone = SmallResNet((16, 16, 16, 16), output_stride=stride)
    features = backbone(tf.zeros([1, *size, 3]))
    assert set(features) == {'stride_4', *backbone.blocks}
    assert features['stride_4'].shape == (1, (size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1, 16)
    assert features['block_4'].shape[1:3] == last


def test_fewer_than_a_million_parameters():
    backbone = SmallResNet()
    backbone(tf.zeros([1, 33, 33, 3]))
    assert sum(np.prod(v.shape) for v in backbone.trainable_variables) < 500_000


def test_padding_normalises_to_zero():
    backbone = SmallResNet((16, 16, 16, 16))
    seen = []
    backbone.stem = lambda maps, training: seen.append(maps) or tf.zeros([1, 17, 17, 16])
    backbone(tf.broadcast_to(tf.constant(backbone.padding_value), [1, 33, 33, 3]))
    np.testing.assert_allclose(seen[0], 0.0, atol=1e-6)
    backbone(tf.constant([0.0, 127.5, 255.0]) * tf.ones([1, 33, 33, 3]))
    np.testing.assert_allclose(seen[1][0, 0, 0], [-1.0, 0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize(
    'options, word',
    [
        ({'output_stride': 4}, 'output_stride is 4'),
        ({'filters': (16, 16)}, r'filters is \(16, 16\); it must be a tuple of 4'),
        ({'filters': (16, 16, 0, 16)}, 'filters is 0; it must be a whole number, 1 to'),
        ({'units': (1, 1, 1, 0)}, 'SmallResNet.units is 0'),
        ({'batch_norm_decay': 2.0}, 'batch_norm_decay is 2.0'),
    ],
)
def test_options_outside_their_range(options, word):
    with pytest.raises(ValueError, match=word):
        SmallResNet(**options)
