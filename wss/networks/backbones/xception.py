"""Xception (Chollet, CVPR 2017) as DeepLabv3+ aligned it for dense prediction."""

import dataclasses
from collections.abc import Iterator

import tensorflow as tf
import tf_keras as keras

from wss.networks.layers import ConvBatchNorm
from wss.settings import ranges

_EPSILON, _DECAY = 1e-3, 0.9997
MIDDLE_UNITS = {'xception_41': 8, 'xception_65': 16}


@dataclasses.dataclass(frozen=True)
class _Block:
    """Modules of one kind.

    Attributes:
        scope: Name in published checkpoints.
        widths: Channels of the three separable convolutions of a module.
        shortcut: `convolution`, `identity` or `none`.
        stride: Stride of the last separable convolution.
        units: How many modules.
    """

    scope: str
    widths: tuple[int, int, int]
    shortcut: str
    stride: int
    units: int = 1


def _blocks(middle_units) -> tuple[_Block, ...]:
    return (
        _Block('entry_flow/block1', (128, 128, 128), 'convolution', 2),
        _Block('entry_flow/block2', (256, 256, 256), 'convolution', 2),
        _Block('entry_flow/block3', (728, 728, 728), 'convolution', 2),
        _Block('middle_flow/block1', (728, 728, 728), 'identity', 1, middle_units),
        _Block('exit_flow/block1', (728, 1024, 1024), 'convolution', 2),
        _Block('exit_flow/block2', (1536, 1536, 2048), 'none', 1),
    )


@dataclasses.dataclass(frozen=True)
class _Module:
    """One module: three separable convolutions and a shortcut."""

    block: str
    scope: str
    widths: tuple[int, int, int]
    shortcut: str
    stride: int
    rates: tuple[int, int, int]


def _modules(blocks, output_stride, multi_grid) -> Iterator[_Module]:
    """Yields the modules; a stride that would exceed `output_stride` becomes an atrous rate."""
    stride, rate = 2, 1
    for block in blocks:
        grid = multi_grid if block.scope == 'exit_flow/block2' else (1, 1, 1)
        for i in range(1, block.units + 1):
            dense = stride == output_stride
            yield _Module(
                block.scope,
                f'{block.scope}/unit_{i}/xception_module',
                block.widths,
                block.shortcut,
                1 if dense else block.stride,
                tuple(rate * factor for factor in grid),
            )
            if dense:
                rate *= block.stride
            else:
                stride *= block.stride


class Xception(keras.layers.Layer):
    """Aligned Xception: every convolution has batch norm, also between depthwise and pointwise.

    The ReLU stands before each separable convolution, except in the last module, where it follows
    depthwise and pointwise.

    Attributes:
        padding_value: RGB of padding, in [0, 255]; normalises to 0.
        output_stride: Pixels between neighbouring features of the last block.
        blocks: Keys of the block outputs, first to last.
        scope: Name before the variables in published checkpoints.
        convolutions: Every convolution with its batch norm, by its name in those checkpoints.

    Args:
        variant: `xception_65`, the network of the paper, or `xception_41`.
        output_stride: 8 or 16.
        multi_grid: Three factors of the atrous rates in the last module.

    Raises:
        ValueError: If an argument is out of range.
    """

    padding_value = (127.5, 127.5, 127.5)

    def __init__(
        self,
        variant: str = 'xception_65',
        output_stride: int = 16,
        multi_grid: tuple[int, ...] | None = None,
    ):
        ranges.choice('Xception.variant', variant, tuple(MIDDLE_UNITS))
        ranges.choice('Xception.output_stride', output_stride, (8, 16))
        if multi_grid is not None:
            ranges.several('Xception.multi_grid', multi_grid, 3, ranges.whole, 1, 100)
        grid = tuple(multi_grid or (1, 1, 1))
        super().__init__(name=variant, autocast=False)  # Pixels are scaled in float32.
        self.scope = variant
        self.output_stride = output_stride
        blocks = _blocks(MIDDLE_UNITS[variant])
        self.blocks = tuple(block.scope for block in blocks)
        self.modules = tuple(_modules(blocks, output_stride, grid))
        self.convolutions = {}
        self._add('entry_flow/conv1_1', 32, 3, stride=2)
        self._add('entry_flow/conv1_2', 64, 3)
        for module in self.modules:
            if module.shortcut == 'convolution':
                width, stride = module.widths[-1], module.stride
                self._add(f'{module.scope}/shortcut', width, 1, stride=stride, activate=False)
            activate = module.shortcut == 'none'
            strides = (1, 1, module.stride)
            for i, (width, stride, rate) in enumerate(
                zip(module.widths, strides, module.rates, strict=True), start=1
            ):
                name = f'{module.scope}/separable_conv{i}'
                self._add(f'{name}_depthwise', None, 3, stride=stride, rate=rate, activate=activate)
                self._add(f'{name}_pointwise', width, 1, activate=activate)

    def _add(self, name, filters, kernel_size, **options):
        self.convolutions[name] = ConvBatchNorm(
            filters, kernel_size, epsilon=_EPSILON, decay=_DECAY, name=name, **options
        )

    def call(self, images, training=False):
        """Computes the feature maps.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].
            training: Whether batch norm uses the statistics of this batch.

        Returns:
            The output of each of `blocks` (`exit_flow/block1` has 1024 channels, the last 2048) and
            `stride_4` (the decoder's low-level map, 256 channels), each float `[N, h, w, D]`.
        """
        maps = images * (2 / 255) - 1
        for name in ('entry_flow/conv1_1', 'entry_flow/conv1_2'):
            maps = self.convolutions[name](maps, training=training)
        features = {}
        for module in self.modules:
            maps, second = self._module(module, maps, training)
            features[module.block] = maps
            if module.block == 'entry_flow/block2':
                features['stride_4'] = second
        return features

    def _module(self, module, maps, training):
        """Returns the module's output and that of its second separable convolution."""

        def convolve(name, inputs):
            return self.convolutions[f'{module.scope}/{name}'](inputs, training=training)

        outputs = [maps]
        for i in (1, 2, 3):
            inputs = outputs[-1] if module.shortcut == 'none' else tf.nn.relu(outputs[-1])
            inputs = convolve(f'separable_conv{i}_depthwise', inputs)
            outputs.append(convolve(f'separable_conv{i}_pointwise', inputs))
        residual = outputs[3]
        if module.shortcut == 'convolution':
            residual = residual + convolve('shortcut', maps)
        elif module.shortcut == 'identity':
            residual = residual + maps
        return residual, outputs[2]
