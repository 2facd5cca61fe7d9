"""Small sets of examples, decoded once and kept in memory."""

import dataclasses

import tensorflow as tf

from wss.datasets.examples import Examples


def cached(examples: Examples, limit: int, workers: int) -> tuple[Examples, int]:
    """Decodes all examples into memory if they certainly fit.

    Args:
        examples: Examples of any size.
        limit: Bytes that they may take.
        workers: Threads that decode.

    Returns:
        The examples, cached or unchanged, and an upper bound of the bytes used.
    """
    height, width = examples.max_size
    bound = len(examples) * height * width * (3 + int(examples.has_label))
    if bound > limit:
        return examples, 0

    types = {}

    def encode(index):
        example = dict(examples.load(index))
        types.update({name: (value.dtype, value.shape) for name, value in example.items()})
        if 'label' in example:  # Classes and the ignore value are at most 255.
            example['label'] = tf.cast(example['label'], tf.uint8)
        return {name: tf.io.serialize_tensor(value) for name, value in example.items()}

    # Images differ in size: each is kept as one string, which TensorFlow can index and share.
    with tf.device('CPU'):
        dataset = tf.data.Dataset.range(len(examples)).map(encode, num_parallel_calls=workers)
        kept = dataset.batch(len(examples)).get_single_element()

    @tf.autograph.experimental.do_not_convert
    def load(index):
        example = {}
        for name, (dtype, shape) in types.items():
            stored = tf.uint8 if name == 'label' else dtype
            value = tf.io.parse_tensor(tf.gather(kept[name], index), stored)
            example[name] = tf.ensure_shape(tf.cast(value, dtype), shape)
        return example

    return dataclasses.replace(examples, load=load), bound
