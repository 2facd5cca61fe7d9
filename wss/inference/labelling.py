"""Pseudo labels of images without masks."""

import os
from collections.abc import Callable, Sequence

import numpy as np

from wss.inference import folder, label_sources, windows
from wss.inference.averaging import Averaging
from wss.inference.outputs import Outputs
from wss.settings import ranges

PREDICTION = 'prediction'  # The source of a method that has one only.


def label_folder(
    trained,
    images: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    source: str,
    threshold: float = 0.0,
    skip_existing: bool = False,
    report: Callable[[str], None] = print,
    window: int | None = None,
    overlap: float = 0.33,
) -> folder.Predicted:
    """Writes pseudo labels, their confidence, and the list of images to label next.

    For each image `NAME.png` (the label; the ignore value where it is less confident than the
    threshold), `NAME_overlay.jpg` and `NAME_confidence.png`; for all `label_next.csv`
    (`label_next.order`). See `folder.predict_folder` for what happens to images that fail.

    Args:
        trained: The `Predictor` of a run.
        images: Folder of images, or one image; also several, patterns and lists of these.
        out: Folder of this machine to write to.
        source: One of `sources(trained.method)`.
        threshold: Confidence from which a pixel has a label, 0 to 1.
        skip_existing: Whether an image is skipped that has its files.
        report: Prints a line about an image that is not labelled.
        window: Pixels, 33 to 4097. An image with a longer side is labelled in square windows of
            these sides, blended as predictions are (`windows`); None for whole images.
        overlap: Share of a window that the next one shows again, 0 to 0.9.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
        ValueError: If an option is out of range, or `out` cannot be the place.
        OSError: If `out` cannot be written, or the disk is full.
    """
    ranges.share('threshold', threshold)
    ranges.choice('source', source, sources(trained.method))
    info = trained.method.info
    how = trained.fitting(Averaging(window=window, overlap=overlap))
    outputs = Outputs(skip_existing=skip_existing, confidence=True)
    distributions = _distributions(trained, source)

    def predict(batch):
        (image,) = batch
        size = image.shape[:2]
        if how.cuts(size):
            bands = windows.bands(distributions, image, how.window, how.overlap)
        else:
            bands = [(0, distributions(batch)[0])]
        labels, confidence = np.empty(size, np.int32), np.empty(size, np.float32)
        for top, band in bands:
            rows = slice(top, top + len(band))
            labels[rows], confidence[rows] = band.argmax(axis=-1), band.max(axis=-1)
            del band  # `bands` says why.
        labels[confidence < threshold] = info.ignore_value
        return labels[np.newaxis], confidence[np.newaxis, ..., np.newaxis]

    needed = trained.needed(how, probabilities=how.window is None)
    if source != PREDICTION:
        needed = label_sources.needed(trained.method, trained.frame, how)
    return folder.predict_folder(images, out, predict, info, report, needed, outputs)


def _distributions(trained, source):
    """Returns a function from images `[n, H, W, 3]` to the float32 `[n, H, W, C]` of a source."""
    if source == PREDICTION:
        return lambda images: trained.predict_images(images, probabilities=True)[1]
    of_image = label_sources.for_images(trained.method, trained.frame)
    return lambda images: np.stack([of_image(image)[source] for image in images])


def sources(method) -> tuple[str, ...]:
    """Returns the names of what labels of a method may come from."""
    return tuple(method.label_settings) or (PREDICTION,)


def default_source(method, best: str | None) -> str:
    """Returns the source that was the best on the validation images, or else that of the run.

    Args:
        method: A `Method`.
        best: Name of the source that was the best; None if none was measured.
    """
    if best in sources(method):
        return best
    chosen = [name for name, (_, has_it) in method.label_settings.items() if has_it]
    return chosen[0] if chosen else PREDICTION
