"""Exports a trained model, and refuses an export that does not compute what the model does."""

import functools
import importlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.files.reasons import list_some
from wss.inference.exports import comparison, files, inputs, onnx_file, photos, saved_model, tflite
from wss.inference.given import Picture
from wss.inference.predictor import Predictor
from wss.settings import ranges

# The least share of pixels with the label of the model.
LEAST_AGREEMENT = {'float32': 0.999, 'float16': 0.99, 'int8': 0.9}
_COMPARED = 20  # Photos.
_ALIKE = 0.5  # Classes of a lower IoU with the model are named.
_EVERY = 6  # Of int8: one in so many is compared, the others are learned from.


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


def photos_needed(precision: str) -> int:
    """Returns how many photos an export uses at most; `int8` learns from a hundred of them."""
    return _EVERY * _COMPARED if precision == 'int8' else _COMPARED


def check(out: str | os.PathLike, form: str, precision: str, least_agreement: float | None) -> None:
    """Refuses what cannot be exported, before a model is loaded.

    Args:
        out: See `export`, as the others.
        form: See there.
        precision: See there.
        least_agreement: See there.

    Raises:
        ValueError: If an option is out of range, `out` cannot be the folder, or the packages of
            the format are missing.
        OSError: If `out` cannot be written.
    """
    files.check_place(whole.expanded(out))
    ranges.choice('format', form, tuple(FORMATS))
    ranges.choice('precision', precision, tuple(LEAST_AGREEMENT))
    if precision not in FORMATS[form].precisions:
        raise ValueError(
            f'--precision is {precision}, which is for --format tflite; {form} has float32.'
        )
    if least_agreement is not None:
        ranges.share('least_agreement', least_agreement)
    packages = FORMATS[form].packages
    if form == 'tflite' and not hasattr(tf.lite, 'Interpreter'):
        packages = ('ai_edge_litert',)
    for package in packages:
        try:
            importlib.import_module(package)
        except Exception as error:  # Versions that do not fit each other fail in many ways.
            raise ValueError(
                f'--format {form} needs the package {package}, which cannot be imported ({error}); '
                "install what fits by: pip install 'wss[export]'."
            ) from error


def export(
    model: Predictor,
    out: str | os.PathLike,
    form: str = 'saved_model',
    precision: str = 'float32',
    size: tuple[int, int] | None = None,
    images: Iterable[Picture] | None = None,
    least_agreement: float | None = None,
) -> dict[str, Any]:
    """Writes an export, loads it in a fresh process, and compares it with the model.

    Args:
        model: From `wss.load`.
        out: Folder for the export, and for a JSON file about it. An earlier export of the format
            is replaced.
        form: `saved_model`, `tflite` or `onnx`.
        precision: `float32`, or for `tflite` also `float16` and `int8`.
        size: Height and width of the images that it takes; None for any size, or for `tflite` for
            the size of the run's evaluation.
        images: Photos, as for `Predictor.predict`; `photos_needed` of them are read. One in six is
            compared, and `int8` learns from the others; the other precisions compare all. None for
            generated scenes.
        least_agreement: The least share of pixels that must have the label of the model, 0 to 1;
            None for 0.999 (`float32`), 0.99 (`float16`) or 0.9 (`int8`).

    Returns:
        The content of the JSON file: what the export takes, its bytes, and `compared`
        (`comparison.compare`; also `photos`, whether these were photos, and `learned_from`, how
        many images int8 learned from).

    Raises:
        ValueError: If an option is out of range, a package is missing, no photo can be read,
            `int8` has none, or the export differs from the model. Then nothing is written.
        OSError: If `out` cannot be written.

    Example:
        >>> import wss
        >>> from wss.inference.exports.export import export
        >>> facts = export(wss.load('runs/mine'), 'exported', size=(65, 65))
        >>> facts['input']['size'], facts['compared']['agreement']
        ([65, 65], 1.0)
    """
    out = whole.expanded(out)
    check(out, form, precision, least_agreement)
    about, method = FORMATS[form], model.method
    if precision == 'int8' and images is None:
        raise ValueError(
            'int8 learns the ranges of activations from photos; give some, with --images.'
        )
    if method.network.compute_dtype != 'float32':
        raise ValueError(
            f'The model computes in {method.network.compute_dtype}, and exports are in float32; '
            "load it with Compute.precision = 'float32'."
        )
    least = LEAST_AGREEMENT[precision] if least_agreement is None else least_agreement
    taken = inputs.choose(model.frame, size, about.scales, about.any_size)
    typical, compared = _fitted(taken, images, precision, method.info.bit_depth)
    save = about.save
    if form == 'tflite':
        save = functools.partial(save, precision=precision, typical=[one for one, _ in typical])
    with tempfile.TemporaryDirectory() as folder:
        _convert(save, method, taken, folder, form)
        path = os.path.join(folder, about.file) if about.file else folder
        found = comparison.compare(model, taken, form, path, compared)
        _refuse_another(found, least, form, precision)
        facts = {
            'format': form,
            'precision': precision,
            'file': about.file or '.',
            'bytes': files.size(folder),
            'classes': list(method.info.class_names),
            'input': {
                'size': taken.size and list(taken.size),
                'fit': taken.fit and list(taken.fit),
                'padding': list(taken.padding),
            },
            'compared': {'photos': images is not None, 'learned_from': len(typical), **found},
        }
        files.move(folder, out, about.file or saved_model.FILE, facts)
    return facts


def _fitted(taken, images, precision, bit_depth):
    """Returns images to learn ranges from, and those to compare, as the export takes them."""
    if images is None:
        images = comparison.drawn_images(_COMPARED)
    some = itertools.islice(photos.read(images, bit_depth), photos_needed(precision))
    fitted = [taken.fitted(taken.bounded(image)) for image in some]
    if not fitted:
        raise ValueError('None of the images can be read; give others, with --images.')
    if precision != 'int8':
        return [], fitted
    compared = fitted[_EVERY - 1 :: _EVERY]
    typical = [one for number, one in enumerate(fitted, 1) if number % _EVERY]
    return typical, compared or fitted  # Of fewer than six photos all are both.


def _convert(save, method, taken, folder, form):
    try:
        save(method, taken, folder)
    except Exception as error:  # Converters have errors of their own kinds.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f'The network cannot be converted to {form}: {first.rstrip(".")}.'
        ) from error


def _refuse_another(found, least, form, precision):
    if found['agreement'] >= least:
        return
    advice = 'this is a fault of the conversion; please report it'
    if precision != 'float32':
        advice = 'take a higher --precision, or lower --least_agreement'
    raise ValueError(
        f'The {form} export in {precision} gives {100 * found["agreement"]:.2f} % of the pixels '
        f'the label of the model, where {100 * least:g} % are asked for; nothing is written: '
        f'{advice}.'
    )


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


def sentences(facts: dict[str, Any], out: str | os.PathLike) -> str:
    """Returns what a user wants to know of an export.

    Args:
        facts: From `export`.
        out: Folder of the export.
    """
    found, path = facts['compared'], os.fspath(out)
    if facts['file'] != '.':
        path = os.path.join(path, facts['file'])
    seconds = found['seconds_an_image']
    what = 'photos' if found['photos'] else 'generated scenes (no photos were found)'
    said = (
        f'Wrote {path} ({facts["bytes"] / 1e6:.1f} MB). Loaded again, it gives '
        f'{100 * found["agreement"]:.2f} % of the pixels of {found["images"]} {what} the label of '
        f'the model (the lowest image: {100 * found["lowest_agreement"]:.2f} %; mIoU '
        f'{100 * found["miou"]:.2f} %), in {1000 * seconds["export"]:.0f} ms an image; the model '
        f'takes {1000 * seconds["model"]:.0f} ms.'
    )
    if found['classes'] == 1:
        said += ' The model finds one class only in these images; give others, with --images.'
    lost = sorted((value, name) for name, value in found['iou'].items() if value < _ALIKE)
    if lost:
        named = list_some(f'{name} ({100 * value:.0f} %)' for value, name in lost)
        said += f' Look at these classes first; their IoU with the model is low: {named}.'
    return said
