"""Convolutions as the DeepLab family builds them: explicit padding, then batch norm, then ReLU."""

import tensorflow as tf
import tf_keras as keras


class ConvBatchNorm(keras.layers.Layer):
    """Convolution without bias, batch norm and, if asked, ReLU.

    A strided convolution pads `(k - 1) // 2` rows before and the rest after, whatever the input
    size, and then runs unpadded, so that feature `i` always sits at pixel `i * stride`.

    Args:
        filters: Output channels; `None` makes the convolution depthwise.
        kernel_size: Side of the square kernel.
        stride: Stride in both directions.
        rate: Atrous rate; 1 where `stride` is above 1.
        activate: Whether a ReLU follows.
        epsilon: Epsilon of the batch norm.
        decay: Decay of the moving statistics of the batch norm.
        name: Name of the layer.
    """

    def __init__(
        self,
        filters: int | None,
        kernel_size: int = 3,
        stride: int = 1,
        rate: int = 1,
        activate: bool = True,
        epsilon: float = 1e-5,
        decay: float = 0.95,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if stride > 1 and rate > 1:
            raise ValueError(f'A convolution has a stride ({stride}) or a rate ({rate}), not both.')
        before = (kernel_size - 1) // 2
        self.padding = (before, kernel_size - 1 - before) if stride > 1 < kernel_size else None
        self.is_depthwise = filters is None
        options = {
            'strides': stride,
            'dilation_rate': rate,
            'padding': 'valid' if stride > 1 else 'same',
            'use_bias': False,
            'name': 'convolution',
        }
        if filters is None:
            self.convolution = keras.layers.DepthwiseConv2D(
                kernel_size, depthwise_initializer='he_normal', **options
            )
        else:
            self.convolution = keras.layers.Conv2D(
                filters, kernel_size, kernel_initializer='he_normal', **options
            )
        self.batch_norm = keras.layers.BatchNormalization(
            epsilon=epsilon, momentum=decay, name='batch_norm'
        )
        self.activate = activate

    @property
    def kernel(self) -> tf.Variable:
        """The kernel, `[k, k, D, filters]`, or `[k, k, D, 1]` if depthwise."""
        return self.convolution.depthwise_kernel if self.is_depthwise else self.convolution.kernel

    def call(self, maps, training=False):
        """Returns float `[N, ceil(H / stride), ceil(W / stride), filters]` for `[N, H, W, D]`."""
        if self.padding:
            maps = tf.pad(maps, [[0, 0], self.padding, self.padding, [0, 0]])
        maps = self.batch_norm(self.convolution(maps), training=training)
        return tf.nn.relu(maps) if self.activate else maps


class SeparableConvBatchNorm(keras.layers.Layer):
    """Depthwise and pointwise convolution, each with batch norm and ReLU (ASPP and decoder)."""

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        rate: int = 1,
        epsilon: float = 1e-5,
        decay: float = 0.9997,
        name: str | None = None,
    ):
        super().__init__(name=name)
        norm = {'epsilon': epsilon, 'decay': decay}
        self.depthwise = ConvBatchNorm(None, kernel_size, rate=rate, name='depthwise', **norm)
        self.pointwise = ConvBatchNorm(filters, 1, name='pointwise', **norm)

    def call(self, maps, training=False):
        """Returns float `[N, H, W, filters]` for `[N, H, W, D]`."""
        return self.pointwise(self.depthwise(maps, training=training), training=training)
