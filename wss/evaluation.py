"""Scores a method on a split, and says the scores in a table."""

import tensorflow as tf

from wss import metrics


def evaluate(method, batches: tf.data.Dataset) -> dict:
    """Scores a method, with the moving averages of its weights if it has any.

    Args:
        method: A compiled `Method`.
        batches: From `pipeline.evaluation_batches`, with label maps.

    Returns:
        `iou`, `miou`, `pixel_accuracy` and `pixels`, as `metrics.summarise` says, and the
        method's `extra_scores`.

    Raises:
        ValueError: If not one pixel is labelled.
    """
    method.reset_scores()
    # Accelerators have no strings; the ids stay behind.
    parts = batches.map(lambda batch: {name: batch[name] for name in ('image', 'label')})
    with method.averaged():
        method.evaluate(parts, verbose=0)
    scores = metrics.summarise(method.confusion.counts.numpy())
    if not scores['pixels']:
        raise ValueError('There is nothing to score: the split has no labelled pixel.')
    return {**scores, **method.extra_scores()}


def by_class(scores: dict, class_names) -> dict:
    """Returns the scores with `iou` as a dict by class name, for JSON files."""
    return {**scores, 'iou': dict(zip(class_names, scores['iou'], strict=True))}


def table(scores: dict) -> str:
    """Lays out scores from `by_class` in percent: IoU by class, mIoU, accuracy; `-` if absent."""
    classes = [(name, _percent(value)) for name, value in scores['iou'].items()]
    totals = percentages(scores)
    width = max(len(name) for name, _ in classes + totals)
    rule = '-' * (width + 8)
    rows = [('class', 'IoU %'), *classes, *totals]
    lines = [f'{name:<{width}}  {text:>6}' for name, text in rows]
    return '\n'.join([lines[0], rule, *lines[1 : 1 + len(classes)], rule, *lines[-len(totals) :]])


def percentages(scores: dict) -> list[tuple[str, str]]:
    """Lists the scores that are one number each: name and percent, as people read them."""
    names = {'miou': 'mIoU'}
    return [
        (names.get(name, name.replace('_', ' ')), _percent(value))
        for name, value in scores.items()
        if isinstance(value, float)
    ]


def _percent(value):
    return '-' if value is None else f'{100 * value:.2f}'
