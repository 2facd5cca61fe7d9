"""Pretraining by image-level labels alone: the classifier that PseudoSeg's activation maps need."""

import tensorflow as tf
import tf_keras as keras

from wss.methods import losses
from wss.methods.method import Method
from wss.pseudo_labels import grad_cam


class Classification(Method):
    """Trains backbone and classifier on the image-level labels of the labelled stream.

    Its segmentation is its activation map (Zou et al., 2021, section 3, without attention): each
    pixel takes the predicted class with the highest normalised activation, or the background where
    one minus that is higher. Masks are used only to find the classes of a crop, and for scores.
    """

    def __init__(self, network, info):
        super().__init__(network, info)
        self.running.image_accuracy = keras.metrics.Mean(name='image_accuracy')

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`; returns `classification`."""
        del unlabelled
        features = self.network.features(labelled['image'], training=True)
        logits = self.network.classify(features, training=True)
        return {'classification': losses.classification(logits, labelled['image_label'])}

    def predict_scores(self, images):
        """See `Method.predict_scores`; the activation map, in [0, 1]."""
        return self._activation(images)[0]

    def scores_and_image_logits(self, images):
        """See `Segmenter.scores_and_image_logits`."""
        return self._activation(images)

    def probabilities(self, scores):
        """See `Method.probabilities`; the activation map as shares of its sum."""
        return tf.math.divide_no_nan(scores, tf.reduce_sum(scores, axis=-1, keepdims=True))

    def _activation(self, images):
        """Returns activations float32 `[N, h, w, C]` and image-level logits float `[N, K]`."""
        features = self.network.features(images)
        image_logits = self.network.classify(features)
        image_label = grad_cam.predicted_labels(image_logits)
        last = features[self.network.last_block]
        cam = grad_cam.class_activation(last, self.network.classifier.kernel)
        cam = grad_cam.gate_and_normalise(cam, image_label)
        if self.info.has_background:
            cam = grad_cam.add_background(cam, 1.0)
        return cam, image_logits

    @tf.autograph.experimental.do_not_convert
    def test_step(self, data):
        """See `Method.test_step`; also counts right decisions about classes of images."""
        labels = data['label']
        classes = tf.range(int(self.info.has_background), self.info.num_classes)
        # One class at a time: a label map of 12 million pixels times all classes is large.
        present = tf.transpose(
            tf.map_fn(
                lambda c: tf.reduce_any(labels == c, axis=[1, 2]),
                classes,
                fn_output_signature=tf.bool,
            )
        )
        cam, image_logits = self._activation(data['image'])
        # Items that only fill the batch have no labelled pixel.
        real = tf.reduce_any(labels != self.info.ignore_value, axis=[1, 2])
        right = tf.cast(present == (image_logits >= 0), tf.float32)
        self.running.image_accuracy.update_state(right, tf.cast(real, tf.float32)[:, tf.newaxis])
        self.count(data, cam)
        return {}

    def extra_scores(self):
        """Returns the share of right decisions whether a class is in an image, in 0..1."""
        return {'image_accuracy': float(self.running.image_accuracy.result())}

    def reset_scores(self):
        """See `Method.reset_scores`."""
        super().reset_scores()
        self.running.image_accuracy.reset_state()
