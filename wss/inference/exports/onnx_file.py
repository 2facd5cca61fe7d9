"""Export to ONNX, for ONNX Runtime, TensorRT, OpenVINO and others."""

import dataclasses
import os

import tensorflow as tf

from wss.datasets.files import whole
from wss.inference.exports import graph
from wss.inference.exports.inputs import Inputs
from wss.networks import layers

FILE = 'model.onnx'
_OPSET = 17  # Of 2022: the runtimes of today know it.
_SIDES = ('height', 'width')


def save(method, inputs: Inputs, out: str | os.PathLike) -> None:
    """Writes a file that takes one image, `images`, uint8 `[1, H, W, 3]`.

    It returns `labels`, int32 `[1, H, W]`, and `probabilities`, float32 `[1, H, W, C]`.

    Args:
        method: A `Method` with its weights.
        inputs: Which images it takes.
        out: Folder of the file.

    Raises:
        ModuleNotFoundError: If tf2onnx is missing.
    """
    import tf2onnx

    # Of any size first: where sizes are known, tf2onnx resizes by factors in float32, which miss
    # some sizes by a pixel.
    any_size = dataclasses.replace(inputs, size=None)
    spec = graph.spec(any_size, tf.uint8, 1)
    predict = tf.function(
        graph.for_images(method, any_size), input_signature=[spec], autograph=False
    )
    with layers.plain_convolutions():
        model, _ = tf2onnx.convert.from_function(predict, input_signature=[spec], opset=_OPSET)
    for value in (*model.graph.input, *model.graph.output):
        sides = value.type.tensor_type.shape.dim[1:3]
        for side, length, name in zip(sides, inputs.size or (None, None), _SIDES, strict=True):
            if length is None:
                side.dim_param = name
            else:
                side.dim_value = length
    whole.write(os.path.join(out, FILE), model.SerializeToString())
