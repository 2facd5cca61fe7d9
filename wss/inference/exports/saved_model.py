"""Export to a SavedModel, for TensorFlow and TensorFlow Serving."""

import os

import tensorflow as tf

from wss.inference import predictor
from wss.inference.exports import graph
from wss.inference.exports.inputs import Inputs

FILE = 'saved_model.pb'


def save(method, inputs: Inputs, out: str | os.PathLike) -> None:
    """Writes a SavedModel.

    Its signatures take `images`, any number: `serving_default` float32, and `uint8` that, in
    [0, 255]. Both return `labels`, int32 `[N, H, W]`, and `probabilities`, float32
    `[N, H, W, C]`. A third one, `labels`, takes uint8 and returns labels alone, for large images:
    it never holds the probabilities of all pixels. From Python `tf.saved_model.load(out)` has the
    functions `predict`, for images of both types, and `predict_labels`.

    Args:
        method: A `Method` with its weights.
        inputs: Which images it takes.
        out: Folder to write to.
    """
    of_float, of_bytes = (graph.spec(inputs, dtype, None) for dtype in (tf.float32, tf.uint8))
    compute = graph.for_images(method, inputs)

    def labels(images):
        images = tf.cast(images, tf.float32)
        return {'labels': predictor.predict_whole(method.predict_labels, inputs.frame, images)}

    predict = tf.function(compute, autograph=False)
    predict_labels = tf.function(labels, autograph=False)
    signatures = {
        'serving_default': predict.get_concrete_function(of_float),
        'uint8': predict.get_concrete_function(of_bytes),
        'labels': predict_labels.get_concrete_function(of_bytes),
    }
    module = graph.module(*signatures.values())
    module.predict, module.predict_labels = predict, predict_labels
    tf.saved_model.save(module, str(out), signatures=signatures)
