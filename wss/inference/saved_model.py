"""Export to a SavedModel."""

import os

import tensorflow as tf

from wss.inference import predictor
from wss.pipeline import frame


def save_model(
    method, size: tuple[int, int] | None, out: str | os.PathLike, long_side: int | None = None
) -> None:
    """Writes a SavedModel whose signature takes `images` and returns `labels`, as `predict` does.

    `images` is float32 `[N, H, W, 3]` in [0, 255] with any sizes, `labels` int32 `[N, H, W]`.

    Args:
        method: A `Method` with its weights.
        size: See `Predictor`.
        out: Folder to write to.
        long_side: See `Predictor`.
    """
    rule = frame.for_backbone(method.network.backbone, size, long_side)
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, 'images')

    @tf.function(input_signature=[spec], autograph=False)
    def predict(images):
        return {'labels': predictor.predict_whole(method.predict_labels, rule, images)}

    module = tf.Module()
    module.network = method.evaluated_network
    module.predict = predict
    tf.saved_model.save(module, str(out), signatures={'serving_default': predict})
