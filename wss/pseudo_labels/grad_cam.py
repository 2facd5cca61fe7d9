"""Class activation maps of the image-level classifier (Zou et al., 2021, section 3)."""

import tensorflow as tf


def class_activation(features: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Grad-CAM in closed form: `CAM_c = ReLU(sum_k w_kc A_k)` with `w_kc = W_kc / (h w)`.

    Grad-CAM weighs channel `k` by the spatial mean of `d logit_c / d A_k`. For a global average
    pool followed by a linear layer that derivative is `W_kc / (h w)` at every pixel, so no
    backward pass is needed.

    Args:
        features: float `[N, h, w, D]`, `A`: the map that the classifier averages.
        kernel: float `[D, K]`, `W`: the kernel of the classifier.

    Returns:
        float32 `[N, h, w, K]`, at least 0.

    Example:
        >>> from wss.pseudo_labels.grad_cam import class_activation
        >>> features = tf.constant([[[[1.0, 2.0], [3.0, 0.0]]]])  # One image of 1 x 2 pixels.
        >>> kernel = tf.constant([[1.0, -1.0], [0.0, 2.0]])
        >>> class_activation(features, kernel).numpy().tolist()
        [[[[0.5, 1.5], [1.5, 0.0]]]]
    """
    features = tf.cast(features, tf.float32)
    size = tf.shape(features)
    pixels = tf.cast(size[1] * size[2], tf.float32)
    return tf.nn.relu(tf.einsum('nhwd,dk->nhwk', features, tf.cast(kernel, tf.float32)) / pixels)


def predicted_labels(image_logits: tf.Tensor, threshold: float = 0.5) -> tf.Tensor:
    """Predicts image-level labels: `[sigmoid(logit_c) >= threshold]`.

    Args:
        image_logits: float `[N, K]`.
        threshold: Probability in [0, 1] from which a class counts as present.

    Returns:
        float32 `[N, K]` of 0 and 1.

    Example:
        >>> from wss.pseudo_labels.grad_cam import predicted_labels
        >>> predicted_labels(tf.constant([[-1.0, 2.0]])).numpy().tolist()
        [[0.0, 1.0]]
    """
    return tf.cast(tf.sigmoid(tf.cast(image_logits, tf.float32)) >= threshold, tf.float32)


def gate_and_normalise(cam: tf.Tensor, image_label: tf.Tensor) -> tf.Tensor:
    """Removes the classes that the image lacks and scales the others to a maximum of 1.

    Args:
        cam: float32 `[N, h, w, K]`, at least 0.
        image_label: float32 `[N, K]` of 0 and 1, given or predicted.

    Returns:
        float32 `[N, h, w, K]` in [0, 1]; 0 throughout for a class without any activation.

    Example:
        >>> from wss.pseudo_labels.grad_cam import gate_and_normalise
        >>> cam = tf.constant([[[[1.0, 4.0], [2.0, 8.0]]]])
        >>> gate_and_normalise(cam, tf.constant([[1.0, 0.0]])).numpy().tolist()
        [[[[0.5, 0.0], [1.0, 0.0]]]]
    """
    cam = cam * image_label[:, tf.newaxis, tf.newaxis, :]
    return tf.math.divide_no_nan(cam, tf.reduce_max(cam, axis=[1, 2], keepdims=True))


def add_background(scores: tf.Tensor, ceiling: float) -> tf.Tensor:
    """Puts the background score `ceiling - max_c S_c` before the class scores.

    Args:
        scores: float32 `[N, h, w, K]` in [0, `ceiling`].
        ceiling: 1 for maps in [0, 1], 2 after the skip connection of self-attention.

    Returns:
        float32 `[N, h, w, K + 1]`.

    Example:
        >>> from wss.pseudo_labels.grad_cam import add_background
        >>> add_background(tf.constant([[[[0.25, 0.5]]]]), 1.0).numpy().tolist()
        [[[[0.5, 0.25, 0.5]]]]
    """
    background = ceiling - tf.reduce_max(scores, axis=-1, keepdims=True)
    return tf.concat([background, scores], axis=-1)
