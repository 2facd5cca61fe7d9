"""ResNet v1 (He et al., CVPR 2016), as DeepLab and as Keras build it, with atrous convolution."""

import dataclasses
from collections.abc import Iterator

import tensorflow as tf
import tf_keras as keras

from wss.networks.layers import ConvBatchNorm
from wss.settings import ranges

_DECAY = 0.95
_WIDTHS = (64, 128, 256, 512)  # Of the bottlenecks of each block; a block gives four times that.


@dataclasses.dataclass(frozen=True)
class Variant:
    """What distinguishes one network of the family.

    Attributes:
        scope: Name before its variables in published checkpoints, or of the model in Keras.
        units: Bottleneck units of each block.
        beta: Whether the stem is three 3x3 convolutions in place of one 7x7, and images are scaled
            to [-1, 1] in place of `padding_value` being subtracted.
        multi_grid: Factors of the atrous rates in the last block, where none are given.
        padding_value: RGB that normalises to 0.
        keras_model: The model of `tf_keras.applications` whose weights fit, or None. It has the
            stride of a block in the 1x1 convolutions of the first unit, not in the 3x3 convolution
            of the last, and pads the same before the max pool whatever the size of the map.
        epsilon: Epsilon of the batch norms.
    """

    scope: str
    units: tuple[int, int, int, int]
    beta: bool = False
    multi_grid: tuple[int, int, int] = (1, 1, 1)
    padding_value: tuple[float, float, float] = (127.5, 127.5, 127.5)
    keras_model: str | None = None
    epsilon: float = 1e-5


_UNITS_50, _UNITS_101 = (3, 4, 6, 3), (3, 4, 23, 3)
_SLIM = {'padding_value': (123.15, 115.90, 103.06)}
_BETA = {'beta': True, 'multi_grid': (1, 2, 4)}
_KERAS = {'padding_value': (123.68, 116.779, 103.939), 'epsilon': 1.001e-5}

VARIANTS = {
    'resnet_v1_50': Variant('resnet_v1_50', _UNITS_50, **_SLIM),
    'resnet_v1_101': Variant('resnet_v1_101', _UNITS_101, **_SLIM),
    'resnet_v1_50_beta': Variant('resnet_v1_50', _UNITS_50, **_BETA),
    'resnet_v1_101_beta': Variant('resnet_v1_101', _UNITS_101, **_BETA),
    'resnet_v1_50_keras': Variant('resnet50', _UNITS_50, keras_model='ResNet50', **_KERAS),
    'resnet_v1_101_keras': Variant('resnet101', _UNITS_101, keras_model='ResNet101', **_KERAS),
}


@dataclasses.dataclass(frozen=True)
class _Unit:
    """One bottleneck unit.

    Attributes:
        block: Key of the block's output.
        scope: Name in published checkpoints.
        width: Channels of its first two convolutions; the third has four times as many.
        strides: Of its first (1x1) and its second (3x3) convolution.
        rate: Atrous rate of the second.
    """

    block: str
    scope: str
    width: int
    strides: tuple[int, int]
    rate: int

    @property
    def stride(self) -> int:
        """That of the whole unit, and so of its shortcut."""
        return self.strides[0] * self.strides[1]


def _units(counts, output_stride, multi_grid, stride_first) -> Iterator[_Unit]:
    """Yields the units; a stride that would exceed `output_stride` becomes an atrous rate.

    With `stride_first` the first convolution of a block's first unit has the stride, otherwise the
    second convolution of its last unit. The rate grows from the convolution after that one on.
    """
    stride, rate = 4, 1
    strided = {(block, 1) for block in (2, 3, 4)}
    if not stride_first:
        strided = {(block, counts[block - 1]) for block in (1, 2, 3)}
    for block, (width, count) in enumerate(zip(_WIDTHS, counts, strict=True), start=1):
        for i in range(1, count + 1):
            wanted = 2 if (block, i) in strided else 1
            grid = multi_grid[i - 1] if block == len(_WIDTHS) else 1
            taken, grown = (1, wanted) if stride == output_stride else (wanted, 1)
            rate_before, rate = rate, rate * grown
            yield _Unit(
                f'block{block}',
                f'block{block}/unit_{i}/bottleneck_v1',
                width,
                (taken, 1) if stride_first else (1, taken),
                (rate if stride_first else rate_before) * grid,
            )
            stride *= taken


class ResNetV1(keras.layers.Layer):
    """ResNet v1 with bottleneck units.

    Attributes:
        variant: The key of `VARIANTS`.
        padding_value: RGB of padding, in [0, 255]; normalises to 0.
        output_stride: Pixels between neighbouring features of the last block.
        blocks: Keys of the block outputs, first to last.
        scope: Name before the variables in published checkpoints.
        convolutions: Every convolution with its batch norm, by its name in those checkpoints.
        keras_model: The model of `tf_keras.applications` whose weights fit, or None.

    Args:
        variant: A key of `VARIANTS`; the networks of the paper are the `beta` ones. The `keras`
            ones start from weights of `tf_keras.applications` (see `keras_applications.py`).
        output_stride: 8 or 16.
        multi_grid: Three factors of the atrous rates in the last block; by default (1, 2, 4) for
            the `beta` variants and (1, 1, 1) for the others.

    Raises:
        ValueError: If the variant is unknown or another argument is out of range.
    """

    blocks = ('block1', 'block2', 'block3', 'block4')

    def __init__(
        self,
        variant: str = 'resnet_v1_50_beta',
        output_stride: int = 16,
        multi_grid: tuple[int, ...] | None = None,
    ):
        ranges.choice('ResNetV1.variant', variant, tuple(VARIANTS))
        ranges.choice('ResNetV1.output_stride', output_stride, (8, 16))
        if multi_grid is not None:
            ranges.several('ResNetV1.multi_grid', multi_grid, 3, ranges.whole, 1, 100)
        chosen = VARIANTS[variant]
        grid = tuple(multi_grid or chosen.multi_grid)
        super().__init__(name=chosen.scope, autocast=False)  # Pixels are scaled in float32.
        self.variant = variant
        self.scope = chosen.scope
        self.output_stride = output_stride
        self.beta = chosen.beta
        self.epsilon = chosen.epsilon
        self.padding_value = chosen.padding_value
        self.keras_model = chosen.keras_model
        self.units = tuple(_units(chosen.units, output_stride, grid, bool(chosen.keras_model)))
        self.stem = ('conv1_1', 'conv1_2', 'conv1_3') if chosen.beta else ('conv1',)
        self.convolutions = {}
        if chosen.beta:
            self._add('conv1_1', 64, 3, stride=2)
            self._add('conv1_2', 64, 3)
            self._add('conv1_3', 128, 3)
        else:
            self._add('conv1', 64, 7, stride=2)
        depth = 128 if chosen.beta else 64
        for unit in self.units:
            if depth != 4 * unit.width:
                depth = 4 * unit.width
                self._add(f'{unit.scope}/shortcut', depth, 1, stride=unit.stride, activate=False)
            first, second = unit.strides
            self._add(f'{unit.scope}/conv1', unit.width, 1, stride=first)
            self._add(f'{unit.scope}/conv2', unit.width, 3, stride=second, rate=unit.rate)
            self._add(f'{unit.scope}/conv3', depth, 1, activate=False)

    def _add(self, name, filters, kernel_size, **options):
        self.convolutions[name] = ConvBatchNorm(
            filters, kernel_size, epsilon=self.epsilon, decay=_DECAY, name=name, **options
        )

    def call(self, images, training=False):
        """Computes the feature maps.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].
            training: Whether batch norm uses the statistics of this batch.

        Returns:
            `block1` .. `block4` (256, 512, 1024 and 2048 channels) and `stride_4` (the decoder's
            low-level map, 256 channels), each float `[N, h, w, D]`.
        """
        maps = images * (2 / 255) - 1 if self.beta else images - tf.constant(self.padding_value)
        for name in self.stem:
            maps = self.convolutions[name](maps, training=training)
        if self.keras_model:  # After a ReLU a border of zeros is as good as one of -inf.
            maps = tf.pad(maps, [[0, 0], [1, 1], [1, 1], [0, 0]])
        maps = tf.nn.max_pool2d(maps, 3, 2, 'VALID' if self.keras_model else 'SAME')
        features = {}
        for unit in self.units:
            maps, residual = self._bottleneck(unit, maps, training)
            features[unit.block] = maps
            if unit.scope.startswith('block1/unit_2/'):
                features['stride_4'] = residual
        return features

    def _bottleneck(self, unit, maps, training):
        """Returns the unit's output and, before the sum, its residual."""

        def convolve(name, inputs):
            return self.convolutions[f'{unit.scope}/{name}'](inputs, training=training)

        residual = convolve('conv3', convolve('conv2', convolve('conv1', maps)))
        if f'{unit.scope}/shortcut' in self.convolutions:
            maps = convolve('shortcut', maps)
        elif unit.stride > 1:
            maps = maps[:, :: unit.stride, :: unit.stride]
        return tf.nn.relu(maps + residual), residual
