"""Cross pseudo supervision, CPS (Chen et al., CVPR 2021), with CutMix."""

import tensorflow as tf

from wss.methods import consistency, losses, weak_label
from wss.methods.method import Method
from wss.networks import resize
from wss.results import metrics
from wss.views import mixing


class CPS(Method):
    """Two networks of different initial weights learn each other's labels.

    `L_supervised(1) + L_supervised(2) + weight * (CE(1, y_2) + CE(2, y_1))`: each learns the argmax
    `y` that the other one has for the weak view, on mixed images (section 3.1, and section 3.2 for
    CutMix). Every valid pixel counts. The first network is evaluated.

    Args:
        network: See `Method`.
        info: See `Method`.
        consistency_weight: Factor of the losses against the other's labels, 0 to 1000.
        consistency_warm_up: Steps in which that factor rises linearly from 0; 0 for none, as in the
            paper.

    Raises:
        ValueError: If an option is outside its range.
    """

    needs_unlabelled = True
    needs_second_network = True
    mixes = True

    def __init__(
        self, network, info, consistency_weight: float = 1.5, consistency_warm_up: int = 0
    ):
        super().__init__(network, info)
        consistency.set_options(self, consistency_weight, consistency_warm_up)
        for name in ('first', 'second'):
            self.quality[name] = metrics.PseudoLabelQuality(
                info.num_classes, info.ignore_value, 0.8, name
            )

    @property
    def trained_networks(self):
        """Both networks."""
        return [self.network, self.second_network]

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`."""
        size = resize.spatial_size(labelled['image'])
        networks = dict(zip(('first', 'second'), self.trained_networks, strict=True))

        # Weak view: each network's label, without gradient.
        labels, valid = {}, None
        for name, network in networks.items():
            weak_logits = _logits(network, unlabelled['weak'], size)  # [M, h, w, C]
            labels[name], _ = weak_label.hard_label(weak_logits)  # [M, h, w]
            valid = resize.nearest(unlabelled['valid'], resize.spatial_size(weak_logits))
            weak_label.measure(self.quality[name], unlabelled, weak_logits, valid)

        # Strong view: with CutMix, image and labels show boxes of other images.
        strong, of_first, of_second, valid = mixing.mix_all(
            (unlabelled['strong'], labels['first'], labels['second'], valid),
            unlabelled.get('box'),
            size,
        )
        values, every_pixel = {}, tf.ones_like(valid)
        for name, label in (('first', of_second), ('second', of_first)):
            strong_logits = _logits(networks[name], strong, size)
            cross = losses.hard_consistency(strong_logits, label, valid, every_pixel)
            logits = _logits(networks[name], labelled['image'], size)
            values[f'supervised_{name}'] = self.supervised(logits, labelled['label'])
            values[f'consistency_{name}'] = consistency.factor(self) * cross
        return values

    def pictures(self, labelled, unlabelled):
        """See `Method.pictures`; shows unlabelled images and the first network's labels."""
        del labelled
        return weak_label.pictures(self, unlabelled)


def _logits(network, images, size):
    features = network.features(images, training=True)
    return network.decode(features, size, training=True)
