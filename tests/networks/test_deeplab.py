"""DeepLabv3+: sizes, classifier, kernels under weight decay, crop sizes."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus


def small_deeplab(output_stride=16, **options):
    backbone = functools.partial(SmallResNet, (16, 16, 16, 16), output_stride=output_stride)
    sizes = {'aspp_filters': 16, 'decoder_filters': 16, 'low_level_filters': 16, **options}
    return DeepLabV3Plus(5, 4, backbone, **sizes)


@pytest.mark.parametrize('stride', [8, 16])
@pytest.mark.parametrize('size, stride_4', [((33, 49), (9, 13)), ((36, 50), (9, 13))])
def test_logits_stay_at_stride_4(stride, size, stride_4):
    logits, image_logits = small_deeplab(stride)(tf.zeros([2, *size, 3]))
    assert logits.shape == (2, *stride_4, 5)
    assert image_logits.shape == (2, 4)


def test_rates_follow_the_output_stride():
    for stride, rates in [(8, [12, 24, 36]), (16, [6, 12, 18])]:
        layers = small_deeplab(stride).aspp.atrous
        assert [layer.depthwise.convolution.dilation_rate[0] for layer in layers] == rates


def test_unknown_image_size():
    network = small_deeplab(8)

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3])], autograph=False)
    def run(images):
        return network(images)[0]

    image = tf.random.stateless_uniform([1, 41, 60, 3], [1, 2], 0, 255)
    np.testing.assert_allclose(run(image), network(image)[0], atol=1e-4)


def test_the_classifier_is_pooling_and_a_linear_layer():
    network = small_deeplab()
    features = {'block_4': tf.constant([[[[1.0, 3.0]], [[3.0, 5.0]]]])}
    network.classify(features)
    network.classifier.set_weights(
        [np.float32([[1, 0, 1, 0], [0, 1, 1, 0]]), np.float32([0, 0, 0, 7])]
    )
    np.testing.assert_allclose(network.classify(features), [[2.0, 4.0, 6.0, 7.0]])


def test_decayed_kernels_are_convolutions_and_the_classifier():
    network = small_deeplab()
    network(tf.zeros([1, 33, 33, 3]))
    decayed = {v.ref() for v in network.decayed_kernels()}
    expected = {
        v.ref()
        for v in network.trainable_variables
        if v.name.endswith('kernel:0') and 'depthwise_kernel' not in v.name
    }
    assert decayed == expected
    assert network.classifier.kernel.ref() in decayed


def test_crop_sizes():
    small_deeplab(8).check_crop_size((17, 65))
    with pytest.raises(ValueError, match=r'crop_size \(33, 32\).*at least 33'):
        small_deeplab(16).check_crop_size((33, 32))


@pytest.mark.parametrize(
    ('options', 'word'),
    [
        ({'aspp_filters': 0}, 'filters'),
        ({'aspp_rates': (0, 2, 4)}, 'aspp_rates'),
        ({'aspp_dropout': 2.0}, 'dropout'),
        ({'batch_norm_decay': 7.0}, 'batch_norm_decay'),
    ],
)
def test_options_outside_their_range(options, word):
    with pytest.raises(ValueError, match=word):
        small_deeplab(**options)
