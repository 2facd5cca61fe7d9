"""Compares an export, loaded again in a fresh process, with the model that it was made from."""

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.shapes import Shapes
from wss.inference.exports import fresh
from wss.inference.exports.inputs import Fitted, Inputs
from wss.inference.predictor import Predictor
from wss.results import metrics

_DRAWN_SIDE = 161


def compare(
    model: Predictor, inputs: Inputs, form: str, path: str, fitted: Sequence[Fitted]
) -> dict:
    """Returns how well an export agrees with its model, and how fast both are on the CPU.

    Args:
        model: The model.
        inputs: Which images the export takes.
        form: Its format, a key of `fresh.LOADERS`.
        path: Its file or folder, on this machine.
        fitted: Images (`Inputs.fitted`).

    Returns:
        `images` (how many), `agreement` (the share of pixels with the label of the model, 0 to 1),
        `lowest_agreement` (of an image), `miou` of both label maps, `iou` of the classes that one
        of them finds (by name), `classes` that the model finds in the images (how many),
        `seconds_an_image` of the `model` and the `export` for labels and probabilities (medians),
        and `threads`.

    Raises:
        ValueError: If the export cannot be loaded or run.
    """
    images, seen, frame = [image for image, _ in fitted], [size for _, size in fitted], inputs.frame
    same = Predictor(model.method, frame.size, frame.long_side)
    with tf.device('CPU:0'):  # As the fresh process: a GPU may compute in fewer digits.
        expected, of_model = fresh.run(
            lambda batch: same.predict_images(batch, probabilities=True)[0], images
        )
    found, of_export = _in_a_fresh_process(form, path, images)
    counts = metrics.ConfusionMatrix(model.method.info.num_classes, ignore_value=-1)
    shares = []
    for one, other, (height, width) in zip(expected, found, seen, strict=True):
        one, other = one[:height, :width], other[:height, :width]
        counts.update_state(one, other)
        shares.append(float((one == other).mean()))
    summary = metrics.summarise(counts.result())
    return {
        'images': len(images),
        'agreement': summary['pixel_accuracy'],
        'lowest_agreement': min(shares),
        'miou': summary['miou'],
        'iou': {
            name: value
            for name, value in zip(model.classes, summary['iou'], strict=True)
            if value is not None
        },
        'classes': len(np.unique(np.concatenate([one.ravel() for one in expected]))),
        'seconds_an_image': {
            'model': float(np.median(of_model)),
            'export': float(np.median(of_export)),
        },
        'threads': os.cpu_count(),
    }


def _in_a_fresh_process(form, path, images):
    """Returns the label maps of an export, and its seconds."""
    package = pathlib.Path(__file__).resolve().parents[3]
    searched = os.pathsep.join([str(package), *filter(None, [os.environ.get('PYTHONPATH')])])
    with tempfile.TemporaryDirectory() as folder:
        given, written = os.path.join(folder, 'images.npz'), os.path.join(folder, 'labels.npz')
        np.savez(given, **{f'image_{number}': image for number, image in enumerate(images)})
        done = subprocess.run(
            [sys.executable, '-m', fresh.__name__, form, path, given, written],
            # This process may hold the memory of the GPUs.
            env={**os.environ, 'PYTHONPATH': searched, 'CUDA_VISIBLE_DEVICES': '-1'},
            capture_output=True,
            text=True,
            errors='replace',
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ['no message: was it killed for memory?']
            raise ValueError(
                f'The {form} export cannot be used: a fresh process that loaded it ended with the '
                f'status {done.returncode} ({said[-1].rstrip(".")}).'
            )
        with np.load(written) as file:
            labels = [file[f'labels_{number}'] for number in range(len(images))]
            return labels, file['seconds']


def drawn_images(count: int) -> list[np.ndarray]:
    """Returns generated scenes, uint8 `[H, W, 3]`, for where no photos are at hand."""
    examples = Shapes(_DRAWN_SIDE, {'train': count}).examples('train', labels='none')
    return [examples.load(number)['image'].numpy() for number in range(count)]
