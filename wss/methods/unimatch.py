"""UniMatch (Yang et al., CVPR 2023): two strong views and perturbed features."""

import tensorflow as tf

from wss.methods import consistency, losses, weak_label
from wss.methods.method import Method
from wss.networks import resize
from wss.networks.layers import Dropout
from wss.results import metrics
from wss.settings import ranges
from wss.views import mixing


class UniMatch(Method):
    """Two strong views and a weak view with fewer features learn the label of the weak view.

    `(L_supervised + (CE(strong) + CE(strong_2)) / 4 + CE(perturbed) / 2) / 2`, each against the
    argmax `y` of the weak view where its probability reaches the threshold (section 3.4). In the
    perturbed view whole channels of the weak view's features are dropped before the decoder.
    The weak view runs in training mode. In the program of UniMatch the image that CutMix pastes is
    labelled in inference mode, and the perturbed features are decoded in one batch with the others;
    here labels come from the one pass, and the perturbed features are a batch of their own.

    Args:
        network: See `Method`.
        info: See `Method`.
        threshold: Least probability of a label that counts, 0 to 1 (the paper: 0.95, and 0 on
            Cityscapes).
        dropout: Probability that a channel is dropped, 0 to 0.999.
        consistency_weight: Factor of the three losses against labels of the weak view, 0 to 1000.
        consistency_warm_up: Steps in which that factor rises linearly from 0; 0 for none, as in the
            paper.

    Raises:
        ValueError: If an option is outside its range.

    Example:
        >>> from wss.datasets.shapes import Shapes
        >>> from wss.methods.unimatch import UniMatch
        >>> from wss.networks.backbones.small import SmallResNet
        >>> from wss.networks.deeplab import DeepLabV3Plus
        >>> method = UniMatch(DeepLabV3Plus(7, 6, SmallResNet), Shapes().info)
        >>> image, valid = tf.zeros([1, 33, 33, 3]), tf.ones([1, 33, 33])
        >>> labelled = {'image': image, 'label': tf.zeros([1, 33, 33], tf.int32)}
        >>> unlabelled = {'weak': image, 'strong': image, 'strong_2': image, 'valid': valid}
        >>> sorted(method.compute_losses(labelled, unlabelled))
        ['perturbed', 'strong', 'strong_2', 'supervised']
    """

    needs_unlabelled = True
    mixes = True
    strong_views = 2

    def __init__(
        self,
        network,
        info,
        threshold: float = 0.95,
        dropout: float = 0.5,
        consistency_weight: float = 1.0,
        consistency_warm_up: int = 0,
    ):
        super().__init__(network, info)
        ranges.share('UniMatch.threshold', threshold)
        ranges.number('UniMatch.dropout', dropout, 0, 0.999)
        self.threshold = threshold
        consistency.set_options(self, consistency_weight, consistency_warm_up)
        self.drop_channels = Dropout(dropout, whole_channels=True, name='drop_channels')
        self.quality['decoder'] = metrics.PseudoLabelQuality(
            info.num_classes, info.ignore_value, threshold, 'decoder'
        )

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`."""
        network, size = self.network, resize.spatial_size(labelled['image'])

        # Weak view: the label, without gradient, and the features to perturb.
        weak_features = network.features(unlabelled['weak'], training=True)
        weak_logits = network.decode(weak_features, size, training=True)  # [M, h, w, C]
        label, confidence = weak_label.hard_label(weak_logits)  # [M, h, w]
        valid = resize.nearest(unlabelled['valid'], resize.spatial_size(weak_logits))
        weak_label.measure(self.quality['decoder'], unlabelled, weak_logits, valid)

        perturbed = {
            name: self.drop_channels(maps, training=True) for name, maps in weak_features.items()
        }
        perturbed_logits = network.decode(perturbed, size, training=True)
        logits = self._logits(labelled['image'], size)
        confident = weak_label.at_least(confidence, self.threshold)
        factor = consistency.factor(self)
        loss = losses.hard_consistency(perturbed_logits, label, valid, confident)
        values = {
            'supervised': self.supervised(logits, labelled['label']) / 2,
            'perturbed': factor * loss / 4,
        }
        for name, boxes in (('strong', 'box'), ('strong_2', 'box_2')):
            strong, *target = mixing.mix_all(
                (unlabelled[name], label, valid, confident), unlabelled.get(boxes), size
            )
            loss = losses.hard_consistency(self._logits(strong, size), *target)
            values[name] = factor * loss / 8
        return values

    def _logits(self, images, size):
        features = self.network.features(images, training=True)
        return self.network.decode(features, size, training=True)

    def build_layers(self, crop_size):
        """See `Method.build_layers`; the masks of channels have a state too."""
        super().build_layers(crop_size)
        self.drop_channels(tf.zeros([1, 1, 1, 1]))

    def pictures(self, labelled, unlabelled):
        """See `Method.pictures`; shows unlabelled images and their labels."""
        del labelled
        return weak_label.pictures(self, unlabelled)
