"""The flag values of the authors' program: each reaches what it is an option of."""

import dataclasses

import authors
import pytest
import tensorflow as tf

from wss.networks.backbones import resnet_v1

OPTIONS = {
    'model_variant': 'tiny',
    'crop_size': [33, 49],
    'num_classes': 4,
    'ignore_label': 255,
    'output_stride': 16,
    'atrous_rates': [1, 2, 3],
    'weakly': False,
    'soft_pseudo_label': True,
    'pseudo_label_threshold': 0.0,
    'temperature': 0.5,
    'pseudo_src': 'avg',
    'unlabeled_weight': 1.0,
    'weight_decay': 4e-05,
}


@pytest.fixture(scope='module', autouse=True)
def default():
    """The method of the options above, on a variant with next to no units."""
    variant = dataclasses.replace(resnet_v1.VARIANTS['resnet_v1_50_beta'], units=(2, 1, 1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resnet_v1.VARIANTS, 'tiny', variant)
        yield authors.make_method(OPTIONS)


def batch(size, image_classes):
    height, width = size
    images = tf.random.stateless_uniform([2, height, width, 3], [0, 0], 0, 255)
    shared = {'valid': tf.ones([2, height, width]), 'image_label': tf.ones([2, image_classes])}
    labels = tf.ones([2, height, width], tf.int32)
    return {'image': images, 'label': labels, **shared}, {
        'weak': images,
        'strong': images[:, ::-1],
        **shared,
    }


@pytest.mark.parametrize(
    ('flag', 'value', 'read'),
    [
        ('output_stride', 8, lambda m: m.network.backbone.output_stride),
        ('weakly', True, lambda m: m.weak_labels),
        ('soft_pseudo_label', False, lambda m: m.soft),
        ('pseudo_label_threshold', 0.3, lambda m: m.threshold),
        ('temperature', 1.0, lambda m: m.temperature),
        ('pseudo_src', 'att', lambda m: m.source),
        ('logit_norm', False, lambda m: m.calibrate),
        ('unlabeled_weight', 0.5, lambda m: m.consistency_weight),
        ('weight_decay', 1e-4, lambda m: m.update.weight_decay),
        ('attention_dim', 64, lambda m: m.sgc.query.units),
        ('att_v2', False, lambda m: m.sgc.skip),
        ('multi_grid', [3], lambda m: [m.network.backbone.units[-1].rate // 2]),
        ('ignore_label', 254, lambda m: m.info.ignore_value),
    ],
)
def test_a_flag_reaches_the_method(default, flag, value, read):
    given = [3, 3, 3] if flag == 'multi_grid' else value
    method = authors.make_method({**OPTIONS, flag: given})
    unset = {'logit_norm': True, 'att_v2': True, 'attention_dim': 128, 'multi_grid': [1]}
    assert read(method) == value
    assert read(default) == {**unset, **OPTIONS}[flag]
    losses = method.compute_losses(*batch(OPTIONS['crop_size'], 3))
    assert all(tf.math.is_finite(loss) for loss in losses.values())


def test_rates_and_classes(default):
    layers = default.network.aspp.atrous
    assert [layer.depthwise.convolution.dilation_rate[0] for layer in layers] == [1, 2, 3]
    assert (default.info.num_classes, default.info.num_image_classes) == (4, 3)
