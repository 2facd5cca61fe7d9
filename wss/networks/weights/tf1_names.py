"""Names of variables in TensorFlow 1 checkpoints of DeepLab and of the authors' program."""

import functools
from collections.abc import Callable, Iterable

import tensorflow as tf
import tf_keras as keras

from wss.networks.backbones import mobilenet_v2, resnet_v1, xception
from wss.networks.layers import ConvBatchNorm

_BATCH_NORM = ('gamma', 'beta', 'moving_mean', 'moving_variance')


def variable_names(network, sgc=None) -> dict[str, dict[str, tf.Variable]]:
    """Names every variable as the authors' program does.

    Args:
        network: A built `DeepLabV3Plus` on a backbone with `scope` and `convolutions`.
        sgc: A built `SelfAttentionGradCAM`, or None.

    Returns:
        The variables by name, in parts: `backbone`, `decoder` (with ASPP), `logits`, `classifier`
        and, if given, `sgc`.

    Raises:
        ValueError: If the backbone has no published counterpart.
    """
    backbone = network.backbone
    if not hasattr(backbone, 'convolutions'):
        raise ValueError(
            f'There are no TensorFlow 1 checkpoints for the backbone {backbone.name}; use one of '
            f'{", ".join(variants())}.'
        )
    aspp = network.aspp
    heads = {
        'image_pooling': aspp.image_pooling,
        'aspp0': aspp.pointwise,
        'concat_projection': aspp.projection,
        'decoder/feature_projection0': network.low_level,
    }
    for name, layers in (('aspp{}', aspp.atrous), ('decoder/decoder_conv{}', network.decoder)):
        for i, layer in enumerate(layers, start=name.startswith('aspp')):
            heads[name.format(i) + '_depthwise'] = layer.depthwise
            heads[name.format(i) + '_pointwise'] = layer.pointwise
    convolutions = {f'{backbone.scope}/{n}': layer for n, layer in backbone.convolutions.items()}
    parts = {
        'backbone': _convolution_variables(convolutions),
        'decoder': _convolution_variables(heads),
        'logits': _linear_variables('logits/semantic', network.logits),
        'classifier': _linear_variables(f'{backbone.scope}/logits', network.classifier),
    }
    if sgc is not None:
        parts['sgc'] = _linear_variables('pixel_normalization', sgc.output_convolution)
        if sgc.attends:
            parts['sgc'] |= {
                **_linear_variables('hyper_column/key', sgc.key),
                **_linear_variables('hyper_column/query', sgc.query),
            }
        if sgc.batch_norm is not None:
            parts['sgc'] |= _batch_norm_variables('pixel_normalization', sgc.batch_norm)
    return parts


def variants() -> dict[str, Callable[[], keras.layers.Layer]]:
    """Returns the makers of the backbones with TensorFlow 1 checkpoints, by variant."""
    resnets = [name for name, variant in resnet_v1.VARIANTS.items() if not variant.keras_model]
    makers = {name: functools.partial(resnet_v1.ResNetV1, name) for name in resnets}
    makers |= {name: functools.partial(xception.Xception, name) for name in xception.MIDDLE_UNITS}
    return makers | {'mobilenet_v2': mobilenet_v2.MobileNetV2}


def find_scope(names: Iterable[str], anchor: str) -> str | None:
    """Returns what stands before `anchor` in the names of a file: the shortest, None if absent."""
    before = [name[: -len(anchor)] for name in names if name.endswith(anchor)]
    scopes = [scope for scope in before if not scope or scope.endswith('/')]
    return min(scopes, key=lambda scope: (len(scope), scope), default=None)


def nearest_backbone(names: Iterable[str]) -> tuple[str, float]:
    """Finds the backbone that the variables of a file are most like.

    Args:
        names: Names of the variables of a file, with or without a scope before them.

    Returns:
        Its variant, and the share of its convolutions that the file has, in [0, 1]; an empty text
        and 0 if the file has none of any.
    """
    held = {name for name in names if name.endswith('/BatchNorm/gamma')}
    best = ('', 0.0, 0.0)
    for variant, make in variants().items():
        backbone = make()
        wanted = {f'{backbone.scope}/{n}/BatchNorm/gamma' for n in backbone.convolutions}
        scopes = (find_scope(held, name) for name in sorted(wanted))
        scope = next((scope for scope in scopes if scope is not None), '')
        there = {n[len(scope) :] for n in held if n.startswith(f'{scope}{backbone.scope}/')}
        alike = len(wanted & there) / len(wanted | there)
        best = max(best, (variant, alike, len(wanted & there) / len(wanted)), key=lambda b: b[1])
    return best[0], best[2]


def _convolution_variables(layers: dict[str, ConvBatchNorm]) -> dict[str, tf.Variable]:
    variables = {}
    for name, layer in layers.items():
        kernel = 'depthwise_weights' if layer.is_depthwise else 'weights'
        variables[f'{name}/{kernel}'] = layer.kernel
        variables |= _batch_norm_variables(name, layer.batch_norm)
    return variables


def _batch_norm_variables(name, batch_norm):
    values = {which: getattr(batch_norm, which) for which in _BATCH_NORM}
    return {f'{name}/BatchNorm/{which}': v for which, v in values.items() if v is not None}


def _linear_variables(name, layer):
    variables = {f'{name}/weights': layer.kernel}
    if layer.use_bias:
        variables[f'{name}/biases'] = layer.bias
    return variables
