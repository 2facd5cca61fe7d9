"""The baseline: cross-entropy on the labelled images alone (Zou et al., 2021, section 4)."""

from wss.methods.method import Method
from wss.networks import resize


class Supervised(Method):
    """Trains on the labelled stream; an unlabelled stream is ignored.

    Example:
        >>> from wss.datasets.shapes import Shapes
        >>> from wss.methods.supervised import Supervised
        >>> from wss.networks.backbones.small import SmallResNet
        >>> from wss.networks.deeplab import DeepLabV3Plus
        >>> method = Supervised(DeepLabV3Plus(7, 6, SmallResNet), Shapes().info)
        >>> labelled = {'image': tf.zeros([1, 33, 33, 3]), 'label': tf.zeros([1, 33, 33], tf.int32)}
        >>> sorted(method.compute_losses(labelled, None))
        ['supervised']
    """

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`; returns `supervised`."""
        del unlabelled
        features = self.network.features(labelled['image'], training=True)
        size = resize.spatial_size(labelled['image'])
        logits = self.network.decode(features, size, training=True)
        return {'supervised': self.supervised(logits, labelled['label'])}
