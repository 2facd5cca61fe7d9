"""Loads images and masks that passed the checks, inside of `tf.data`."""

import tensorflow as tf

from wss.datasets.files import decoding


def loader(ids, read, has_label: bool, full: bool, image_labels=None):
    """Makes the `load` function of `Examples`.

    Args:
        ids: Ids of the examples.
        read: From a position (int) to image uint8 `[H, W, 3]` and label int32 `[H, W]`.
        has_label: Whether examples have a label.
        full: Whether the check decoded the files, or read headers alone.
        image_labels: Image-level labels, float32 `[n, num_image_classes]`; None without any.

    Returns:
        Function from an int64 scalar to an example. `tf.data` can trace it; errors of `read`
        become a `tf.errors.OpError` with the message inside.
    """
    names = tf.constant(ids, tf.string)

    def read_one(index):
        try:
            return read(int(index))
        except decoding.BrokenFileError as error:
            if full:
                raise
            raise decoding.BrokenFileError(
                f"{error} The check of headers cannot find this; check = 'full' finds such files "
                'before training, and leaves them out if skip_broken = True.'
            ) from error

    def load(index):
        image, label = tf.numpy_function(read_one, [index], [tf.uint8, tf.int32], stateful=False)
        image.set_shape((None, None, 3))
        label.set_shape((None, None))
        example = {'image': image, 'id': tf.gather(names, index)}
        if image_labels is not None:
            example['image_label'] = tf.gather(tf.constant(image_labels), index)
        return {**example, 'label': label} if has_label else example

    return load
