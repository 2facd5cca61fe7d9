"""The baseline: cross-entropy on the labelled images alone (Zou et al., 2021, section 4)."""

from wss.methods.method import Method
from wss.networks import resize


class Supervised(Method):
    """Trains on the labelled stream; an unlabelled stream is ignored."""

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`; returns `supervised`."""
        del unlabelled
        features = self.network.features(labelled['image'], training=True)
        size = resize.spatial_size(labelled['image'])
        logits = self.network.decode(features, size, training=True)
        return {'supervised': self.supervised(logits, labelled['label'])}
