"""FixMatch for the pixels of an image (Sohn et al., NeurIPS 2020), as UniMatch takes it."""

from wss.methods import consistency, losses, weak_label
from wss.methods.method import Method
from wss.networks import resize
from wss.results import metrics
from wss.settings import ranges
from wss.views import mixing


class FixMatch(Method):
    """The strong view learns the class of the weak view where that is probable enough.

    `(L_supervised + CE(strong, y | max p >= threshold)) / 2`, with the probabilities `p` of the
    weak view and `y` their argmax. The form for segmentation is that of Yang et al. (UniMatch, CVPR
    2023, section 3.1). The weak view runs in training mode. In the program of UniMatch the image
    that CutMix pastes is labelled in inference mode; here both labels come from the one pass.

    Args:
        network: See `Method`.
        info: See `Method`.
        threshold: Least probability of a label that counts, 0 to 1.
        consistency_weight: Factor of the consistency loss, 0 to 1000.
        consistency_warm_up: Steps in which that factor rises linearly from 0; 0 for none, as in the
            paper.

    Raises:
        ValueError: If an option is outside its range.

    Example:
        >>> from wss.datasets.shapes import Shapes
        >>> from wss.methods.fixmatch import FixMatch
        >>> from wss.networks.backbones.small import SmallResNet
        >>> from wss.networks.deeplab import DeepLabV3Plus
        >>> method = FixMatch(DeepLabV3Plus(7, 6, SmallResNet), Shapes().info)
        >>> image, valid = tf.zeros([1, 33, 33, 3]), tf.ones([1, 33, 33])
        >>> labelled = {'image': image, 'label': tf.zeros([1, 33, 33], tf.int32)}
        >>> unlabelled = {'weak': image, 'strong': image, 'valid': valid}
        >>> sorted(method.compute_losses(labelled, unlabelled))
        ['consistency', 'supervised']
    """

    needs_unlabelled = True
    mixes = True

    def __init__(
        self,
        network,
        info,
        threshold: float = 0.95,
        consistency_weight: float = 1.0,
        consistency_warm_up: int = 0,
    ):
        super().__init__(network, info)
        ranges.share('FixMatch.threshold', threshold)
        self.threshold = threshold
        consistency.set_options(self, consistency_weight, consistency_warm_up)
        self.quality['decoder'] = metrics.PseudoLabelQuality(
            info.num_classes, info.ignore_value, threshold, 'decoder'
        )

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`; returns `supervised` and `consistency`."""
        size = resize.spatial_size(labelled['image'])

        # Weak view: the label, without gradient.
        weak_logits = self._logits(unlabelled['weak'], size)  # [M, h, w, C]
        label, confidence = weak_label.hard_label(weak_logits)  # [M, h, w]
        valid = resize.nearest(unlabelled['valid'], resize.spatial_size(weak_logits))
        weak_label.measure(self.quality['decoder'], unlabelled, weak_logits, valid)

        # Strong view: with CutMix, image and label show boxes of other images.
        strong, label, confidence, valid = mixing.mix_all(
            (unlabelled['strong'], label, confidence, valid), unlabelled.get('box'), size
        )
        confident = weak_label.at_least(confidence, self.threshold)
        strong_logits = self._logits(strong, size)

        logits = self._logits(labelled['image'], size)
        loss = losses.hard_consistency(strong_logits, label, valid, confident)
        return {
            'supervised': self.supervised(logits, labelled['label']) / 2,
            'consistency': consistency.factor(self) * loss / 2,
        }

    def _logits(self, images, size):
        features = self.network.features(images, training=True)
        return self.network.decode(features, size, training=True)

    def pictures(self, labelled, unlabelled):
        """See `Method.pictures`; shows unlabelled images and their labels."""
        del labelled
        return weak_label.pictures(self, unlabelled)
