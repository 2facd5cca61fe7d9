"""Compares an export, loaded again in a fresh process, with the model that it was made from."""

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from wss.datasets.shapes import Shapes
from wss.inference.exports import fresh
from wss.inference.exports.inputs import Inputs
from wss.inference.predictor import Predictor

_DRAWN_SIDE = 161


def compare(
    model: Predictor, inputs: Inputs, form: str, path: str, images: Sequence[np.ndarray]
) -> dict:
    """Returns how well an export agrees with its model, and how fast both are.

    Args:
        model: The model.
        inputs: Which images the export takes.
        form: Its format, a key of `fresh.LOADERS`.
        path: Its file or folder, on this machine.
        images: uint8 `[H, W, 3]` each.

    Returns:
        `images` (how many), `agreement` (the share of pixels with the label of the model, 0 to 1),
        `lowest_agreement` (of an image), and `seconds_an_image` of the `model` and the `export`
        (medians, on the CPU or GPU of this machine).

    Raises:
        ValueError: If the export cannot be loaded or run.
    """
    fitted, sizes = zip(*(inputs.fitted(image) for image in images), strict=True)
    frame = inputs.frame
    same = Predictor(model.method, frame.size, frame.long_side)
    expected, of_model = fresh.run(lambda batch: same.predict_images(batch)[0], fitted)
    found, of_export = _in_a_fresh_process(form, path, fitted)
    right = [
        (one[:height, :width] == other[:height, :width])
        for one, other, (height, width) in zip(expected, found, sizes, strict=True)
    ]
    return {
        'images': len(images),
        'agreement': sum(map(np.sum, right)) / sum(map(np.size, right)),
        'lowest_agreement': min(map(np.mean, right)),
        'seconds_an_image': {
            'model': float(np.median(of_model)),
            'export': float(np.median(of_export)),
        },
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
            env={**os.environ, 'PYTHONPATH': searched},
            capture_output=True,
            text=True,
            errors='replace',
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ['no message']
            raise ValueError(
                f'The export cannot be used: a fresh process that loaded it ended with the status '
                f'{done.returncode} ({last[0]}).'
            )
        with np.load(written) as file:
            labels = [file[f'labels_{number}'] for number in range(len(images))]
            return labels, file['seconds']


def drawn_images(count: int) -> list[np.ndarray]:
    """Returns generated scenes, uint8 `[H, W, 3]`, for where no photos are at hand."""
    examples = Shapes(_DRAWN_SIDE, {'train': count}).examples('train', labels='none')
    return [examples.load(number)['image'].numpy() for number in range(count)]
