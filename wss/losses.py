"""The losses of PseudoSeg (Zou et al., 2021, section 3), each a float32 scalar."""

import tensorflow as tf

from wss import resize


def supervised(logits: tf.Tensor, labels: tf.Tensor, ignore_value: int = 255) -> tf.Tensor:
    """Softmax cross-entropy, the mean over labelled pixels; 0 where there is none.

    Args:
        logits: float `[N, h, w, C]`, resized to the labels bilinearly with aligned corners.
        labels: int32 `[N, H, W]`, classes or `ignore_value`.
        ignore_value: Label of the pixels that do not count.

    Returns:
        float32 scalar, in nats.
    """
    logits = resize.bilinear(tf.cast(logits, tf.float32), resize.spatial_size(labels))
    labelled = labels != ignore_value
    pixel_losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.where(labelled, labels, 0), logits=logits
    )
    weights = tf.cast(labelled, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(pixel_losses * weights), tf.reduce_sum(weights))


def classification(image_logits: tf.Tensor, image_label: tf.Tensor) -> tf.Tensor:
    """Sigmoid cross-entropy, the mean over images and classes.

    Args:
        image_logits: float `[N, K]`.
        image_label: float32 `[N, K]` of 0 and 1.

    Returns:
        float32 scalar, in nats.
    """
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(
            labels=image_label, logits=tf.cast(image_logits, tf.float32)
        )
    )


def consistency(
    strong_logits: tf.Tensor, pseudo_label: tf.Tensor, valid: tf.Tensor, confident: tf.Tensor
) -> tf.Tensor:
    """Cross-entropy of the strong view against the pseudo label of the weak view.

    The sum runs over valid and confident pixels and is divided by the number of valid ones, so a
    batch with few confident pixels weighs less. 0 where no pixel is valid.

    Args:
        strong_logits: float `[N, h, w, C]`.
        pseudo_label: float32 `[N, h, w, C]`, a distribution over classes (one-hot if hard); a
            constant to this loss.
        valid: float32 `[N, h, w]`, 1 inside the image and outside CutOut.
        confident: float32 `[N, h, w]` of 0 and 1.

    Returns:
        float32 scalar, in nats.
    """
    pixel_losses = tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.stop_gradient(pseudo_label), logits=tf.cast(strong_logits, tf.float32)
    )
    return tf.math.divide_no_nan(
        tf.reduce_sum(pixel_losses * valid * confident), tf.reduce_sum(valid)
    )


def weight_decay(kernels, factor: float) -> tf.Tensor:
    """`0.5 * factor * sum ||w||^2` over the kernels; 0 for no kernel or a factor of 0."""
    if not factor or not kernels:
        return tf.constant(0.0)
    return factor * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
