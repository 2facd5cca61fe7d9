"""Predicts the images of a folder: masks with a palette, and overlays."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

import numpy as np

from wss.datasets.files import decoding
from wss.datasets.info import DatasetInfo
from wss.results import pictures


@dataclasses.dataclass(frozen=True)
class Predicted:
    """How many images were predicted, and how many could not be read."""

    predicted: int
    unreadable: int


def predict_folder(
    images: str | os.PathLike,
    out: str | os.PathLike,
    predict_image: Callable[[np.ndarray], np.ndarray],
    info: DatasetInfo,
    report: Callable[[str], None] = print,
) -> Predicted:
    """Writes `NAME.png` (class indices with a palette) and `NAME_overlay.jpg` for every image.

    Images are turned upright by their EXIF orientation, and so are masks and overlays: they fit the
    images as viewers show them.

    Args:
        images: Folder of images; subfolders are included, and kept in `out`.
        out: Folder to write to; made if it does not exist.
        predict_image: From uint8 `[H, W, 3]` to a label map int32 `[H, W]`.
        info: The classes and their colours.
        report: Prints a line about an image that cannot be read.

    Raises:
        FileNotFoundError: If there is no such folder or no image in it.
        ValueError: If `out` is the folder of the images or is inside it, or two images would write
            the same file.
    """
    places = _places(pathlib.Path(images), pathlib.Path(out))
    failed = 0
    for source, target in places.items():
        try:
            image = decoding.decode_image(source, bit_depth=info.bit_depth)
        except (ValueError, OSError) as error:
            report(str(error))
            failed += 1
            continue
        labels = predict_image(image)
        target.parent.mkdir(parents=True, exist_ok=True)
        pictures.write_mask(f'{target}.png', labels, info.colours, info.ignore_value)
        shown = pictures.overlay(image, labels, info)
        pictures.write_picture(f'{target}_overlay.jpg', shown)
    return Predicted(len(places) - failed, failed)


def _places(images, out):
    """Returns, for every image of a folder, its target without ending."""
    if not images.is_dir():
        raise FileNotFoundError(f'The folder of images {images} does not exist.')
    if images.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(
            f'The predictions would be written among the images ({out} is {images} or is '
            'inside it); give another --out.'
        )
    if out.exists() and not out.is_dir():
        raise ValueError(f'{out} is a file; give a folder for the predictions.')
    sources = sorted(
        path
        for path in images.rglob('*')
        if path.suffix.lower() in decoding.ENDINGS
        and not any(part.startswith('.') for part in path.relative_to(images).parts)
    )
    if not sources:
        raise FileNotFoundError(
            f'{images} holds no image (no file whose name ends in {", ".join(decoding.ENDINGS)}).'
        )
    places = {path: out / path.relative_to(images).with_suffix('') for path in sources}
    by_target = {}
    for source, target in places.items():
        if target in by_target:
            raise ValueError(
                f'{by_target[target]} and {source} would both give {target}.png; rename one.'
            )
        by_target[target] = source
    written = {pathlib.Path(f'{target}.png').resolve() for target in by_target}
    overwritten = sorted(written.intersection(path.resolve() for path in sources))
    if overwritten:
        raise ValueError(f'A mask would be written over {overwritten[0]}; give another --out.')
    for target in by_target:
        mask, overlay = pathlib.Path(f'{target}.png'), pathlib.Path(f'{target}_overlay.jpg')
        # An earlier prediction has its overlay beside it; a mask made by hand has none.
        if mask.exists() and not overlay.exists():
            raise ValueError(f'{mask} exists and is not a prediction; give another --out.')
    return places
