"""Import of TensorFlow 1 checkpoints: ImageNet classifiers, DeepLab models, the authors' models."""

import difflib
import functools
import logging
import os
import re

import numpy as np
import tensorflow as tf

from wss.networks.backbones import mobilenet_v2, resnet_v1, xception
from wss.networks.layers import ConvBatchNorm

logger = logging.getLogger(__name__)

_BATCH_NORM = ('gamma', 'beta', 'moving_mean', 'moving_variance')
# What optimisers and training programs of TensorFlow 1 keep beside the weights.
_STATE = re.compile(
    r'(^|/)(global_step|beta[12]_power|save_counter)$'
    r'|/(Momentum|Adam(_1)?|RMSProp(_1)?|Adagrad|ExponentialMovingAverage)$'
)
_SHOWN = 5  # Names in a message.


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
            f'{", ".join(_variants())}.'
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
        parts['sgc'] = {
            **_linear_variables('hyper_column/key', sgc.key),
            **_linear_variables('hyper_column/query', sgc.query),
            **_linear_variables('pixel_normalization', sgc.output_convolution),
        }
        if sgc.batch_norm is not None:
            parts['sgc'] |= _batch_norm_variables('pixel_normalization', sgc.batch_norm)
    return parts


def load_backbone(method, path: str, scope: str | None = None) -> None:
    """Starts a network from an image classifier (ImageNet): backbone only, heads stay fresh.

    Args:
        method: A `Method` whose variables exist.
        path: See `load_model`.
        scope: See `load_model`.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the file does not hold the backbone whole, in its shapes.
    """
    _load(method, path, scope, wanted=('backbone',), required=('backbone',))


def load_model(method, path: str, scope: str | None = None, last_layers: bool = True) -> None:
    """Starts a method from a whole trained model, to evaluate it or to go on from it.

    Classifier and SGC start fresh where the file has none of them (a supervised model). What was
    loaded, what starts fresh and what in the file found no place is logged; optimiser slots and
    step counters are ignored.

    Args:
        method: A `Method` whose variables exist.
        path: Prefix of the checkpoint (`model.ckpt-30000`; several shards or the old one-file
            format are fine), one of its files, or a folder whose latest checkpoint is taken.
        scope: Prefix of all names in the file; found by itself if None.
        last_layers: Whether the layers whose shape depends on the classes are loaded: logits,
            classifier and SGC.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the file does not hold backbone, decoder (and logits) whole, in their shapes.
    """
    wanted = ('backbone', 'decoder') + (('logits', 'classifier', 'sgc') if last_layers else ())
    _load(method, path, scope, wanted, required=wanted[:3])


def _load(method, path, scope, wanted, required):
    parts = variable_names(method.network, getattr(method, 'sgc', None))
    prefix = _prefix(path)
    reader = _reader(prefix)
    shapes = reader.get_variable_to_shape_map()
    if scope is None:
        scope = _find_scope(shapes, next(iter(parts['backbone'])))
    elif scope and not scope.endswith('/'):
        scope += '/'
    held = {name[len(scope) :]: name for name in shapes if name.startswith(scope)}

    chosen = {}
    for part in wanted:
        variables = parts.get(part, {})
        missing = [name for name in variables if name not in held]
        if missing and (part in required or len(missing) < len(variables)):
            raise ValueError(_missing_message(prefix, part, missing, variables, shapes))
        if not missing:
            chosen |= variables
    for name, variable in chosen.items():
        there, here = tuple(shapes[held[name]]), tuple(variable.shape)
        if _squeezed(there) != _squeezed(here):
            raise ValueError(
                f'{name} is {there} in {prefix} and {here} in the network. A model of other '
                'classes needs load_model.last_layers = False; another shape, the network that it '
                'was made for.'
            )
    for name, variable in chosen.items():
        variable.assign(np.reshape(reader.get_tensor(held[name]), variable.shape))
    _report(prefix, parts, chosen, [name for name in held if name not in chosen])


def _report(prefix, parts, chosen, unused):
    loaded = {part: sum(name in chosen for name in names) for part, names in parts.items()}
    fresh = [part for part, count in loaded.items() if not count]
    ignored = [name for name in unused if _STATE.search(name)]
    unused = sorted(set(unused) - set(ignored))
    logger.info(
        'Loaded from %s: %s. Start fresh: %s. Not used of the file: %s (and %d values of '
        'optimiser and step counter).',
        prefix,
        ', '.join(f'{part} ({count} variables)' for part, count in loaded.items() if count),
        ', '.join(fresh) or 'nothing',
        ', '.join(unused) or 'nothing',
        len(ignored),
    )


def _prefix(path):
    """Returns the prefix of the checkpoint that a user's path means."""
    path = os.fspath(path)
    if tf.io.gfile.isdir(path):
        latest = tf.train.latest_checkpoint(path)
        if latest is None:
            raise FileNotFoundError(f'The folder {path} names no checkpoint; name its prefix.')
        return latest
    path = re.sub(r'\.(index|meta|data-\d{5}-of-\d{5})$', '', path)
    if not tf.io.gfile.exists(path) and not tf.io.gfile.exists(path + '.index'):
        folder = os.path.dirname(path) or '.'
        there = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
        near = difflib.get_close_matches(os.path.basename(path), there, n=3)
        hint = f'; near to it are {", ".join(near)}' if near else ''
        raise FileNotFoundError(f'There is no checkpoint {path}{hint}.')
    return path


def _reader(prefix):
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'The checkpoint {prefix} cannot be read: {reason}') from error
    if '_CHECKPOINTABLE_OBJECT_GRAPH' in names:
        raise ValueError(
            f'{prefix} is a checkpoint of TensorFlow 2, not 1. For a run of this program give its '
            'workdir, or export its weights (python -m wss.export).'
        )
    return reader


def _find_scope(names, anchor):
    """Returns what stands before `anchor` in the names of the file: the shortest, else nothing."""
    before = [name[: -len(anchor)] for name in names if name.endswith(anchor)]
    return min((scope for scope in before if not scope or scope.endswith('/')), key=len, default='')


def _missing_message(prefix, part, missing, variables, shapes):
    message = (
        f'The checkpoint {prefix} lacks {len(missing)} of {len(variables)} variables of the '
        f'{part}: {", ".join(missing[:_SHOWN])}{" ..." if len(missing) > _SHOWN else ""}. '
    )
    if part != 'backbone':
        return message + 'To start from its backbone alone use load_backbone.'
    nearest, share = _nearest(shapes)
    if not share:
        return message + 'It fits none of the backbones.'
    return message + f'The nearest backbone is {nearest} ({share:.0%} of its variables are there).'


def _nearest(names):
    """Returns the backbone whose variables are most like those of a file, and how many it has."""
    best = ('', 0.0, 0.0)
    for variant, make in _variants().items():
        backbone = make()
        wanted = {f'{backbone.scope}/{n}/BatchNorm/gamma' for n in backbone.convolutions}
        scope = _find_scope(names, min(wanted & set(names), default=min(wanted)))
        there = {n[len(scope) :] for n in names if n.startswith(f'{scope}{backbone.scope}/')}
        there = {name for name in there if name.endswith('/gamma')}
        alike = len(wanted & there) / len(wanted | there)
        best = max(best, (variant, alike, len(wanted & there) / len(wanted)), key=lambda b: b[1])
    return best[0], best[2]


def _variants():
    """Returns the maker of each backbone with published checkpoints, by its variant."""
    resnets = [name for name, chosen in resnet_v1.VARIANTS.items() if not chosen.keras_model]
    makers = {name: functools.partial(resnet_v1.ResNetV1, name) for name in resnets}
    makers |= {name: functools.partial(xception.Xception, name) for name in xception.MIDDLE_UNITS}
    return makers | {'mobilenet_v2': mobilenet_v2.MobileNetV2}


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


def _squeezed(shape):
    """A kernel `[1, 1, D, K]` is a matrix `[D, K]`."""
    return shape[2:] if len(shape) == 4 and shape[:2] == (1, 1) else shape
