"""How good the labels of the unlabelled images were in a run, and its classifier."""

import functools
import os
import statistics
from collections.abc import Mapping

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wss.configuration.quiet import tf
from wss.runs import events

SOURCES = ('decoder', 'sgc', 'fused')
NAMES = (
    *(f'{place}/{source}' for place in ('crops', 'photos') for source in SOURCES),
    *('recall', 'precision'),
)
_CURVE = 'pseudo_label_miou'
_CLASSIFIER = {'recall': 'classifier_recall/mean', 'precision': 'classifier_precision/mean'}


def read(workdir: str | os.PathLike, result: Mapping) -> dict[str, float] | None:
    """Reads the quality of the three labels of a finished run of PseudoSeg.

    Args:
        workdir: Folder of the run.
        result: Content of its `result.json`.

    Returns:
        Shares in 0..1 by `NAMES`. `crops/SOURCE` is the mIoU of the labels of unlabelled crops, and
        `recall` and `precision` are those of the classifier on them: means over what was reported
        after half of the steps. `crops/fused` is the label that the run learns, whatever its
        source. `photos/SOURCE` is the mIoU on whole validation photos at the end. None for a run
        that has no such labels.
    """
    points = _points(str(workdir))
    tags = {f'crops/{source}': f'{_CURVE}/{source}' for source in SOURCES} | _CLASSIFIER
    late = {
        name: [value for step, value in points.get(tag, ()) if 2 * step > result['steps']]
        for name, tag in tags.items()
    }
    sources = result.get('label_sources', {})
    photos = {f'photos/{source}': sources.get(source, {}).get('miou') for source in SOURCES}
    if not all(late.values()) or None in photos.values():
        return None
    found = {name: statistics.fmean(values) for name, values in late.items()} | photos
    return {name: found[name] for name in NAMES}


def curves(workdir: str | os.PathLike) -> dict[str, list[tuple[int, float]]]:
    """Returns the mIoU in percent of each kind of label over training: steps and values."""
    return {
        tag.removeprefix(f'{_CURVE}/'): [(step, 100 * value) for step, value in points]
        for tag, points in _points(str(workdir)).items()
        if tag.startswith(f'{_CURVE}/')
    }


@functools.cache  # A finished run does not change, and its scores are read after every other run.
def _points(workdir: str) -> dict[str, list[tuple[int, float]]]:
    """Reads these scalars of a finished run from TensorBoard's files: steps and values by name."""
    folder = os.path.join(workdir, events.FOLDER)
    if not os.path.isdir(folder):
        return {}
    reader = EventAccumulator(folder, {'tensors': 0})
    reader.Reload()
    return {
        tag: [
            (point.step, float(tf.make_ndarray(point.tensor_proto)))
            for point in reader.Tensors(tag)
        ]
        for tag in sorted(reader.Tags()['tensors'])
        if tag.startswith(f'{_CURVE}/') or tag in _CLASSIFIER.values()
    }
