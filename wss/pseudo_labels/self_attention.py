"""Self-attention Grad-CAM, SGC (Zou et al., 2021, section 3)."""

import tensorflow as tf
import tf_keras as keras

from wss.networks import resize
from wss.pseudo_labels.grad_cam import add_background
from wss.settings import ranges

_STARTS = {'glorot': 'glorot_uniform', 'identity': 'identity'}
STARTS = tuple(_STARTS)
VARIANTS = (1, 2)
MOST_WIDTH = 4096


def hypercolumn(features: dict[str, tf.Tensor], blocks, size) -> tf.Tensor:
    """Joins block outputs, resized to `size`; last block first, no gradient.

    Args:
        features: Maps float `[N, h', w', D]` by block, of any sizes and channels.
        blocks: Keys of the maps to join, first to last.
        size: Height and width `(h, w)` of the result.

    Returns:
        float32 `[N, h, w, sum of channels]`.

    Example:
        >>> from wss.pseudo_labels.self_attention import hypercolumn
        >>> features = {'block_3': tf.ones([1, 5, 5, 8]), 'block_4': tf.zeros([1, 3, 3, 4])}
        >>> hypercolumn(features, ('block_3', 'block_4'), (3, 3)).shape.as_list()
        [1, 3, 3, 12]
    """
    maps = [resize.bilinear(features[block], size) for block in reversed(tuple(blocks))]
    return tf.stop_gradient(tf.cast(tf.concat(maps, axis=-1), tf.float32))


def attention_weights(query: tf.Tensor, key: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Scaled dot-product attention between pixels: `softmax(q k^T / sqrt(d))`.

    Args:
        query: float32 `[N, P, d]` for `P` pixels.
        key: float32 `[N, P, d]`.
        valid: float32 `[N, P]`, 1 inside the image, 0 on padding. Pairs in which either pixel is
            padding get -1e9 before the softmax.

    Returns:
        float32 `[N, P, P]`; each row sums to 1.

    Example:
        >>> from wss.pseudo_labels.self_attention import attention_weights
        >>> same = tf.zeros([1, 3, 4])  # Three pixels, all alike; the last is padding.
        >>> attention_weights(same, same, tf.constant([[1.0, 1.0, 0.0]]))[0, 0].numpy().tolist()
        [0.5, 0.5, 0.0]
    """
    scores = tf.matmul(query, key, transpose_b=True) / tf.sqrt(float(query.shape[-1]))
    both = valid[:, :, tf.newaxis] * valid[:, tf.newaxis, :]
    return tf.nn.softmax(scores + (1.0 - both) * -1e9, axis=-1)


class SelfAttentionGradCAM(keras.layers.Layer):
    """Spreads an activation map over similar pixels and turns it into logits.

    `S = attention . CAM + CAM`, a background channel `2 - max_c S` (where the dataset has one),
    then a 1x1 convolution to `C` channels with batch norm (centred, not scaled). Only the query,
    key and last convolution have weights, and only they receive a gradient.

    Args:
        num_classes: `C`.
        has_background: Whether a background channel is derived; without one the map must have
            `C` channels.
        width: Channels of query and key.
        variant: 2 as above; 1, the older form: no skip connection, background `1 - max_c S`, and a
            bias in place of the batch norm.
        start: Initial kernel of the last convolution: `glorot`, as in the authors' program, or
            `identity`, with which a class of the map votes for itself from the first step. A short
            run on few masks cannot learn that for rare classes.
        decay: Decay of the moving statistics of the batch norm; only pictures use these.
        attends: Whether there is attention; without it `S = CAM`, and the background is
            `1 - max_c S` (an ablation). Only the last convolution and its batch norm have weights.

    Raises:
        ValueError: If an argument is outside its range.

    Example:
        >>> from wss.pseudo_labels.self_attention import SelfAttentionGradCAM
        >>> sgc = SelfAttentionGradCAM(num_classes=3, width=8)
        >>> sgc(tf.ones([1, 5, 5, 2]), tf.ones([1, 5, 5, 16]), tf.ones([1, 5, 5])).shape.as_list()
        [1, 5, 5, 3]
    """

    def __init__(
        self,
        num_classes: int,
        has_background: bool = True,
        width: int = 128,
        variant: int = 2,
        start: str = 'glorot',
        decay: float = 0.999,
        attends: bool = True,
    ):
        # Always in float32, since scores and logits decide, whatever the precision of the network.
        super().__init__(name='sgc', dtype='float32')
        ranges.choice('SelfAttentionGradCAM.variant', variant, VARIANTS)
        ranges.whole('SelfAttentionGradCAM.width', width, 1, MOST_WIDTH)
        ranges.choice('SelfAttentionGradCAM.start', start, STARTS)
        ranges.share('SelfAttentionGradCAM.decay', decay)
        self.has_background = has_background
        self.skip = variant == 2
        self.attends = attends
        if attends:
            self.query = keras.layers.Dense(width, use_bias=False, dtype='float32', name='query')
            self.key = keras.layers.Dense(width, use_bias=False, dtype='float32', name='key')
        self.output_convolution = keras.layers.Dense(
            num_classes,
            use_bias=variant == 1,
            kernel_initializer=_STARTS[start],
            dtype='float32',
            name='pixel_normalisation',
        )
        self.batch_norm = None
        if variant == 2:
            self.batch_norm = keras.layers.BatchNormalization(
                epsilon=1e-3, momentum=decay, scale=False, dtype='float32', name='batch_norm'
            )

    def call(self, cam, hypercolumn, valid, training=False):
        """Computes the SGC logits.

        Args:
            cam: float32 `[N, h, w, K]` in [0, 1].
            hypercolumn: float32 `[N, h, w, D]`.
            valid: float32 `[N, h, w]`, 1 inside the image, 0 on padding.
            training: Whether batch norm uses the statistics of this batch.

        Returns:
            float32 `[N, h, w, C]`.
        """
        cam = tf.stop_gradient(cam)
        scores = self._spread(cam, hypercolumn, valid) if self.attends else cam
        if self.has_background:
            scores = add_background(scores, 2.0 if self.skip and self.attends else 1.0)
        logits = self.output_convolution(scores)
        return logits if self.batch_norm is None else self.batch_norm(logits, training=training)

    def _spread(self, cam, hypercolumn, valid):
        """Returns `attention . CAM`, plus CAM in variant 2: float32 `[N, h, w, K]`."""
        size = resize.spatial_size(cam)
        pixels = size[0] * size[1]
        columns = tf.reshape(hypercolumn, [-1, pixels, hypercolumn.shape[-1]])
        attention = attention_weights(
            self.query(columns), self.key(columns), tf.reshape(valid, [-1, pixels])
        )
        spread = tf.matmul(attention, tf.reshape(cam, [-1, pixels, cam.shape[-1]]))
        scores = tf.reshape(spread, tf.shape(cam))
        return scores + cam if self.skip else scores
