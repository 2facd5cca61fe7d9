"""Random batches of two labelled and two unlabelled images, for one step of a method."""

import numpy as np
import tensorflow as tf


def make_batch(size, seed=0):
    """`labelled` and `unlabelled`: three classes, all pixels valid, image-level labels in both."""
    random = np.random.default_rng(seed)
    images = tf.constant(random.uniform(0, 255, (3, 2, *size, 3)), tf.float32)
    label = tf.constant(random.integers(0, 3, (2, *size)), tf.int32)
    both = {'valid': tf.ones([2, *size]), 'image_label': tf.ones([2, 2])}
    labelled = {'image': images[0], 'label': label, **both}
    return {'labelled': labelled, 'unlabelled': {'weak': images[1], 'strong': images[2], **both}}
