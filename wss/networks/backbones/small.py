"""A residual backbone small enough to train from scratch on a CPU."""

import tensorflow as tf
import tf_keras as keras

from wss.networks.layers import ConvBatchNorm
from wss.settings import ranges


class ResidualUnit(keras.layers.Layer):
    """Two 3x3 convolutions and a shortcut (projected where shape changes), ReLU after the sum.

    Args:
        filters: Output channels.
        stride: Stride of the first convolution and of the shortcut.
        rate: Atrous rate of the convolutions that have no stride.
        project: Whether the shortcut is a 1x1 convolution; needed where stride or channels change.
        decay: Decay of the moving statistics of the batch norms.
        name: Name of the layer.
    """

    def __init__(self, filters, stride, rate, project, decay, name):
        super().__init__(name=name)
        self.first = ConvBatchNorm(
            filters, stride=stride, rate=1 if stride > 1 else rate, decay=decay, name='first'
        )
        self.second = ConvBatchNorm(filters, rate=rate, activate=False, decay=decay, name='second')
        self.shortcut = None
        if project:
            self.shortcut = ConvBatchNorm(
                filters, 1, stride=stride, activate=False, decay=decay, name='shortcut'
            )

    def call(self, maps, training=False):
        """Returns float `[N, ceil(H / stride), ceil(W / stride), filters]` for `[N, H, W, D]`."""
        residual = self.second(self.first(maps, training=training), training=training)
        if self.shortcut is not None:
            maps = self.shortcut(maps, training=training)
        return tf.nn.relu(maps + residual)


class SmallResNet(keras.layers.Layer):
    """Residual network of four blocks, for images of about 100 pixels and up.

    `network.check_backbone` says what a backbone is.

    Attributes:
        padding_value: RGB of padding, in [0, 255]; normalises to 0.
        output_stride: Pixels between neighbouring features of the last block.
        blocks: Keys of the block outputs, first to last.

    Args:
        filters: Channels of the four blocks; multiples of 16 run fastest on a CPU.
        units: Residual units of each block.
        output_stride: 8 or 16.
        batch_norm_decay: Decay of the moving statistics, in 0..1.
        name: Name of the layer.

    Raises:
        ValueError: If `output_stride` is neither 8 nor 16, there are not four blocks, or a number
            is out of range.

    Example:
        >>> from wss.networks.backbones.small import SmallResNet
        >>> features = SmallResNet(filters=(16, 16, 32, 32))(tf.zeros([1, 65, 65, 3]))
        >>> [tuple(features[name].shape[1:]) for name in ('stride_4', 'block_4')]
        [(17, 17, 16), (9, 9, 32)]
    """

    padding_value = (127.5, 127.5, 127.5)
    blocks = ('block_1', 'block_2', 'block_3', 'block_4')

    def __init__(
        self,
        filters: tuple[int, ...] = (32, 64, 96, 96),
        units: tuple[int, ...] = (1, 1, 1, 1),
        output_stride: int = 8,
        batch_norm_decay: float = 0.95,
        name: str = 'small_resnet',
    ):
        ranges.text('SmallResNet.name', name)
        super().__init__(name=name, autocast=False)  # Pixels are scaled in float32.
        ranges.choice('SmallResNet.output_stride', output_stride, (8, 16))
        ranges.several('SmallResNet.filters', filters, 4, ranges.whole, 1, 4096)
        ranges.several('SmallResNet.units', units, 4, ranges.whole, 1, 100)
        ranges.share('SmallResNet.batch_norm_decay', batch_norm_decay)
        self.output_stride = output_stride
        self.stem = ConvBatchNorm(filters[0], stride=2, decay=batch_norm_decay, name='stem')
        self.units = []
        channels, stride = filters[0], 2
        for block, width, count in zip(self.blocks, filters, units, strict=True):
            step = 2 if stride < output_stride else 1
            # Where the stride stops growing the atrous rate grows instead (DeepLab, section 3).
            rate = 2 if step == 1 and block == 'block_4' else 1
            stride *= step
            layers = []
            for i in range(count):
                first = i == 0
                layers.append(
                    ResidualUnit(
                        width,
                        step if first else 1,
                        rate,
                        first and (step > 1 or channels != width),
                        batch_norm_decay,
                        name=f'{block}_unit_{i + 1}',
                    )
                )
            channels = width
            self.units.append(layers)

    def call(self, images, training=False):
        """Computes the feature maps.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].
            training: Whether batch norm uses the statistics of this batch.

        Returns:
            `block_1` .. `block_4` and `stride_4` (the decoder's low-level map), each float32
            `[N, (H - 1) // s + 1, (W - 1) // s + 1, D]` at its stride `s`.
        """
        maps = self.stem(images * (2 / 255) - 1, training=training)
        features = {}
        for block, layers in zip(self.blocks, self.units, strict=True):
            for layer in layers:
                maps = layer(maps, training=training)
            features[block] = maps
        features['stride_4'] = features['block_1']
        return features
