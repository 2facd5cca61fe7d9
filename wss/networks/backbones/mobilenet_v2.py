"""MobileNetV2 (Sandler et al., CVPR 2018) as DeepLab builds it, with atrous convolution."""

import dataclasses
from collections.abc import Iterator

import tensorflow as tf
import tf_keras as keras

from wss.networks.layers import ConvBatchNorm
from wss.settings import ranges

_EPSILON, _DECAY = 1e-3, 0.997
_STEM = 32  # Channels of the first convolution, of stride 2.


@dataclasses.dataclass(frozen=True)
class _Stage:
    """Units of one width (a line of table 2 of the paper).

    Attributes:
        expansion: How many times wider a unit is inside than its input.
        width: Channels of its output.
        units: How many units.
        stride: Stride of the first one.
    """

    expansion: int
    width: int
    units: int
    stride: int


_STAGES = (
    _Stage(1, 16, 1, 1),
    _Stage(6, 24, 2, 2),
    _Stage(6, 32, 3, 2),
    _Stage(6, 64, 4, 2),
    _Stage(6, 96, 3, 1),
    _Stage(6, 160, 3, 2),
    _Stage(6, 320, 1, 1),
)


@dataclasses.dataclass(frozen=True)
class _Unit:
    """One inverted residual unit: 1x1 expansion, 3x3 depthwise, 1x1 projection.

    Attributes:
        scope: Name in published checkpoints.
        expanded: Channels inside.
        width: Channels of the output.
        stride: Stride of the depthwise convolution.
        rate: Atrous rate of the depthwise convolution.
        expands: Whether there is an expansion.
        residual: Whether the input is added to the output.
    """

    scope: str
    expanded: int
    width: int
    stride: int
    rate: int
    expands: bool
    residual: bool


def _units(output_stride) -> Iterator[_Unit]:
    """Yields the units; a stride that would exceed `output_stride` becomes an atrous rate."""
    stride, rate, channels, number = 2, 1, _STEM, 0
    for stage in _STAGES:
        for i in range(stage.units):
            wanted = stage.stride if i == 0 else 1
            taken, grown = (1, wanted) if stride == output_stride else (wanted, 1)
            yield _Unit(
                f'expanded_conv_{number}' if number else 'expanded_conv',
                stage.expansion * channels,
                stage.width,
                taken,
                rate,
                stage.expansion > 1,
                channels == stage.width,
            )
            stride, rate, channels, number = stride * taken, rate * grown, stage.width, number + 1


class MobileNetV2(keras.layers.Layer):
    """MobileNetV2 of full width, up to the 320 channels before its last 1x1 convolution.

    Strided convolutions pad as TensorFlow's 'SAME' does. Features sit at even pixels where the size
    of the map is odd, and at odd pixels where it is even. Crops of `16 k + 1` fit best.

    Attributes:
        padding_value: RGB of padding, in [0, 255]; normalises to 0.
        output_stride: Pixels between neighbouring features of the last block.
        blocks: Keys of the block outputs, first to last: the last unit of each width.
        scope: Name before the variables in published checkpoints.
        convolutions: Every convolution with its batch norm, by its name in those checkpoints.
        keras_model: The model of `tf_keras.applications` whose weights fit.

    Args:
        output_stride: 8 or 16.

    Raises:
        ValueError: If the output stride is neither.
    """

    padding_value = (127.5, 127.5, 127.5)
    scope = 'MobilenetV2'
    keras_model = 'MobileNetV2'
    blocks = (
        'expanded_conv',
        'expanded_conv_2',
        'expanded_conv_5',
        'expanded_conv_9',
        'expanded_conv_12',
        'expanded_conv_15',
        'expanded_conv_16',
    )

    def __init__(self, output_stride: int = 16):
        ranges.choice('MobileNetV2.output_stride', output_stride, (8, 16))
        super().__init__(name=self.scope, autocast=False)  # Pixels are scaled in float32.
        self.output_stride = output_stride
        self.units = tuple(_units(output_stride))
        self.convolutions = {}
        self._add('Conv', _STEM, 3, stride=2)
        for unit in self.units:
            if unit.expands:
                self._add(f'{unit.scope}/expand', unit.expanded, 1)
            self._add(f'{unit.scope}/depthwise', None, 3, stride=unit.stride, rate=unit.rate)
            self._add(f'{unit.scope}/project', unit.width, 1, activate=False)

    def _add(self, name, filters, kernel_size, **options):
        self.convolutions[name] = ConvBatchNorm(
            filters,
            kernel_size,
            epsilon=_EPSILON,
            decay=_DECAY,
            activation=tf.nn.relu6,
            explicit_padding=False,
            name=name,
            **options,
        )

    def call(self, images, training=False):
        """Computes the feature maps.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].
            training: Whether batch norm uses the statistics of this batch.

        Returns:
            The output of each of `blocks` (16, 24, 32, 64, 96, 160 and 320 channels) and `stride_4`
            (the decoder's low-level map, 144 channels), each float `[N, h, w, D]`.
        """
        maps = self.convolutions['Conv'](images * (2 / 255) - 1, training=training)
        features = {}
        for unit in self.units:
            maps, depthwise = self._inverted_residual(unit, maps, training)
            if unit.scope in self.blocks:
                features[unit.scope] = maps
            if unit.scope == 'expanded_conv_2':
                features['stride_4'] = depthwise
        return features

    def _inverted_residual(self, unit, maps, training):
        """Returns the unit's output and that of its depthwise convolution."""

        def convolve(name, inputs):
            return self.convolutions[f'{unit.scope}/{name}'](inputs, training=training)

        depthwise = convolve('depthwise', convolve('expand', maps) if unit.expands else maps)
        outputs = convolve('project', depthwise)
        return (maps + outputs if unit.residual else outputs), depthwise
