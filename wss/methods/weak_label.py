"""What methods share that learn a hard label of the weak view."""

import tensorflow as tf

from wss.networks import resize
from wss.views import mixing


def hard_label(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the likeliest class of each pixel and its probability, without gradient.

    Args:
        logits: float `[M, h, w, C]` of the weak view.

    Returns:
        int32 `[M, h, w]` and float32 `[M, h, w]` in 0..1.

    Example:
        >>> from wss.methods.weak_label import hard_label
        >>> label, confidence = hard_label(tf.math.log([[[[0.25, 0.75]]]]))
        >>> int(label[0, 0, 0]), round(float(confidence[0, 0, 0]), 2)
        (1, 0.75)
    """
    probabilities = tf.nn.softmax(tf.cast(tf.stop_gradient(logits), tf.float32))
    label = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    return label, tf.reduce_max(probabilities, axis=-1)


def at_least(confidence: tf.Tensor, threshold: float) -> tf.Tensor:
    """Marks the pixels that are confident enough: float32 of 0 and 1."""
    return tf.cast(confidence >= threshold, tf.float32)


def measure(quality, unlabelled, logits: tf.Tensor, valid: tf.Tensor) -> None:
    """Compares the labels of the weak view with masks, if the unlabelled images have them.

    Args:
        quality: `metrics.PseudoLabelQuality`.
        unlabelled: Unlabelled part of a batch.
        logits: float `[M, h, w, C]` of the weak view.
        valid: float32 `[M, h, w]`.
    """
    if 'label' in unlabelled:
        label = resize.nearest(unlabelled['label'], resize.spatial_size(logits))
        probabilities = tf.nn.softmax(tf.cast(tf.stop_gradient(logits), tf.float32))
        quality.update_state(label, probabilities, valid)


def pictures(method, unlabelled) -> dict[str, dict[str, tf.Tensor]]:
    """Returns pictures of unlabelled images and their weak labels; see `Method.pictures`.

    Args:
        method: A `Method`, of which all strong views are shown.
        unlabelled: Unlabelled part of a batch.
    """
    images = {'image': unlabelled['weak'], 'strong view': mixing.strong_view(unlabelled)}
    if method.strong_views == 2:
        images['strong view 2'] = mixing.strong_view(unlabelled, '_2')
    truth = {'truth': unlabelled['label']} if 'label' in unlabelled else {}
    scores = method.predict_scores(unlabelled['weak'])
    return {
        'images': images,
        'labels': {**truth, 'prediction': method.predict_labels(unlabelled['weak'])},
        'scores': {'weak label': tf.nn.softmax(tf.cast(scores, tf.float32))},
    }
