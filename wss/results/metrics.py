"""Segmentation measures from one confusion matrix."""

import numpy as np
import tensorflow as tf
import tf_keras as keras


class ConfusionMatrix(keras.metrics.Metric):
    """Counts pixels by true and predicted class over a whole dataset.

    Args:
        num_classes: `C`.
        ignore_value: Label of the pixels that do not count.
        name: Name of the metric.

    Example:
        >>> from wss.results.metrics import ConfusionMatrix
        >>> confusion = ConfusionMatrix(num_classes=2)
        >>> confusion.update_state(tf.constant([0, 0, 1, 255]), tf.constant([0, 1, 1, 0]))
        >>> confusion.result().numpy().tolist()
        [[1, 1], [0, 1]]
    """

    def __init__(self, num_classes: int, ignore_value: int = 255, name: str = 'confusion'):
        super().__init__(name=name, dtype=tf.int64)
        self.num_classes = num_classes
        self.ignore_value = ignore_value
        self.counts = self.add_weight(
            'counts', (num_classes, num_classes), initializer='zeros', dtype=tf.int64
        )

    def update_state(self, labels, predictions, weights=None):
        """Adds pixels.

        Args:
            labels: int32 of any shape, classes or `ignore_value`.
            predictions: int32 of the same shape, classes.
            weights: The same shape, 0 for pixels that do not count; all count by default.
        """
        counted = labels != self.ignore_value
        if weights is not None:
            counted = tf.logical_and(counted, weights > 0)
        cells = tf.where(counted, labels * self.num_classes + predictions, self.num_classes**2)
        # One bin more than cells: uncounted pixels fall into it, so that shapes stay static. The
        # raw operation: `tf.math.bincount` finds its number of bins in the data, which XLA refuses.
        counts = tf.raw_ops.DenseBincount(
            input=tf.reshape(cells, [-1]),
            size=self.num_classes**2 + 1,
            weights=tf.constant([], tf.int64),
        )
        self.counts.assign_add(tf.reshape(counts[:-1], self.counts.shape))

    def result(self):
        """Returns the int64 `[C, C]` counts, rows the true and columns the predicted class."""
        return tf.identity(self.counts)

    def reset_state(self):
        """Sets all counts to 0."""
        # Not `zeros_like`, which would read, and so sum, the counts of all replicas.
        self.counts.assign(tf.zeros(self.counts.shape, tf.int64))


def summarise(counts: np.ndarray) -> dict:
    """Computes the usual measures of a confusion matrix.

    Args:
        counts: `[C, C]`, rows the true and columns the predicted class.

    Returns:
        `iou`: list of `C` floats in [0, 1], None for a class that neither occurs nor is
        predicted; `precision` and `recall`: lists of the shares of its predicted and of its true
        pixels that are right, None where there are none; `miou`: the mean IoU over the classes that
        have one; `classes`: how many those are; `only_predicted`: which of them are predicted but
        never true, so that their IoU is 0; `frequency_weighted_iou`: the mean IoU weighted by true
        pixels; `pixel_accuracy`: share of counted pixels that are right; `pixels`: how many were
        counted. Means over nothing are None.

    Example:
        >>> from wss.results.metrics import summarise
        >>> measures = summarise([[1, 1], [0, 1]])
        >>> measures['iou'], measures['miou'], measures['pixels']
        ([0.5, 0.5], 0.5, 3)
    """
    counts = np.asarray(counts, np.float64)
    right = np.diag(counts)
    predicted, true = counts.sum(axis=0), counts.sum(axis=1)
    union = predicted + true - right
    iou = shares(right, union)
    pixels = counts.sum()
    weighted = float(np.dot(true, [value or 0 for value in iou]) / pixels) if pixels else None
    return {
        'iou': iou,
        'precision': shares(right, predicted),
        'recall': shares(right, true),
        'miou': mean_of_known(iou),
        'classes': sum(value is not None for value in iou),
        'only_predicted': np.flatnonzero((true == 0) & (predicted > 0)).tolist(),
        'frequency_weighted_iou': weighted,
        'pixel_accuracy': float(right.sum() / pixels) if pixels else None,
        'pixels': int(pixels),
    }


def shares(parts, wholes) -> list[float | None]:
    """Returns each part as a share of its whole; None where the whole is 0."""
    return [float(part / all_) if all_ else None for part, all_ in zip(parts, wholes, strict=True)]


def mean_of_known(values: list[float | None]) -> float | None:
    """Returns the mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


class PseudoLabelQuality(ConfusionMatrix):
    """Accuracy of soft labels against masks, and the share of confident pixels.

    Args:
        num_classes: `C`.
        ignore_value: Label of the pixels that do not count.
        confidence: Probability from which a pixel is confident.
        name: Name of the metric.
    """

    def __init__(self, num_classes: int, ignore_value: int, confidence: float, name: str):
        super().__init__(num_classes, ignore_value, name)
        self.confidence = confidence
        self.confident = self.add_weight('confident', (2,), initializer='zeros', dtype=tf.int64)

    def update_state(self, labels, probabilities, valid):
        """Adds pixels.

        Args:
            labels: int32 `[N, h, w]`.
            probabilities: float32 `[N, h, w, C]`.
            valid: float32 `[N, h, w]`, 0 for pixels that do not count.
        """
        predictions = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        super().update_state(labels, predictions, valid)
        confident = tf.reduce_max(probabilities, axis=-1) >= self.confidence
        counted = tf.reduce_sum(tf.cast(valid > 0, tf.int64))
        confident = tf.reduce_sum(tf.cast(tf.logical_and(confident, valid > 0), tf.int64))
        self.confident.assign_add(tf.stack([confident, counted]))

    def reset_state(self):
        """Sets all counts to 0."""
        super().reset_state()
        self.confident.assign(tf.zeros(self.confident.shape, tf.int64))

    def totals(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns `counts` int64 `[C, C]` and `confident` int64 `[2]` over all replicas."""
        return self.counts.read_value().numpy(), self.confident.read_value().numpy()

    def summary(self) -> dict[str, float]:
        """Returns `summarise` of what was added so far."""
        return self.summarise(*self.totals())

    def summarise(self, counts, confident) -> dict[str, float]:
        """Returns `quality_summary` of `totals`."""
        return quality_summary(counts, confident)

    def tags(self, summary: dict[str, float]) -> dict[str, float]:
        """Returns the values of a summary by their names in TensorBoard."""
        return {f'pseudo_label_{measure}/{self.name}': v for measure, v in summary.items()}


def quality_summary(counts: np.ndarray, confident: np.ndarray) -> dict[str, float]:
    """Summarises `PseudoLabelQuality.totals`.

    Args:
        counts: `[C, C]`, rows the true and columns the predicted class.
        confident: Confident and counted pixels, `[2]`.

    Returns:
        `accuracy`, `miou` and `confident`, shares in 0..1; nothing where nothing was counted.
    """
    measures = summarise(counts)
    if not confident[1] or measures['miou'] is None:
        return {}
    return {
        'accuracy': measures['pixel_accuracy'],
        'miou': measures['miou'],
        'confident': float(confident[0] / confident[1]),
    }


class ImageLabelQuality(keras.metrics.Metric):
    """Precision and recall of predicted image-level labels, by class.

    Args:
        class_names: Names of the `K` classes.
        name: Name of the metric.

    Example:
        >>> from wss.results.metrics import ImageLabelQuality
        >>> quality = ImageLabelQuality(('bird', 'boat'), 'classifier')
        >>> quality.update_state(tf.constant([[1.0, 1.0]]), tf.constant([[1.0, 0.0]]))
        >>> quality.summary()['recall/mean'], quality.summary()['recall/boat']
        (0.5, 0.0)
    """

    def __init__(self, class_names, name: str):
        super().__init__(name=name, dtype=tf.int64)
        self.class_names = class_names
        self.counts = self.add_weight(
            'counts', (3, len(class_names)), initializer='zeros', dtype=tf.int64
        )

    def update_state(self, labels, predictions):
        """Adds images: true and predicted labels, float32 `[N, K]` of 0 and 1."""
        parts = tf.stack([labels * predictions, predictions, labels])
        self.counts.assign_add(tf.cast(tf.reduce_sum(parts, axis=1), tf.int64))

    def result(self):
        """Returns the int64 `[3, K]` counts of `totals`."""
        return tf.identity(self.counts)

    def reset_state(self):
        """Sets all counts to 0."""
        self.counts.assign(tf.zeros(self.counts.shape, tf.int64))

    def totals(self) -> tuple[np.ndarray]:
        """Returns int64 `[3, K]` over all replicas: images of a class rightly predicted, predicted,
        true.
        """
        return (self.counts.read_value().numpy(),)

    def summary(self) -> dict[str, float]:
        """Returns `summarise` of what was added so far."""
        return self.summarise(*self.totals())

    def summarise(self, counts) -> dict[str, float]:
        """Summarises `totals`.

        Returns:
            `precision/NAME`, the share of the images for which a class is predicted that show it,
            and `recall/NAME`, the share of the images with a class for which it is predicted, each
            in 0..1 and left out for a class without such images; and the means over the classes
            that have them, `precision/mean` and `recall/mean`.
        """
        right, *wholes = np.asarray(counts, np.float64)
        found = {}
        for measure, whole in zip(('precision', 'recall'), wholes, strict=True):
            known = np.flatnonzero(whole)
            if len(known):
                shares = right[known] / whole[known]
                found[f'{measure}/mean'] = float(shares.mean())
                names = (self.class_names[i] for i in known)
                found |= {f'{measure}/{n}': float(s) for n, s in zip(names, shares, strict=True)}
        return found

    def tags(self, summary: dict[str, float]) -> dict[str, float]:
        """Returns the values of a summary by their names in TensorBoard."""
        return {f'{self.name}_{measure}': value for measure, value in summary.items()}
