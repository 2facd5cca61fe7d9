"""Import of the ImageNet weights of `tf_keras.applications`: ResNet-50, -101, MobileNetV2."""

import os
import re

import numpy as np
import tensorflow as tf
import tf_keras as keras

from wss.networks.backbones import resnet_v1
from wss.settings import ranges

_CONVOLUTIONS = ('shortcut', 'conv1', 'conv2', 'conv3')  # Keras numbers them from 0.
# Names of the convolution and of its batch norm in Keras, for our names.
_KERAS_NAMES = {
    r'conv1': lambda match: ('conv1_conv', 'conv1_bn'),
    r'block(\d)/unit_(\d+)/bottleneck_v1/(\w+)': lambda match: _resnet_names(*match.groups()),
    r'Conv': lambda match: ('Conv1', 'bn_Conv1'),
    r'expanded_conv/(\w+)': lambda match: _mobilenet_names('expanded_conv', match[1]),
    r'expanded_conv_(\d+)/(\w+)': lambda match: _mobilenet_names(f'block_{match[1]}', match[2]),
}


def load_backbone(method, weights: str = 'imagenet') -> str:
    """Starts a network from a Keras image classifier: backbone only, heads stay fresh.

    Args:
        method: A `Method` whose variables exist, on a `keras` variant of `ResNetV1` or on
            `MobileNetV2`.
        weights: `imagenet`, which Keras downloads (and keeps in `~/.keras`), or a local `.h5` file
            with the weights of such a model, with or without its classifier of 1000 classes.

    Raises:
        FileNotFoundError: If there is no such file, or the download fails.
        ValueError: If the backbone or the weights in the file do not fit.
    """
    ranges.path('keras_applications.load_backbone.weights', weights)
    backbone = method.network.backbone
    name = _keras_model(backbone)
    make = getattr(keras.applications, name)
    model = (
        _downloaded(name, make)
        if weights == 'imagenet'
        else _read(name, make, os.path.expanduser(weights))
    )
    for own_name, layer in backbone.convolutions.items():
        convolution, batch_norm = map(model.get_layer, _keras_names(own_name))
        _assign(layer, convolution, batch_norm, flip=own_name == 'conv1')
    return (
        f'Loaded {len(backbone.convolutions)} convolutions of {name} (tf_keras.applications) from '
        f'{weights}; the rest of the network starts fresh.'
    )


def folded_mean(moving_mean, bias) -> np.ndarray:
    """Moves the bias of a convolution into the batch norm behind it.

    `(x + bias) - moving_mean = x - (moving_mean - bias)`; in training the mean of the batch takes
    any bias away.

    Args:
        moving_mean: float `[D]`.
        bias: float `[D]`.

    Returns:
        float `[D]`, the moving mean for the same convolution without bias.
    """
    return np.asarray(moving_mean) - np.asarray(bias)


def _assign(layer, convolution, batch_norm, flip):
    """Copies a convolution and its batch norm; `flip` turns input channels from BGR to RGB."""
    kernel = convolution.weights[0].numpy()
    bias = convolution.bias.numpy() if convolution.use_bias else 0.0
    layer.kernel.assign(kernel[:, :, ::-1] if flip else kernel)
    ours = layer.batch_norm
    ours.gamma.assign(batch_norm.gamma.numpy())
    ours.beta.assign(batch_norm.beta.numpy())
    ours.moving_mean.assign(folded_mean(batch_norm.moving_mean.numpy(), bias))
    ours.moving_variance.assign(batch_norm.moving_variance.numpy())


def _keras_names(name) -> tuple[str, str]:
    """Returns the names of a convolution and its batch norm in Keras."""
    matches = ((re.fullmatch(pattern, name), names) for pattern, names in _KERAS_NAMES.items())
    return next(names(match) for match, names in matches if match)


def _resnet_names(block, unit, convolution):
    prefix = f'conv{int(block) + 1}_block{unit}_{_CONVOLUTIONS.index(convolution)}'
    return f'{prefix}_conv', f'{prefix}_bn'


def _mobilenet_names(unit, convolution):
    return f'{unit}_{convolution}', f'{unit}_{convolution}_BN'


def _keras_model(backbone) -> str:
    """Returns the name of the Keras model whose weights fit a backbone."""
    if getattr(backbone, 'keras_model', None):
        return backbone.keras_model
    own = resnet_v1.VARIANTS.get(getattr(backbone, 'variant', None))
    fitting = [
        name
        for name, variant in resnet_v1.VARIANTS.items()
        if variant.keras_model and (own is None or own.units == variant.units)
    ]
    raise ValueError(
        'Weights of tf_keras.applications do not fit the backbone '
        f'{getattr(backbone, "variant", backbone.name)}; set '
        'DeepLabV3Plus.make_backbone = @resnet_v1.ResNetV1 and ResNetV1.variant = '
        f'{" or ".join(map(repr, fitting))}.'
    )


def _downloaded(name, make) -> keras.Model:
    try:
        return make(include_top=False, weights='imagenet')
    except Exception as error:  # Keras raises a bare Exception where it cannot download.
        raise FileNotFoundError(
            f'The ImageNet weights of {name} could not be downloaded ({_reason(error)}). Fetch the '
            'file where there is a connection, and name it: '
            "keras_applications.load_backbone.weights = 'file.h5'."
        ) from error


def _read(name, make, path) -> keras.Model:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'There is no weights file {path}; name a local .h5 file with the weights of {name}, '
            "or 'imagenet' to download them (docs/weights.md)."
        )
    if not path.endswith('.h5'):
        raise ValueError(
            f'The weights file {path} must be an .h5 file, as save_weights(...) of a {name} of '
            'tf_keras.applications writes it.'
        )
    reasons = []
    for include_top in (False, True):
        try:
            return make(include_top=include_top, weights=path)
        except tf.errors.ResourceExhaustedError:
            raise
        except Exception as error:  # HDF5 and Keras each have errors of their own.
            reasons.append(_reason(error))
            if isinstance(error, OSError):  # No HDF5 file, with or without a classifier.
                break
    raise ValueError(
        f'The weights file {path} does not hold the weights of {name} ({reasons[0]}); name one '
        f'that a {name} of tf_keras.applications wrote, without its classifier or with all 1000 '
        'classes.'
    )


def _reason(error):
    """The first line of a message, without its full stop."""
    return str(error).strip().split('\n')[0].rstrip('.')
