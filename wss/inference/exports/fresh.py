"""Runs an export as others do, without this package: python -m wss.inference.exports.fresh ...

The arguments are the format, the file or folder of the export, a .npz file of images, uint8
`[H, W, 3]` each, and the .npz file to write: `labels_0` and so on, int32 `[H, W]`, and `seconds`,
how long each image took.
"""

import os
import sys
import time

import numpy as np


def _saved_model(path):
    import tensorflow as tf

    predict = tf.saved_model.load(path).signatures['uint8']
    return lambda images: predict(images=tf.constant(images))['labels'].numpy()


def _tflite(path):
    predict = interpreter()(path, num_threads=os.cpu_count()).get_signature_runner()
    return lambda images: predict(images=images)['labels']


def interpreter() -> type:
    """Returns the `Interpreter` of LiteRT, or that of TensorFlow where there is no other."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        return tf.lite.Interpreter
    return Interpreter


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    return lambda images: session.run(['labels'], {'images': images})[0]


LOADERS = {'saved_model': _saved_model, 'tflite': _tflite, 'onnx': _onnx}


def run(predict, images: list[np.ndarray]) -> tuple[list[np.ndarray], list[float]]:
    """Returns label maps and seconds of images.

    Args:
        predict: From uint8 `[1, H, W, 3]` to int32 `[1, H, W]`.
        images: uint8 `[H, W, 3]` each.
    """
    predict(images[0][np.newaxis])  # The first call prepares things.
    labels, seconds = [], []
    for image in images:
        start = time.perf_counter()
        labels.append(np.array(predict(image[np.newaxis])[0]))
        seconds.append(time.perf_counter() - start)
    return labels, seconds


def main(form: str, path: str, images_file: str, out: str) -> None:
    """Writes what an export predicts."""
    with np.load(images_file) as file:
        images = [file[f'image_{number}'] for number in range(len(file.files))]
    labels, seconds = run(LOADERS[form](path), images)
    named = {f'labels_{number}': found for number, found in enumerate(labels)}
    np.savez(out, seconds=seconds, **named)


if __name__ == '__main__':
    main(*sys.argv[1:])
