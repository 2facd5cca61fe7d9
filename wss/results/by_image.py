"""Scores of single images: the worst of them, and what a difference of two runs is worth."""

import dataclasses
import math

import numpy as np

from wss.results import boundary, metrics

_SHARE_OF_DIAGONAL = 0.02  # Cheng et al., section 4.
_PIXELS = 3
_BOUNDARIES = ('boundary_iou_3_pixels', 'boundary_iou_2_percent')
_SAMPLES = 2000
_INTERVAL = (2.5, 97.5)


@dataclasses.dataclass(frozen=True)
class ByImage:
    """Counts of pixels by image.

    Attributes:
        ids: Names of the `N` images.
        counts: int64 `[N, 3, C]`: pixels of each class that are right, true and predicted.
        boundaries: int64 `[N, 2, 2, C]`: `boundary.counts` for 3 pixels, and for 2 % of the
            diagonal of each image.
    """

    ids: tuple[str, ...]
    counts: np.ndarray
    boundaries: np.ndarray

    def miou(self) -> np.ndarray:
        """Returns float `[N]`, the mean IoU over the classes that truth or prediction show.

        NaN for an image without a pixel that counts.
        """
        return mean_iou(self.counts)

    def worst(self, number: int) -> list[int]:
        """Returns the positions of the images with the lowest mIoU, the worst first."""
        miou = self.miou()
        order = np.argsort(miou, kind='stable')
        return [int(i) for i in order[:number] if not math.isnan(miou[i])]

    def boundary_scores(self) -> dict:
        """Returns `boundary_iou_3_pixels` and `boundary_iou_2_percent`, and their means.

        Lists of `C` values, None for a class without such pixels; `boundary_miou_...` are floats.
        """
        found = {}
        for name, (right, union) in zip(_BOUNDARIES, self.boundaries.sum(axis=0), strict=True):
            found[name] = metrics.shares(right, union)
            found[name.replace('iou', 'miou')] = metrics.mean_of_known(found[name])
        return found


def of_image(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int, ignore_value: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `counts` and `boundaries` of one image, `[3, C]` and `[2, 2, C]`.

    Args:
        labels: Integers `[H, W]`, classes or the ignore value.
        predictions: Integers `[H, W]`, classes.
        num_classes: `C`.
        ignore_value: Label of the pixels that do not count.
    """
    counted = labels != ignore_value
    true, predicted = labels[counted], predictions[counted]
    parts = (true[true == predicted], true, predicted)
    counts = np.stack([np.bincount(part, minlength=num_classes) for part in parts])
    near = (_PIXELS, max(1, round(_SHARE_OF_DIAGONAL * math.hypot(*labels.shape))))
    return counts, boundary.counts(labels, predictions, near, num_classes, ignore_value)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """Returns the mean IoU over the classes that are true or predicted somewhere.

    Args:
        counts: `[..., 3, C]`: pixels of each class that are right, true and predicted.

    Returns:
        float `[...]`; NaN where nothing is counted.
    """
    iou = _iou(counts)
    known = ~np.isnan(iou)
    with np.errstate(invalid='ignore'):
        return np.where(known, iou, 0).sum(axis=-1) / known.sum(axis=-1)


def _iou(counts):
    right, true, predicted = np.moveaxis(np.asarray(counts, np.float64), -2, 0)
    union = true + predicted - right
    return np.divide(right, union, out=np.full(union.shape, np.nan), where=union > 0)


def difference(first: ByImage, second: ByImage, seed: int = 0) -> dict:
    """Compares two runs on the same images.

    The intervals are percentiles of 2,000 bootstrap samples: as many images, drawn with
    replacement, the same for both runs. They tell how much the choice of the images decides, not
    how much the seed of a training does.

    Args:
        first: The run to compare with.
        second: The other run.
        seed: Seed of the samples.

    Returns:
        `iou` and `miou`: lists `[first, second, difference, low, high]`, in [-1, 1], one for each
        class (None for one that a run neither shows nor predicts) and one for the mean.

    Raises:
        ValueError: If the images differ, or the pixels that are true.
    """
    if first.ids != second.ids:
        raise ValueError('The runs were scored on different images.')
    if not np.array_equal(first.counts[:, 1], second.counts[:, 1]):
        raise ValueError('The runs were scored on different masks.')
    images = len(first.ids)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(images, np.full(images, 1 / images), _SAMPLES).astype(np.float64)
    sums = [np.tensordot(drawn, run.counts, axes=1) for run in (first, second)]
    totals = [run.counts.sum(axis=0) for run in (first, second)]

    def compared(measure):
        values = np.stack([measure(total) for total in totals])  # [2] or [2, C]
        samples = measure(sums[1]) - measure(sums[0])  # [S] or [S, C]
        low, high = _percentiles(samples)
        return np.stack([*values, values[1] - values[0], low, high], axis=-1)

    return {
        'iou': [None if np.isnan(row).any() else row.tolist() for row in compared(_iou)],
        'miou': compared(mean_iou).tolist(),
    }


def _percentiles(samples):
    """Returns both ends of the interval; a sample without the class is left out."""
    known = ~np.isnan(samples).all(axis=0)
    found = np.full([2, *samples.shape[1:]], np.nan)
    found[:, known] = np.nanpercentile(samples[:, known], _INTERVAL, axis=0)
    return found


def table(compared: dict) -> str:
    """Lays out a comparison, in percent.

    Args:
        compared: `iou`, by class, and `miou`, each `first`, `second`, `difference`, `low` and
            `high`, or None.
    """
    rows = {**compared['iou'], 'mIoU': compared['miou']}
    width = max(map(len, ('IoU %', *rows)))
    lines = [f'{"IoU %":<{width}}   first  second  difference (95 %)']
    for name, row in rows.items():
        if row is None:
            lines.append(f'{name:<{width}}       -       -           -')
            continue
        one, other, change, low, high = (100 * value for value in row.values())
        interval = f'({low:+.2f} to {high:+.2f})'
        lines.append(f'{name:<{width}}  {one:6.2f}  {other:6.2f}  {change:+10.2f} {interval}')
    return '\n'.join(lines)
