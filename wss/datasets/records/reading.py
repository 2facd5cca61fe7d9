"""Reads single records of a prepared dataset by TensorFlow operations alone.

An input pipeline may run without Python: on a TPU pod, the TensorFlow servers of all machines run
it. So nothing here calls Python, not even to raise an error.
"""

import os
from collections.abc import Callable

import tensorflow as tf

from wss.datasets.records.frames import FOOT, HEAD
from wss.datasets.records.index import RecordIndex


def reader(index: RecordIndex) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Makes the function that reads records, each by itself and in any order.

    Args:
        index: The index of the records.

    Returns:
        Function from a position in `index`, an integer scalar, to the encoded `image` and `label`,
        a string scalar each. It verifies both checksums of the record. A changed record raises
        `tf.errors.InvalidArgumentError` with `ValueError:` and a sentence; a file that cannot be
        read raises an error of an operation in the name scope `file_of_prepared_dataset`. The
        commands turn both into a sentence for the user.
    """
    names = tf.constant(index.ids)
    files, shard = tf.constant(index.files), tf.constant(index.shard)
    start = tf.constant(index.offset - HEAD)
    length = tf.constant(HEAD + index.length + FOOT)
    advice = f'Delete {os.path.dirname(index.files[0])} and build it again with wss.prepare.'
    # No feature is required: the check of the id refuses what is not a record of `wss.prepare`.
    features = {name: tf.io.FixedLenFeature([], tf.string, '') for name in ('id', 'image', 'label')}

    @tf.autograph.experimental.do_not_convert
    def read(position):
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=[files[shard[position]]],
            compression_type='',
            buffer_size=length[position],  # One request to `gs://`.
            byte_offsets=[start[position]],
        )
        spec = tf.TensorSpec([], tf.string)
        return tf.data.experimental.from_variant(records, spec).take(1).get_single_element()

    def attempt(position):
        """Returns the data of a record, or an empty string if it cannot be read."""
        # Not `ignore_errors` of the records: it would retry a missing file endlessly.
        data = tf.data.Dataset.from_tensors(position).map(read).ignore_errors()
        nothing = tf.data.Dataset.from_tensors('')
        return data.concatenate(nothing).take(1).get_single_element()

    def look_again(position):
        """Fails if the file cannot be read, or else tries the record again."""
        with tf.name_scope('file_of_prepared_dataset'):
            first_byte = tf.data.FixedLengthRecordDataset(files[shard[position]], 1).take(1)
            found = first_byte.reduce(tf.constant(0, tf.int64), lambda count, _: count + 1)
        with tf.control_dependencies([found]):
            return attempt(position)

    def refuse(position):
        begin = ['ValueError: Example ', names[position], ' cannot be read: its record in ']
        end = f' is damaged, cut off or replaced. {advice}'
        sentence = tf.strings.join([*begin, files[shard[position]], end])
        return tf.group(tf.debugging.Assert(False, [sentence]))

    @tf.function(autograph=False)  # Eager operations would have errors with other texts.
    def load(position):
        data = attempt(position)
        data = tf.cond(data == '', lambda: look_again(position), lambda: data)
        record = tf.io.parse_single_example(data, features)
        same = record.pop('id') == names[position]
        with tf.control_dependencies([tf.cond(same, tf.no_op, lambda: refuse(position))]):
            return {name: tf.identity(value) for name, value in record.items()}

    return load
