"""The losses of PseudoSeg (Zou et al., 2021, section 3), each a float32 scalar.

Each is the mean over the whole batch. With several replicas, the mean of their values is the loss
of the whole batch, since pixels are counted over all replicas. Only hard-pixel mining uses the
pixels of one replica alone, as in the authors' program.
"""

import dataclasses

import tensorflow as tf

from wss.devices import replicas
from wss.networks import resize
from wss.settings import ranges


def supervised(
    logits: tf.Tensor,
    labels: tf.Tensor,
    ignore_value: int = 255,
    label_weights: tuple[float, ...] | None = None,
    hard_share: float | tf.Tensor | None = None,
) -> tf.Tensor:
    """Softmax cross-entropy, the mean over labelled pixels; 0 without labelled pixels.

    Args:
        logits: float `[N, h, w, C]`, resized to the labels bilinearly with aligned corners.
        labels: int32 `[N, H, W]`, classes or `ignore_value`.
        ignore_value: Label of the pixels that do not count.
        label_weights: Factor of a pixel's loss by its class, `C` of them. The sum is still divided
            by the number of labelled pixels, not by the sum of their weights, as in the authors'
            program.
        hard_share: In (0, 1], `hardest_mean` of the weighted losses with this share in place of the
            mean; None for the mean.

    Returns:
        float32 scalar, in nats.

    Example:
        >>> from wss.methods.losses import supervised
        >>> logits = tf.zeros([1, 2, 2, 4])  # All four classes are equally likely.
        >>> labels = tf.constant([[[0, 3], [255, 255]]])
        >>> round(float(supervised(logits, labels)), 4)  # log(4); ignored pixels do not count.
        1.3863
    """
    logits = resize.bilinear(tf.cast(logits, tf.float32), resize.spatial_size(labels))
    labelled = labels != ignore_value
    classes = tf.where(labelled, labels, 0)
    pixel_losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
    labelled = tf.cast(labelled, tf.float32)
    weights = labelled
    if label_weights is not None:
        weights *= tf.gather(tf.constant(label_weights, tf.float32), classes)
    if hard_share is not None:
        return hardest_mean(pixel_losses * weights, hard_share)
    pixels = replicas.mean(tf.reduce_sum(labelled))
    return tf.math.divide_no_nan(tf.reduce_sum(pixel_losses * weights), pixels)


def hardest_mean(pixel_losses: tf.Tensor, share: float | tf.Tensor) -> tf.Tensor:
    """Mean of the highest losses of a batch; 0 if there are none.

    As in the authors' program the share is that of all pixels, ignored ones included, rounded down;
    of these highest losses the ones that are exactly 0 (ignored pixels, classes of weight 0) do not
    count in the mean.

    Args:
        pixel_losses: float32 of any shape, 0 for pixels that are ignored.
        share: Share of the pixels, float32 in [0, 1].

    Example:
        >>> from wss.methods.losses import hardest_mean
        >>> float(hardest_mean(tf.constant([1.0, 2.0, 3.0, 0.0]), 0.5))
        2.5
    """
    # Sort all, since accelerators cannot take a number of values that changes with the step.
    highest = tf.sort(tf.reshape(pixel_losses, [-1]), direction='DESCENDING')
    pixels = tf.size(highest)
    kept = tf.cast(share * tf.cast(pixels, tf.float32), tf.int32)
    highest = tf.where(tf.range(pixels) < kept, highest, 0.0)
    return tf.math.divide_no_nan(
        tf.reduce_sum(highest), tf.reduce_sum(tf.cast(highest != 0, tf.float32))
    )


def annealed_share(step: int | tf.Tensor, share: float, steps: int) -> tf.Tensor:
    """Share of the hardest pixels at a step: from 1 at step 0 linearly to `share` at `steps`.

    Args:
        step: Updates so far, integer scalar.
        share: Share in the end, in (0, 1].
        steps: Steps until it is reached, above 0.

    Returns:
        float32 scalar.

    Example:
        >>> from wss.methods.losses import annealed_share
        >>> [float(annealed_share(step, 0.5, 100)) for step in (0, 50, 100, 200)]
        [1.0, 0.75, 0.5, 0.5]
    """
    progress = tf.minimum(1.0, tf.cast(step, tf.float32) / steps)
    return progress * share + (1.0 - progress)


@dataclasses.dataclass(frozen=True)
class SupervisedLoss:
    """The loss against label maps, with options of the authors' program that are off by default.

    Attributes:
        label_weights: Factor of a pixel's loss by its class, 0 to 1000, one for each; None for 1.
        hard_share: Share of the pixels, those with the highest losses, that count (hard-pixel
            mining), 0.001 to 1; 1 for all.
        hard_steps: Steps in which that share falls from 1 to `hard_share`; 0 for `hard_share` from
            the start.

    Raises:
        ValueError: If an option is outside its range.

    Example:
        >>> from wss.methods.losses import SupervisedLoss
        >>> loss = SupervisedLoss(label_weights=(1.0, 2.0))
        >>> logits, labels = tf.zeros([1, 1, 2, 2]), tf.constant([[[0, 1]]])
        >>> round(float(loss(logits, labels, 255, step=0)), 4)  # log(2) * (1 + 2) / 2
        1.0397
    """

    label_weights: tuple[float, ...] | None = None
    hard_share: float = 1.0
    hard_steps: int = 0

    def __post_init__(self):
        if self.label_weights is not None:
            setting = 'SupervisedLoss.label_weights'
            ranges.several(setting, self.label_weights, range(1, 256), ranges.number, 0, 1000)
            if not any(self.label_weights):
                ranges.refuse(setting, self.label_weights, 'above 0 for one class or more')
        ranges.number('SupervisedLoss.hard_share', self.hard_share, 0.001, 1)
        ranges.whole('SupervisedLoss.hard_steps', self.hard_steps, 0, ranges.MOST_STEPS)

    def check_classes(self, num_classes: int) -> None:
        """Raises ValueError if there is not one label weight for each class."""
        if self.label_weights is not None and len(self.label_weights) != num_classes:
            raise ValueError(
                f'SupervisedLoss.label_weights has {len(self.label_weights)} weights; the dataset '
                f'has {num_classes} classes.'
            )

    def __call__(self, logits, labels, ignore_value: int, step) -> tf.Tensor:
        """Computes `supervised` with these options; `step` is the number of updates so far."""
        share = None
        if self.hard_share < 1:
            share = self.hard_share
            if self.hard_steps:
                share = annealed_share(step, share, self.hard_steps)
        return supervised(logits, labels, ignore_value, self.label_weights, share)


def classification(image_logits: tf.Tensor, image_label: tf.Tensor) -> tf.Tensor:
    """Sigmoid cross-entropy, the mean over images and classes.

    Args:
        image_logits: float `[N, K]`.
        image_label: float32 `[N, K]` of 0 and 1.

    Returns:
        float32 scalar, in nats.

    Example:
        >>> from wss.methods.losses import classification
        >>> round(float(classification(tf.zeros([1, 2]), tf.constant([[0.0, 1.0]]))), 4)  # log(2)
        0.6931
    """
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(
            labels=image_label, logits=tf.cast(image_logits, tf.float32)
        )
    )


def consistency(
    strong_logits: tf.Tensor, pseudo_label: tf.Tensor, valid: tf.Tensor, confident: tf.Tensor
) -> tf.Tensor:
    """Cross-entropy of the strong view against the pseudo label of the weak view.

    The sum runs over valid and confident pixels and is divided by the number of valid ones, so a
    batch with few confident pixels weighs less. 0 where no pixel is valid.

    Args:
        strong_logits: float `[N, h, w, C]`.
        pseudo_label: float32 `[N, h, w, C]`, a distribution over classes (one-hot if hard); a
            constant to this loss.
        valid: float32 `[N, h, w]`, 1 inside the image and outside CutOut.
        confident: float32 `[N, h, w]` of 0 and 1.

    Returns:
        float32 scalar, in nats.

    Example:
        >>> from wss.methods.losses import consistency
        >>> logits, ones = tf.zeros([1, 1, 2, 2]), tf.ones([1, 1, 2])
        >>> pseudo_label = tf.constant([[[[1.0, 0.0], [0.5, 0.5]]]])
        >>> confident = tf.constant([[[1.0, 0.0]]])
        >>> round(float(consistency(logits, pseudo_label, ones, confident)), 4)  # log(2) / 2
        0.3466
    """
    pixel_losses = tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.stop_gradient(pseudo_label), logits=tf.cast(strong_logits, tf.float32)
    )
    pixels = replicas.mean(tf.reduce_sum(valid))
    return tf.math.divide_no_nan(tf.reduce_sum(pixel_losses * valid * confident), pixels)


def hard_consistency(
    logits: tf.Tensor, label: tf.Tensor, valid: tf.Tensor, confident: tf.Tensor
) -> tf.Tensor:
    """`consistency` against one class a pixel.

    Args:
        logits: float `[N, h, w, C]`.
        label: int32 `[N, h, w]`, classes; a constant to this loss.
        valid: float32 `[N, h, w]`, 1 where pixels count; the sum is divided by their number.
        confident: float32 `[N, h, w]`, factors of the pixels' losses, 0 or 1.

    Returns:
        float32 scalar, in nats.

    Example:
        >>> from wss.methods.losses import hard_consistency
        >>> logits, ones = tf.zeros([1, 1, 2, 2]), tf.ones([1, 1, 2])
        >>> label, confident = tf.constant([[[1, 0]]]), tf.constant([[[1.0, 0.0]]])
        >>> round(float(hard_consistency(logits, label, ones, confident)), 4)  # log(2) / 2
        0.3466
    """
    pixel_losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=label, logits=tf.cast(logits, tf.float32)
    )
    pixels = replicas.mean(tf.reduce_sum(valid))
    return tf.math.divide_no_nan(tf.reduce_sum(pixel_losses * valid * confident), pixels)


def weight_decay(kernels, factor: float) -> tf.Tensor:
    """`0.5 * factor * sum ||w||^2` over the kernels; 0 for no kernel or a factor of 0.

    Example:
        >>> from wss.methods.losses import weight_decay
        >>> float(weight_decay([tf.constant([3.0, 4.0])], 0.5))
        6.25
    """
    if not factor or not kernels:
        return tf.constant(0.0)
    return factor * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])


def total(values: dict[str, tf.Tensor], made_by: str) -> tf.Tensor:
    """Returns the sum of the losses of a step, float32 scalar.

    Args:
        values: What `compute_losses` returned.
        made_by: Name of the method's class.

    Raises:
        ValueError: If these are not float32 scalars by name.
    """
    own = f'{made_by}.compute_losses must return a dict of losses by name'
    if not isinstance(values, dict):
        raise ValueError(f'{own}; it returned a {type(values).__name__}.')
    if not values:
        raise ValueError(f'{own}; it returned an empty one.')
    for name, value in values.items():
        if not tf.is_tensor(value):
            raise ValueError(f'{own}; {name!r} is a {type(value).__name__}, not a tensor.')
        if value.dtype != tf.float32 or value.shape.rank != 0:
            raise ValueError(
                f'{own}, each a float32 scalar; {name!r} is {value.dtype.name} {value.shape}.'
            )
    return tf.add_n(list(values.values()))
