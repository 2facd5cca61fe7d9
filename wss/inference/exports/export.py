"""Exports a trained model, and refuses an export that does not compute what the model does."""

import functools
import importlib
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from wss.datasets.files import whole
from wss.inference.exports import comparison, inputs, onnx_file, saved_model, tflite
from wss.inference.predictor import Predictor
from wss.settings import ranges

FILE = 'export.json'
# The least share of pixels with the label of the model.
LEAST_AGREEMENT = {'float32': 0.999, 'float16': 0.99, 'int8': 0.9}
COMPARED = 20  # Images.
TYPICAL = 100  # Images from which int8 learns ranges.
PHOTOS = TYPICAL + COMPARED


class _Format(NamedTuple):
    """What a format is: its writer, its file (None: the folder), and what it can do."""

    save: Callable[..., None]
    file: str | None
    precisions: tuple[str, ...]
    any_size: bool
    scales: bool
    packages: tuple[str, ...] = ()


FORMATS = {
    'saved_model': _Format(saved_model.save, None, ('float32',), True, True),
    'tflite': _Format(tflite.save, tflite.FILE, tuple(LEAST_AGREEMENT), False, False),
    'onnx': _Format(
        onnx_file.save,
        onnx_file.FILE,
        ('float32',),
        True,
        False,
        ('tf2onnx', 'onnx', 'onnxruntime'),
    ),
}


def check(form: str, precision: str, least_agreement: float | None) -> None:
    """Refuses what cannot be exported, before a model is loaded.

    Args:
        form: See `export`, as the others.
        precision: See there.
        least_agreement: See there.

    Raises:
        ValueError: If an option is out of range, or the packages of the format are missing.
    """
    ranges.choice('format', form, tuple(FORMATS))
    ranges.choice('precision', precision, tuple(LEAST_AGREEMENT))
    if precision not in FORMATS[form].precisions:
        raise ValueError(
            f'--precision is {precision}, which is for --format tflite; {form} has float32.'
        )
    if least_agreement is not None:
        ranges.share('least_agreement', least_agreement)
    for package in FORMATS[form].packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ValueError(
                f'--format {form} needs the package {package}, which cannot be imported ({error}); '
                "install it by: pip install 'wss[export]'."
            ) from error


def check_target(out: str) -> None:
    """Refuses a place that is not a folder."""
    if tf.io.gfile.exists(out) and not tf.io.gfile.isdir(out):
        raise ValueError(f'--out is {out}, which is a file; give a folder.')


def size_of(sides: Sequence[str] | None) -> tuple[int, int] | None:
    """Returns the height and width of a flag such as `257,257`; None for none.

    Raises:
        ValueError: If it is something else.
    """
    if sides is None:
        return None
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise ValueError(f'--size is {",".join(sides)!r}; it must be HEIGHT,WIDTH such as 257,257.')
    return int(sides[0]), int(sides[1])


def export(
    model: Predictor,
    out: str | os.PathLike,
    form: str = 'saved_model',
    precision: str = 'float32',
    size: tuple[int, int] | None = None,
    images: Sequence[np.ndarray] | None = None,
    least_agreement: float | None = None,
) -> dict[str, Any]:
    """Writes an export, loads it in a fresh process, and compares it with the model.

    Args:
        model: From `wss.load`.
        out: Folder for the export and `export.json`; files that have their names are replaced.
        form: `saved_model`, `tflite` or `onnx`.
        precision: `float32`, or for `tflite` also `float16` and `int8`.
        size: Height and width of the images that it takes; None for any size, or for `tflite` for
            the size of the run's evaluation.
        images: Photos, uint8 `[H, W, 3]`, such as those of training: `int8` learns from the first
            100, and the last 20 are compared. None for generated scenes.
        least_agreement: The least share of pixels that must have the label of the model, 0 to 1;
            None for 0.999 (`float32`), 0.99 (`float16`) or 0.9 (`int8`).

    Returns:
        The content of `export.json`: what it takes and returns, its bytes, and `compared`
        (`comparison.compare`).

    Raises:
        ValueError: If an option is out of range, a package is missing, `int8` has no images, or
            the export differs from the model. Then nothing is written.
        OSError: If `out` cannot be written.

    Example:
        >>> import wss
        >>> from wss.inference.exports.export import export
        >>> facts = export(wss.load('runs/mine'), 'exported', size=(65, 65))
        >>> facts['input']['size'], facts['compared']['agreement']
        ([65, 65], 1.0)
    """
    check(form, precision, least_agreement)
    if precision == 'int8' and not images:
        raise ValueError(
            'int8 learns the ranges of activations from photos; give some, with --images.'
        )
    about, method = FORMATS[form], model.method
    least = LEAST_AGREEMENT[precision] if least_agreement is None else least_agreement
    given = inputs.choose(model.frame, size, about.scales, about.any_size)
    save = about.save
    if form == 'tflite':
        typical = [given.fitted(image)[0] for image in (images or ())[:TYPICAL]]
        save = functools.partial(save, precision=precision, typical=typical)
    compared = images[-COMPARED:] if images else comparison.drawn_images(COMPARED)
    with tempfile.TemporaryDirectory() as folder:
        save(method, given, folder)
        path = os.path.join(folder, about.file) if about.file else folder
        found = comparison.compare(model, given, form, path, compared)
        _refuse_another(found, least)
        facts = {
            'format': form,
            'precision': precision,
            'file': about.file or '.',
            'bytes': _bytes(folder),
            'classes': list(method.info.class_names),
            'input': {
                'size': given.size and list(given.size),
                'long_side': given.long_side,
                'padding': list(given.padding),
            },
            'compared': {'photos': bool(images), **found},
        }
        _move(folder, os.fspath(out))
    whole.write_json(os.path.join(out, FILE), facts)
    return facts


def _refuse_another(found, least):
    if found['agreement'] < least:
        raise ValueError(
            f'The export gives {100 * found["agreement"]:.2f} % of the pixels the label of the '
            f'model, where {100 * least:g} % are asked for; nothing is written. Take a higher '
            '--precision, or other --images to learn ranges from, or lower --least_agreement.'
        )


def _bytes(folder):
    return sum(
        os.path.getsize(os.path.join(place, name))
        for place, _, names in os.walk(folder)
        for name in names
    )


def _move(folder, out):
    """Copies files, the graph of a SavedModel last."""
    files = [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
    ]
    for name in sorted(files, key=lambda name: name == saved_model.FILE):
        target = os.path.join(out, name)
        tf.io.gfile.makedirs(os.path.dirname(target))
        with open(os.path.join(folder, name), 'rb') as file:
            whole.write(target, file.read())


def sentence(facts: dict[str, Any], out: str | os.PathLike) -> str:
    """Returns what a user wants to know of an export.

    Args:
        facts: From `export`.
        out: Folder of the export.
    """
    found, path = facts['compared'], os.path.normpath(os.path.join(out, facts['file']))
    seconds = found['seconds_an_image']
    what = 'images' if found['photos'] else 'generated scenes (no photos were found)'
    return (
        f'Wrote {path} ({facts["bytes"] / 1e6:.1f} MB). Loaded again, it gives '
        f'{100 * found["agreement"]:.2f} % of the pixels of {found["images"]} {what} the label of '
        f'the model (the lowest image: {100 * found["lowest_agreement"]:.2f} %), in '
        f'{1000 * seconds["export"]:.0f} ms an image; the model takes '
        f'{1000 * seconds["model"]:.0f} ms.'
    )
