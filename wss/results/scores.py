"""Scores a method on a split, and lays out the scores in a table."""

import types
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wss.results import metrics


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
) -> dict:
    """Scores what predicts one image at a time, at the size of its mask.

    Args:
        predict: From uint8 `[H, W, 3]` to a label map int32 `[H, W]`.
        examples: `Examples` with label maps.
        make_progress: Makes a callback from a plan, such as `EvaluationProgress`.

    Returns:
        See `evaluate`, without `extra_scores`.

    Raises:
        ValueError: If no pixel is labelled.
    """
    confusion = metrics.ConfusionMatrix(examples.info.num_classes, examples.info.ignore_value)
    sizes = np.ones([len(examples), 2], int) if examples.sizes is None else examples.sizes
    progress = make_progress(
        [types.SimpleNamespace(images=1, pixels=int(np.prod(size))) for size in sizes]
    )
    progress.on_test_begin()
    loaded = tf.data.Dataset.range(len(examples)).map(examples.load).prefetch(1)
    for number, example in enumerate(loaded.as_numpy_iterator()):
        confusion.update_state(example['label'], predict(example['image']))
        progress.on_test_batch_end(number)
    progress.on_test_end()
    return _summary(confusion)


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
        The scores, with `iou` as a dict by class name and `only_predicted` as a list of names, and
        `absent`: the names of the classes that neither occur nor are predicted, which are not part
        of `miou`.
    """
    iou = dict(zip(class_names, scores['iou'], strict=True))
    return {
        **scores,
        'iou': iou,
        'absent': [name for name, value in iou.items() if value is None],
        'only_predicted': [class_names[i] for i in scores['only_predicted']],
    }


def table(scores: dict) -> str:
    """Lays out scores from `by_class` in percent: IoU by class, mIoU, accuracy; `-` if absent.

    Lines below name the classes that are not part of the mIoU, and those that only the predictions
    show.
    """
    classes = [(name, _percent(value)) for name, value in scores['iou'].items()]
    totals = percentages(scores)
    width = max(len(name) for name, _ in classes + totals)
    rule = '-' * (width + 8)
    rows = [('class', 'IoU %'), *classes, *totals]
    lines = [f'{name:<{width}}  {text:>6}' for name, text in rows]
    body = [rule, *lines[1 : 1 + len(classes)], rule, *lines[-len(totals) :], *_notes(scores)]
    return '\n'.join([lines[0], *body])


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
    names = {'miou': 'mIoU'}
    return [
        (names.get(name, name.replace('_', ' ')), _percent(value))
        for name, value in scores.items()
        if isinstance(value, float)
    ]


def _percent(value):
    return '-' if value is None else f'{100 * value:.2f}'
