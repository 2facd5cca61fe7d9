"""A TensorFlow server, or a client that makes batches on one: `server` or `ADDRESS DATA_DIR`."""

import os
import sys

import numpy as np
import tensorflow as tf


def serve():
    server = tf.distribute.Server({'worker': ['localhost:0']}, job_name='worker', task_index=0)
    print(server.target, flush=True)
    server.join()


def compare(address, data_dir):
    """Makes batches here and on the server; then says what the server says of damaged files."""
    from wss.configuration import sentences
    from wss.datasets.prepared import Prepared
    from wss.pipeline import batches
    from wss.views.views import Views

    tf.config.experimental_connect_to_host(address)
    examples = Prepared('voc_seg/2012', data_dir).examples('train')
    views = Views(crop_size=(9, 9), cutout_half_size=2)

    def make(cache_bytes, count):
        streams = {'labelled': batches.Stream(examples, 2)}
        made = batches.training_batches(
            streams, views, (1.0, 2.0, 3.0), seed=0, cache_bytes=cache_bytes, workers=2
        )
        iterator = iter(made)
        return [next(iterator) for _ in range(count)]

    here = make(0, 3)
    for cache_bytes in (0, 2**30):
        with tf.device('/job:worker/task:0'):
            there = make(cache_bytes, 3)
        assert '/job:worker' in there[0]['labelled']['image'].device
        tf.nest.map_structure(np.testing.assert_array_equal, here, there)

    folder = os.path.join(data_dir, 'voc_seg', '2012', '1.0.0')
    file = os.path.join(folder, 'voc_seg-train.tfrecord-00000-of-00001')
    for change in (lambda: os.truncate(file, 50), lambda: os.remove(file)):
        change()
        try:
            with tf.device('/job:worker/task:0'):
                make(0, 1)
        except tf.errors.OpError as error:
            print(sentences.user_sentence(error), flush=True)
    os._exit(0)  # TensorFlow says the errors once more as it ends.


if sys.argv[1] == 'server':
    serve()
else:
    compare(*sys.argv[1:])
