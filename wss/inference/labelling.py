"""Pseudo labels of images without masks."""

import os
from collections.abc import Callable, Sequence

import numpy as np

from wss.inference import folder, label_sources
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

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
        ValueError: If an option is out of range, or `out` cannot be the place.
        OSError: If `out` cannot be written, or the disk is full.
    """
    ranges.share('threshold', threshold)
    ranges.choice('source', source, sources(trained.method))
    info = trained.method.info
    outputs = Outputs(skip_existing=skip_existing, confidence=True)
    of_image = label_sources.for_images(trained.method, trained.frame)

    def predict(batch):
        if source == PREDICTION:
            return labels_of(trained.predict_images(batch, probabilities=True)[1])
        return labels_of(of_image(batch[0])[source][np.newaxis])

    def labels_of(found):
        labels = found.argmax(axis=-1).astype(np.int32)
        labels[found.max(axis=-1) < threshold] = info.ignore_value
        return labels, found

    needed = trained.needed(probabilities=True)
    if source != PREDICTION:
        needed = label_sources.needed(trained.method, trained.frame)
    return folder.predict_folder(images, out, predict, info, report, needed, outputs)


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
