"""DeepLabv3+ (Chen et al., ECCV 2018) with PseudoSeg's image-level classifier."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from wss.networks import resize
from wss.networks.layers import ConvBatchNorm, Dropout, SeparableConvBatchNorm
from wss.networks.network import Network
from wss.settings import ranges

MOST_FILTERS = 4096
_ASPP_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}


def _last_layer_initialiser():
    return keras.initializers.TruncatedNormal(stddev=0.01)


class ASPP(keras.layers.Layer):
    """Atrous spatial pyramid pooling: image pooling, 1x1, three atrous separable convolutions."""

    def __init__(self, filters, rates, dropout, decay, name='aspp'):
        super().__init__(name=name)
        # It sees one value an image: the images of one replica may be too few for a variance.
        self.image_pooling = ConvBatchNorm(
            filters, 1, decay=decay, all_replicas=True, name='image_pooling'
        )
        self.pointwise = ConvBatchNorm(filters, 1, decay=decay, name='aspp0')
        self.atrous = [
            SeparableConvBatchNorm(filters, rate=rate, decay=decay, name=f'aspp{i + 1}')
            for i, rate in enumerate(rates)
        ]
        self.projection = ConvBatchNorm(filters, 1, decay=decay, name='concat_projection')
        self.dropout = Dropout(dropout)

    def call(self, maps, training=False):
        """Returns float `[N, h, w, filters]` for float `[N, h, w, D]`."""
        pooled = tf.reduce_mean(maps, axis=[1, 2], keepdims=True)
        pooled = self.image_pooling(pooled, training=training)
        branches = [
            resize.bilinear(pooled, resize.spatial_size(maps)),
            self.pointwise(maps, training=training),
            *(layer(maps, training=training) for layer in self.atrous),
        ]
        merged = self.projection(tf.concat(branches, axis=-1), training=training)
        return self.dropout(merged, training=training)


class DeepLabV3Plus(Network):
    """Segmentation logits at stride 4 and image-level logits over one shared backbone.

    In mixed precision the last layers compute in float32, and so do batch-norm statistics.

    Args:
        num_classes: `C`, the classes of a label map.
        num_image_classes: `K`, the classes of an image-level label (`C - 1` with a background).
        make_backbone: Makes the backbone (`network.check_backbone`, `docs/extending.md`). It must
            have a map `stride_4`.
        aspp_filters: Channels of each ASPP branch and of its projection.
        decoder_filters: Channels of the two separable convolutions of the decoder.
        low_level_filters: Channels to which the low-level map is reduced.
        aspp_rates: Three atrous rates, 1 to 1000; by default 6, 12, 18 at output stride 16, twice
            that at 8.
        aspp_dropout: Dropout rate after the ASPP projection, 0 to 0.999.
        classifier_dropout: Dropout rate before the classifier, 0 to 0.999.
        batch_norm_decay: Decay of the moving statistics in ASPP and decoder, in 0..1; at first it
            is lower (`Update.statistics_warm_up`).

    Raises:
        ValueError: If a number of filters, a rate, a dropout rate or the decay is out of range, or
            the backbone does not fit.

    Example:
        >>> from wss.networks.backbones.small import SmallResNet
        >>> from wss.networks.deeplab import DeepLabV3Plus
        >>> network = DeepLabV3Plus(3, 2, SmallResNet, aspp_filters=16, decoder_filters=16)
        >>> logits, image_logits = network(tf.zeros([1, 65, 65, 3]))
        >>> tuple(logits.shape), tuple(image_logits.shape)
        ((1, 17, 17, 3), (1, 2))
    """

    needed_maps = ('stride_4',)

    def __init__(
        self,
        num_classes: int,
        num_image_classes: int,
        make_backbone: Callable[[], keras.layers.Layer],
        aspp_filters: int = 256,
        decoder_filters: int = 256,
        low_level_filters: int = 48,
        aspp_rates: tuple[int, ...] | None = None,
        aspp_dropout: float = 0.1,
        classifier_dropout: float = 0.0,
        batch_norm_decay: float = 0.9997,
    ):
        filters = {
            'aspp_filters': aspp_filters,
            'decoder_filters': decoder_filters,
            'low_level_filters': low_level_filters,
        }
        for setting, value in filters.items():
            ranges.whole(f'DeepLabV3Plus.{setting}', value, 1, MOST_FILTERS)
        if aspp_rates is not None:
            ranges.several('DeepLabV3Plus.aspp_rates', aspp_rates, 3, ranges.whole, 1, 1000)
        ranges.number('DeepLabV3Plus.aspp_dropout', aspp_dropout, 0, 0.999)
        ranges.number('DeepLabV3Plus.classifier_dropout', classifier_dropout, 0, 0.999)
        ranges.share('DeepLabV3Plus.batch_norm_decay', batch_norm_decay)
        super().__init__(num_classes, num_image_classes, make_backbone, name='deeplab')
        decay = batch_norm_decay
        stride = self.backbone.output_stride
        rates = aspp_rates or _ASPP_RATES.get(stride)
        if rates is None:
            raise ValueError(
                f'DeepLabV3Plus has no atrous rates for output stride {stride} of its backbone; '
                'set DeepLabV3Plus.aspp_rates.'
            )
        self.aspp = ASPP(aspp_filters, rates, aspp_dropout, decay)
        self.low_level = ConvBatchNorm(low_level_filters, 1, decay=decay, name='low_level')
        self.decoder = [
            SeparableConvBatchNorm(decoder_filters, decay=decay, name=f'decoder_conv{i}')
            for i in range(2)
        ]
        self.logits = keras.layers.Conv2D(
            num_classes,
            1,
            kernel_initializer=_last_layer_initialiser(),
            dtype='float32',
            name='logits',
        )
        self.classifier_dropout = Dropout(classifier_dropout)
        self.classifier = keras.layers.Dense(
            num_image_classes,
            kernel_initializer=_last_layer_initialiser(),
            dtype='float32',
            name='classifier',
        )

    def decode(self, features, size, training=False) -> tf.Tensor:
        """Computes the segmentation logits.

        Args:
            features: What `features` returned.
            size: `(H, W)` of the images.
            training: Whether batch norm and dropout are in training mode.

        Returns:
            float32 `[N, (H - 1) // 4 + 1, (W - 1) // 4 + 1, C]`.
        """
        stride_4 = [(side - 1) // 4 + 1 for side in (size[0], size[1])]
        high = self.aspp(features[self.last_block], training=training)
        low = self.low_level(features['stride_4'], training=training)
        maps = tf.concat([resize.bilinear(high, stride_4), resize.bilinear(low, stride_4)], axis=-1)
        for layer in self.decoder:
            maps = layer(maps, training=training)
        return self.logits(maps)

    def classify(self, features, training=False) -> tf.Tensor:
        """Computes image-level logits, float32 `[N, K]`: global average pool, dropout, linear."""
        last = tf.cast(features[self.last_block], tf.float32)
        pooled = tf.reduce_mean(last, axis=[1, 2])
        return self.classifier(self.classifier_dropout(pooled, training=training))
