"""The authors' program in this one: what a set of its flag values builds."""

import functools

from wss.datasets.info import DatasetInfo
from wss.methods.losses import SupervisedLoss
from wss.methods.method import Method
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.update import Update
from wss.networks.backbones.resnet_v1 import ResNetV1
from wss.networks.backbones.xception import Xception
from wss.networks.deeplab import DeepLabV3Plus


def make_method(options: dict, rival: type[Method] | None = None) -> Method:
    """Builds PseudoSeg from flag values of the authors' program, or a rival on its network.

    Args:
        options: By the names of their flags: `model_variant`, `crop_size`, `num_classes`,
            `ignore_label`, `output_stride`, `atrous_rates`, `weakly`, `soft_pseudo_label`,
            `pseudo_label_threshold`, `temperature`, `pseudo_src`, `unlabeled_weight` and
            `weight_decay`; and where they are given `multi_grid` (none), `logit_norm` (True),
            `att_v2` (True) and `attention_dim` (128). Dropout is off.

    Returns:
        The method with all its variables, for `crop_size`.
    """
    classes = options['num_classes']
    info = DatasetInfo(
        'reference',
        tuple(f'class {i}' for i in range(classes)),
        ((0, 0, 0),) * classes,
        ignore_value=options['ignore_label'],
    )
    network = _make_network(options)
    if rival is None:
        method = _make_pseudoseg(options, network, info)
    else:
        method = rival(network, info)
        if method.needs_second_network:
            method.second_network = _make_network(options)
    update = Update(weight_decay=options['weight_decay'], statistics_warm_up=False)
    method.set_recipe(update, SupervisedLoss())
    method.build_variables(options['crop_size'])
    return method


def _make_network(options):
    family = Xception if options['model_variant'].startswith('xception') else ResNetV1
    classes = options['num_classes']
    return DeepLabV3Plus(
        classes,
        classes - 1,
        functools.partial(
            family,
            options['model_variant'],
            output_stride=options['output_stride'],
            multi_grid=options.get('multi_grid') or (1, 1, 1),
        ),
        aspp_rates=tuple(options['atrous_rates']),
        aspp_dropout=0.0,
    )


def _make_pseudoseg(options, network, info):
    return PseudoSeg(
        network,
        info,
        weak_labels=options['weakly'],
        source=options['pseudo_src'],
        calibrate=options.get('logit_norm', True),
        temperature=options['temperature'],
        soft=options['soft_pseudo_label'],
        threshold=options['pseudo_label_threshold'],
        consistency_weight=options['unlabeled_weight'],
        attention_width=options.get('attention_dim', 128),
        sgc_variant=2 if options.get('att_v2', True) else 1,
    )
