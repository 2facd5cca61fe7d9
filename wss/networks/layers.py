"""Convolutions as the DeepLab family builds them: explicit padding, then batch norm, then ReLU."""

import contextlib
import contextvars
from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from wss.networks import batch_norm


def taps_in_reach(kernel: tf.Tensor, rate: int, size) -> tf.Tensor:
    """Leaves out the taps of an atrous kernel that see nothing but padding on a small map.

    The tap in row `i` reads `(i - k // 2) * rate` rows away. On a map of that many rows or fewer,
    this is outside of the map wherever the kernel stands.

    Args:
        kernel: `[k, k, ...]`, `k` odd.
        rate: Atrous rate; the stride is 1 and the padding 0 all around ("same").
        size: `(H, W)` of the map, integers, or None where one is not known.

    Returns:
        `[k', k'', ...]`, odd, with the same centre; the result is the same.
    """
    for axis, side in enumerate(size):
        half = kernel.shape[axis] // 2
        kept = half if side is None else min(half, (side - 1) // rate)
        if kept < half:
            rows = slice(half - kept, half + kept + 1)
            kernel = kernel[rows] if axis == 0 else kernel[:, rows]
    return kernel


_plain = contextvars.ContextVar('plain', default=False)


@contextlib.contextmanager
def plain_convolutions():
    """Inside a `with`, graphs have 1x1 convolutions as such, and no matrix products for them.

    Converters to other runtimes quantise a convolution by channel, a matrix product as a whole.
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


class _Convolution(keras.layers.Conv2D):
    """Convolution without the work that has no effect on its result."""

    def convolution_op(self, inputs, kernel):
        if self.strides == (1, 1) and self.dilation_rate != (1, 1):
            kernel = taps_in_reach(kernel, self.dilation_rate[0], inputs.shape[1:3])
        if kernel.shape[:2] != (1, 1) or _plain.get():
            return super().convolution_op(inputs, kernel)
        # On a CPU a matrix product is faster than a 1x1 convolution, above all backwards.
        stride = self.strides[0]
        maps = inputs[:, ::stride, ::stride] if stride > 1 else inputs
        kernel = tf.reshape(kernel, kernel.shape[2:])
        pixels = tf.matmul(tf.reshape(maps, [-1, maps.shape[-1]]), kernel)
        return tf.reshape(pixels, [*_shape(maps)[:3], kernel.shape[1]])


class _DepthwiseConvolution(keras.layers.DepthwiseConv2D):
    """Depthwise convolution without the work that has no effect on its result."""

    def call(self, inputs):
        kernel = tf.convert_to_tensor(self.depthwise_kernel)
        if self.strides == (1, 1) and self.dilation_rate != (1, 1):
            kernel = taps_in_reach(kernel, self.dilation_rate[0], inputs.shape[1:3])
        if kernel.shape[:2] == (1, 1):
            return inputs * tf.reshape(kernel, [-1])
        return tf.nn.depthwise_conv2d(
            inputs,
            kernel,
            [1, *self.strides, 1],
            self.padding.upper(),
            dilations=self.dilation_rate,
        )


def _shape(maps):
    """The shape, integers where it is known."""
    known, dynamic = maps.shape.as_list(), tf.shape(maps)
    return [dynamic[i] if side is None else side for i, side in enumerate(known)]


class ConvBatchNorm(keras.layers.Layer):
    """Convolution without bias, batch norm and, if asked, ReLU.

    By default a strided convolution pads `(k - 1) // 2` rows before and the rest after, whatever
    the input size, and then runs unpadded, so that feature `i` always sits at pixel `i * stride`.

    Args:
        filters: Output channels; `None` makes the convolution depthwise.
        kernel_size: Side of the square kernel.
        stride: Stride in both directions.
        rate: Atrous rate; 1 where `stride` is above 1.
        activate: Whether `activation` follows.
        epsilon: Epsilon of the batch norm.
        decay: Decay of the moving statistics of the batch norm in the long run (see `BatchNorm`).
        activation: ReLU, or another function of a tensor.
        all_replicas: Whether batch norm takes its statistics over the batches of all replicas,
            whatever `Compute.synchronise_batch_norm` is; for maps of one value an image.
        explicit_padding: Whether a strided convolution pads as described above. TensorFlow's 'SAME'
            pads a map of even size only after its last row.
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
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu,
        explicit_padding: bool = True,
        all_replicas: bool = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if stride > 1 and rate > 1:
            raise ValueError(f'A convolution has a stride ({stride}) or a rate ({rate}), not both.')
        before = (kernel_size - 1) // 2
        explicit = explicit_padding and stride > 1
        self.padding = (before, kernel_size - 1 - before) if explicit and kernel_size > 1 else None
        self.is_depthwise = filters is None
        options = {
            'strides': stride,
            'dilation_rate': rate,
            'padding': 'valid' if explicit else 'same',
            'use_bias': False,
            'name': 'convolution',
        }
        if filters is None:
            self.convolution = _DepthwiseConvolution(
                kernel_size, depthwise_initializer='he_normal', **options
            )
        else:
            self.convolution = _Convolution(
                filters, kernel_size, kernel_initializer='he_normal', **options
            )
        self.batch_norm = batch_norm.BatchNorm(epsilon=epsilon, momentum=decay, name='batch_norm')
        if all_replicas and tf.distribute.get_strategy().num_replicas_in_sync > 1:
            batch_norm.over_replicas(self.batch_norm)
        self.activate = activate
        self.activation = activation

    @property
    def kernel(self) -> tf.Variable:
        """The kernel, `[k, k, D, filters]`, or `[k, k, D, 1]` if depthwise."""
        return self.convolution.depthwise_kernel if self.is_depthwise else self.convolution.kernel

    def call(self, maps, training=False):
        """Returns float `[N, ceil(H / stride), ceil(W / stride), filters]` for `[N, H, W, D]`."""
        if self.padding:
            maps = tf.pad(maps, [[0, 0], self.padding, self.padding, [0, 0]])
        maps = self.batch_norm(self.convolution(maps), training=training)
        return self.activation(maps) if self.activate else maps


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


class Dropout(keras.layers.Layer):
    """Dropout whose masks follow from a seed and the number of calls, which checkpoints keep.

    A resumed run therefore has the masks that it would have had. Each replica has masks of its own.
    The seed comes from TensorFlow's global seed when the layer is built.

    Args:
        rate: Share of the values that are set to 0, in [0, 1); others are divided by `1 - rate`.
        whole_channels: Whether all values of a channel of an image share their fate.
        **options: Those of all Keras layers.
    """

    def __init__(self, rate: float, whole_channels: bool = False, **options):
        super().__init__(**options)
        self.rate = rate
        self.whole_channels = whole_channels

    def build(self, shape):
        """Creates `state`: int64 seed and number of calls.

        GPUs hold no int32 variables, and XLA cannot reach those that the CPU holds for them.
        """
        del shape
        if self.rate:
            self.state = self.add_weight(
                'state',
                (2,),
                tf.int64,
                lambda shape, dtype: tf.cast(
                    [tf.random.uniform([], 0, 2**31 - 1, tf.int32), 0], dtype
                ),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )

    def call(self, values, training=False):
        """Returns float of the shape and type of `values`."""
        if not training or not self.rate:
            return values
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.random.experimental.stateless_fold_in(self.state, replica)
        self.state.assign_add([0, 1])
        # In float32 whatever the type of the values: bfloat16 has too few steps for the rate.
        shape = tf.shape(values)
        if self.whole_channels:
            shape = tf.concat([shape[:1], tf.ones_like(shape[1:-1]), shape[-1:]], 0)
        kept = tf.random.stateless_uniform(shape, seed) >= self.rate
        return tf.where(kept, values / (1 - self.rate), tf.zeros([], values.dtype))
