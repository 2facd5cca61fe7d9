"""Scores a method on a split, and says the scores in a table."""

import tensorflow as tf

from wss import metrics


def evaluate(method, batches: tf.data.Dataset) -> dict:
    """Scores a method.

    Args:
        method: A compiled `Method`.
        batches: From `pipeline.evaluation_batches`, with label maps.

    Returns:
        `iou`, `miou`, `pixel_accuracy` and `pixels`, as `metrics.summarise` says.

    Raises:
        ValueError: If not one pixel is labelled.
    """
    method.confusion.reset_state()
    # Accelerators have no strings; the ids stay behind.
    parts = batches.map(lambda batch: {name: batch[name] for name in ('image', 'label')})
    method.evaluate(parts, verbose=0)
    scores = metrics.summarise(method.confusion.counts.numpy())
    if not scores['pixels']:
        raise ValueError('There is nothing to score: the split has no labelled pixel.')
    return scores


def by_class(scores: dict, class_names) -> dict:
    """Returns the scores with `iou` as a dict by class name, for JSON files."""
    return {**scores, 'iou': dict(zip(class_names, scores['iou'], strict=True))}


def table(scores: dict) -> str:
    """Lays out scores from `by_class` in percent: IoU by class, mIoU, accuracy; `-` if absent."""
    rows = [
        *scores['iou'].items(),
        ('mIoU', scores['miou']),
        ('pixel accuracy', scores['pixel_accuracy']),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f'{name:<{width}}  {_percent(value):>6}' for name, value in rows]
    rule = '-' * (width + 8)
    return '\n'.join([f'{"class":<{width}}  {"IoU %":>6}', rule, *lines[:-2], rule, *lines[-2:]])


def _percent(value):
    return '-' if value is None else f'{100 * value:.2f}'
