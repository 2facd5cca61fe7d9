"""Scores a method on a split, and lays out the scores in a table."""

import types
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wss.results import by_image, metrics
from wss.results.by_image import ByImage

# Measures that have a value for each class, and their columns in tables.
COLUMNS = {
    'iou': 'IoU %',
    'precision': 'precision %',
    'recall': 'recall %',
    'boundary_iou_3_pixels': 'boundary 3 px',
    'boundary_iou_2_percent': 'boundary 2 %',
}
_OPTIONS = ('overlap', 'veto')  # What was asked of an evaluation.
_NAMES = {
    'miou': 'mIoU',
    'frequency_weighted_iou': 'frequency-weighted IoU',
    'boundary_miou_3_pixels': 'boundary mIoU, 3 pixels',
    'boundary_miou_2_percent': 'boundary mIoU, 2 % of the diagonal',
}


def evaluate(method, make_batches: Callable[..., tf.data.Dataset], callbacks=()) -> dict:
    """Scores a method, with the moving averages of its weights if it has any.

    Every image counts once: what fills a batch has no labelled pixel.

    Args:
        method: A compiled `Method`.
        make_batches: From a `tf.distribute.InputContext`, or None for a single device, to batches
            with label maps, such as `evaluation.WholeImages`.
        callbacks: Keras callbacks for `evaluate`.

    Returns:
        `iou`, `miou`, `classes`, `only_predicted`, `pixel_accuracy` and `pixels`, as in
        `metrics.summarise`, and the method's `extra_scores`.

    Raises:
        ValueError: If no pixel is labelled.
    """

    def parts(context=None):
        # Accelerators have no strings, so the ids are left out.
        batches = make_batches(context).map(
            lambda batch: {name: value for name, value in batch.items() if name != 'id'}
        )
        # Endless batches, so that replicas need not agree at every step whether there are more. One
        # replica would only load the first images again.
        return batches.repeat() if strategy.num_replicas_in_sync > 1 else batches

    strategy = method.distribute_strategy
    steps = int(make_batches(None).cardinality())
    method.reset_scores()
    with method.averaged():
        method.evaluate(
            strategy.distribute_datasets_from_function(parts),
            steps=steps,
            callbacks=list(callbacks),
            verbose=0,
        )
    return {**_summary(method.confusion), **method.extra_scores()}


def evaluate_singly(
    predict: Callable[[np.ndarray], np.ndarray], examples, make_progress: Callable
) -> tuple[dict, np.ndarray, ByImage]:
    """Scores what predicts one image at a time, at the size of its mask.

    Args:
        predict: From uint8 `[H, W, 3]` to a label map int32 `[H, W]`.
        examples: `Examples` with label maps.
        make_progress: Makes a callback from a plan, such as `EvaluationProgress`.

    Returns:
        The scores as `evaluate` returns them, with boundary IoU and without `extra_scores`; the
        confusion matrix, int64 `[C, C]`; and the counts of each image.

    Raises:
        ValueError: If no pixel is labelled.
    """
    info = examples.info
    confusion = metrics.ConfusionMatrix(info.num_classes, info.ignore_value)
    sizes = np.ones([len(examples), 2], int) if examples.sizes is None else examples.sizes
    progress = make_progress(
        [types.SimpleNamespace(images=1, pixels=int(np.prod(size))) for size in sizes]
    )
    progress.on_test_begin()
    loaded = tf.data.Dataset.range(len(examples)).map(examples.load).prefetch(1)
    found = []
    for number, example in enumerate(loaded.as_numpy_iterator()):
        labels, predictions = example['label'], predict(example['image'])
        confusion.update_state(labels, predictions)
        found.append(by_image.of_image(labels, predictions, info.num_classes, info.ignore_value))
        progress.on_test_batch_end(number)
    progress.on_test_end()
    scores = _summary(confusion)
    counts, boundaries = (np.stack(parts) for parts in zip(*found, strict=True))
    images = ByImage(tuple(examples.ids), counts, boundaries)
    return {**scores, **images.boundary_scores()}, confusion.result().numpy(), images


def _summary(confusion):
    scores = metrics.summarise(confusion.result().numpy())
    if not scores['pixels']:
        raise ValueError('There is nothing to score: the split has no labelled pixel.')
    return scores


def by_class(scores: dict, class_names) -> dict:
    """Returns the scores with names in place of class indices, for JSON files.

    Args:
        scores: From `evaluate`.
        class_names: Name of each class.

    Returns:
        The scores, with those of `COLUMNS` as dicts by class name and `only_predicted` as a list of
        names, and `absent`: the names of the classes that neither occur nor are predicted, which
        are not part of `miou`.
    """
    named = {
        name: dict(zip(class_names, scores[name], strict=True))
        for name in COLUMNS
        if name in scores
    }
    return {
        **scores,
        **named,
        'absent': [name for name, value in named['iou'].items() if value is None],
        'only_predicted': [class_names[i] for i in scores['only_predicted']],
    }


def table(scores: dict) -> str:
    """Lays out scores from `by_class` in percent: measures by class, means, accuracy; `-` if none.

    Lines below name the classes that are not part of the mIoU, and those that only the predictions
    show.
    """
    columns = {name: head for name, head in COLUMNS.items() if name in scores}
    totals = percentages(scores)
    width = max(len(name) for name in [*scores['iou'], *dict(totals)])
    rows = [
        [name, *(_percent(scores[column][name]) for column in columns)] for name in scores['iou']
    ]
    heads = ['class', *columns.values()]
    # Wide enough for 100.00.
    widths = [max(len(head), 6) for head in columns.values()]
    rule = '-' * (width + sum(each + 2 for each in widths))

    def line(cells):
        name, *values = cells
        padded = (f'  {value:>{each}}' for value, each in zip(values, widths, strict=False))
        return f'{name:<{width}}{"".join(padded)}'

    body = [line(heads), rule, *map(line, rows), rule, *map(line, totals)]
    return '\n'.join([*body, *_notes(scores)])


def _notes(scores):
    """Returns sentences about the classes that the masks do not show."""
    notes = []
    if scores['absent']:
        notes.append(
            f'The mIoU is the mean over {scores["classes"]} of {len(scores["iou"])} classes: '
            f'neither a mask nor a prediction shows {", ".join(scores["absent"])}.'
        )
    if scores['only_predicted']:
        names = ', '.join(scores['only_predicted'])
        notes.append(f'Predicted, but in no mask, so that the IoU is 0: {names}.')
    return notes


def percentages(scores: dict) -> list[tuple[str, str]]:
    """Lists the scores that are one number each: name and percent, as text."""
    return [
        (_NAMES.get(name, name.replace('_', ' ')), _percent(value))
        for name, value in scores.items()
        if isinstance(value, float) and name not in _OPTIONS
    ]


def _percent(value):
    return '-' if value is None else f'{100 * value:.2f}'
