"""Pretraining: what its loss reaches, and its scores by hand."""

import numpy as np
import tensorflow as tf

from tests.tiny_backbone import TinyBackbone
from wss.datasets.info import DatasetInfo
from wss.methods.classification import Classification
from wss.networks.deeplab import DeepLabV3Plus

INFO = DatasetInfo('test', ('ground', 'a', 'b'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


def make_method():
    network = DeepLabV3Plus(3, 2, TinyBackbone, 16, 16, 16, aspp_rates=(1, 2, 3))
    method = Classification(network, INFO)
    method.build_variables((33, 33))
    return method


def test_the_loss_reaches_backbone_and_classifier_alone():
    method = make_method()
    labelled = {
        'image': tf.random.stateless_uniform([2, 33, 33, 3], [0, 1], 0, 255),
        'image_label': tf.constant([[1.0, 0.0], [0.0, 1.0]]),
    }
    with tf.GradientTape() as tape:
        (loss,) = method.compute_losses(labelled, None).values()
    gradients = tape.gradient(loss, method.trainable_variables)
    reached = {
        v.name for g, v in zip(gradients, method.trainable_variables, strict=True) if g is not None
    }
    network = method.network
    learning = network.backbone.trainable_variables + network.classifier.trainable_variables
    assert reached == {v.name for v in learning}


def test_image_accuracy_by_hand():
    method = make_method()
    # Class a always predicted, class b never.
    method.network.classifier.set_weights([np.zeros((16, 2), np.float32), np.float32([1, -1])])
    label = np.zeros((3, 33, 33), np.int32)
    label[0, 0, :2] = [1, 2]  # Right about a, wrong about b.
    label[1, 0, 0] = 1  # Right about both.
    label[2] = 255  # Only fills the batch.
    method.reset_scores()
    method.test_step({'image': tf.zeros([3, 33, 33, 3]), 'label': tf.constant(label)})
    np.testing.assert_allclose(method.extra_scores()['image_accuracy'], 0.75)
    assert method.confusion.counts.numpy().sum() == 2 * 33 * 33


def test_the_segmentation_is_the_gated_activation_map():
    method = make_method()
    kernel = np.ones((16, 2), np.float32)
    method.network.classifier.set_weights([kernel, np.float32([-1e6, -1e6])])
    images = tf.random.stateless_uniform([1, 33, 33, 3], [0, 1], 0, 255)
    assert not np.any(method.predict_labels(images))  # Nothing predicted: background everywhere.
    method.network.classifier.set_weights([kernel, np.float32([-1e6, 1e6])])
    predicted = method.predict_labels(images).numpy()
    assert set(np.unique(predicted)) == {0, 2}
