"""Export to TensorFlow Lite (LiteRT), for phones and small computers."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.files import whole
from wss.inference.exports import graph
from wss.inference.exports.inputs import Inputs
from wss.networks import layers

FILE = 'model.tflite'


def save(
    method,
    inputs: Inputs,
    out: str | os.PathLike,
    precision: str = 'float32',
    typical: Sequence[np.ndarray] = (),
) -> None:
    """Writes a file whose signature takes one image, `images`, uint8 `[1, H, W, 3]`.

    It returns `labels`, int32 `[1, H, W]`, and `probabilities`, float32 `[1, H, W, C]`.

    Args:
        method: A `Method` with its weights.
        inputs: Which images it takes; of one size.
        out: Folder of the file.
        precision: `float32`; `float16`, which halves the file; or `int8`, weights and activations,
            which also is faster on a CPU.
        typical: Images, uint8 `[H, W, 3]`, from which `int8` learns the ranges of activations.
    """
    predict = tf.function(graph.for_images(method, inputs), autograph=False)
    with layers.plain_convolutions():
        concrete = predict.get_concrete_function(graph.spec(inputs, tf.uint8, 1))
    module = graph.module(concrete)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if precision != 'float32':
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == 'float16':
        converter.target_spec.supported_types = [tf.float16]
    if precision == 'int8':
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in typical)
        # Where an operation has no int8 kernel, such as the softmax of the end, it stays float.
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
    whole.write(os.path.join(out, FILE), converter.convert())
