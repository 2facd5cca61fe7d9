"""The graph of an exported network: images to labels and probabilities."""

from collections.abc import Callable

import tensorflow as tf

from wss.inference import predictor
from wss.inference.exports.inputs import Inputs
from wss.networks import resize

Outputs = dict[str, tf.Tensor]


def for_images(method, inputs: Inputs) -> Callable[[tf.Tensor], Outputs]:
    """Returns a function for a graph, without the normalisation of images: the network has it.

    Args:
        method: A `Method` with its weights.
        inputs: Which images it takes.

    Returns:
        From `[N, H, W, 3]` in [0, 255], uint8 or float32, to `labels`, int32 `[N, H, W]`, and
        `probabilities`, float32 `[N, H, W, C]`, whose sum over the classes is 1.
    """
    rule = inputs.frame
    fixed = inputs.size and tuple(rule.padded_size(inputs.size).numpy().tolist())

    def scaled(images):
        """Scales images down and their probabilities up, as `Predictor` does."""
        found = predictor.predict_whole(
            method.predict_probabilities, rule, tf.cast(images, tf.float32)
        )
        return _outputs(found, found)

    def padded(images):
        """Has operations alone that other runtimes know, and whole maps instead of strips."""
        size = inputs.size or tf.shape(images)[1:3]
        sides = fixed or rule.padded_size(size)
        whole = rule.padded(tf.cast(images, tf.float32), sides)
        if fixed:
            whole = tf.ensure_shape(whole, [None, *fixed, None])
        scores = resize.bilinear(method.predict_scores(whole), sides)
        scores = tf.cast(scores[:, : size[0], : size[1]], tf.float32)
        return _outputs(scores, method.probabilities(scores))

    return padded if rule.long_side is None else scaled


def _outputs(scores, probabilities):
    labels = tf.argmax(scores, axis=-1, output_type=tf.int32)
    return {'labels': labels, 'probabilities': probabilities}


def spec(inputs: Inputs, dtype: tf.DType, count: int | None) -> tf.TensorSpec:
    """Returns the specification of the images.

    Args:
        inputs: Which images the graph takes.
        dtype: Their type.
        count: How many at a time; None for any number.
    """
    return tf.TensorSpec([count, *(inputs.size or (None, None)), 3], dtype, 'images')


def module(*functions) -> tf.Module:
    """Returns a module with the variables that concrete functions need, of whatever layers."""
    found = tf.Module()
    found.used = list({id(v): v for function in functions for v in function.variables}.values())
    return found
