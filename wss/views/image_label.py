"""Image-level labels from label maps."""

import tensorflow as tf

from wss.datasets.info import DatasetInfo


def classes_present(label: tf.Tensor, info: DatasetInfo) -> tf.Tensor:
    """Returns the classes that a label map shows (Zou et al., 2021, section 3).

    Args:
        label: int32, any shape, values in 0..255.
        info: Classes. Its ignore value is no class; its background, where it has one, is left out.

    Returns:
        float32 `[num_image_classes]` of 0 and 1.
    """
    counts = tf.ensure_shape(tf.math.bincount(label, minlength=256, maxlength=256), [256])
    first = int(info.has_background)
    return tf.cast(counts[first : info.num_classes] > 0, tf.float32)
