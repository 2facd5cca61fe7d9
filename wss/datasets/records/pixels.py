"""Decodes the images of prepared records by TensorFlow operations alone, in training and checks."""

import tensorflow as tf


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG or PNG file to RGB: uint8 `[H, W, 3]`, by its stored orientation."""
    # Decodes PNG files too. By default it is faster and less exact than other decoders.
    image = tf.io.decode_jpeg(encoded, 3, dct_method='INTEGER_ACCURATE')
    return tf.ensure_shape(image, [None, None, 3])


def decode_named(encoded: tf.Tensor, name: tf.Tensor, folder: str) -> tf.Tensor:
    """Decodes an image as `decode` does; names the example if that fails.

    `wss.prepare` decodes files of unknown origin in this way, so that it can only fail for official
    archives and for builds of older versions.

    Args:
        encoded: The file, a string scalar.
        name: Id of the example, a string scalar.
        folder: Folder of the build.

    Returns:
        uint8 `[H, W, 3]`. A damaged file raises `tf.errors.InvalidArgumentError` with `ValueError:`
        and a sentence, which the commands turn into one for the user.
    """
    # Only datasets can catch errors of operations.
    found = tf.data.Dataset.from_tensors(encoded).map(decode).ignore_errors()
    nothing = tf.data.Dataset.from_tensors(tf.zeros([0, 0, 3], tf.uint8))
    image = found.concatenate(nothing).take(1).get_single_element()
    sentence = tf.strings.join(
        [
            'ValueError: The image of example ',
            name,
            f' is damaged: it cannot be decoded. Delete {folder}, repair or leave out the file of '
            'the image, and build it again with wss.prepare.',
        ]
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.size(image) > 0, [sentence])]):
        return tf.identity(image)
