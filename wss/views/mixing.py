"""CutMix inside the unlabelled batch (French et al., BMVC 2020, with the boxes of UniMatch)."""

import tensorflow as tf

from wss.networks import resize

AREAS = (0.02, 0.4)  # Shares of the crop.
ASPECTS = (0.3, 1 / 0.3)  # Height over width.


def sample_box(crop_size: tuple[int, int], probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Samples where a view shows another image.

    The area is uniform in 2 to 40 % of the crop, the aspect is uniform in 0.3 to 1 / 0.3, and every
    place in which the box is wholly inside the crop is equally likely. A side that would be longer
    than the crop is as long as the crop, and the other one keeps the area.

    Args:
        crop_size: `(H, W)` of the view.
        probability: Probability of a box.
        seed: int32 or int64 `[2]`.

    Returns:
        int32 `[4]`: top, left, bottom and right in pixels, the last two exclusive; all 0 for no
        box.
    """
    seeds = tf.random.experimental.stateless_split(seed, 5)
    chosen, area, aspect, row, column = (
        tf.random.stateless_uniform([], one) for one in tf.unstack(seeds, num=5)
    )
    area = (AREAS[0] + area * (AREAS[1] - AREAS[0])) * crop_size[0] * crop_size[1]
    aspect = ASPECTS[0] + aspect * (ASPECTS[1] - ASPECTS[0])
    height = tf.clip_by_value(tf.sqrt(area * aspect), area / crop_size[1], crop_size[0])

    def side(length, whole, place):
        length = tf.clip_by_value(tf.cast(tf.round(length), tf.int32), 1, whole)
        places = tf.cast(whole - length + 1, tf.float32)
        start = tf.minimum(tf.cast(place * places, tf.int32), whole - length)
        return start, start + length

    top, bottom = side(height, crop_size[0], row)
    left, right = side(area / height, crop_size[1], column)
    return tf.where(chosen < probability, tf.stack([top, left, bottom, right]), 0)


def in_boxes(boxes: tf.Tensor, size, full_size) -> tf.Tensor:
    """Marks the pixels of maps that lie in the boxes of their views.

    Args:
        boxes: int32 `[N, 4]` from `sample_box`.
        size: `(h, w)` of the maps. Their pixels stand for those of the view that `resize.nearest`
            chooses, as for the mask of valid pixels.
        full_size: `(H, W)` of the views.

    Returns:
        bool `[N, h, w]`.
    """
    top, left, bottom, right = (side[:, tf.newaxis] for side in tf.unstack(boxes, num=4, axis=1))
    rows, columns = (
        _chosen(full, side) for full, side in zip(full_size, (size[0], size[1]), strict=True)
    )
    in_rows = (rows >= top) & (rows < bottom)
    in_columns = (columns >= left) & (columns < right)
    return in_rows[:, :, tf.newaxis] & in_columns[:, tf.newaxis]


def _chosen(full, side):
    """Returns which of `full` pixels in a line `resize.nearest` chooses for `side`: int32."""
    line = tf.range(full, dtype=tf.float32)[tf.newaxis, :, tf.newaxis]
    return tf.cast(resize.nearest(line, (side, 1))[0, :, 0], tf.int32)


def mix_all(values, boxes: tf.Tensor | None, full_size) -> list[tf.Tensor]:
    """Mixes each of several tensors as `mix` does; without boxes they stay as they are."""
    if boxes is None:
        return list(values)
    return [mix(one, boxes, full_size) for one in values]


def mix(values: tf.Tensor, boxes: tf.Tensor, full_size) -> tf.Tensor:
    """Shows another image inside the box: the one before it in the batch of this replica.

    Images, labels, probabilities, confidences and masks of a batch are mixed by the same boxes. The
    first image shows the last one. Images of other replicas are never shown.

    Args:
        values: `[N, h, w]` or `[N, h, w, D]` of any type.
        boxes: int32 `[N, 4]` from `sample_box`.
        full_size: `(H, W)` of the views.

    Returns:
        The shape and type of `values`.

    Example:
        >>> from wss.views.mixing import mix
        >>> values = tf.constant([[[1, 1, 1]], [[2, 2, 2]]])  # Two images of 1 x 3 pixels.
        >>> boxes = tf.constant([[0, 1, 1, 3], [0, 0, 0, 0]])
        >>> mix(values, boxes, (1, 3))[:, 0].numpy().tolist()
        [[1, 2, 2], [2, 2, 2]]
    """
    inside = in_boxes(boxes, values.shape[1:3], full_size)
    if values.shape.rank == 4:
        inside = inside[..., tf.newaxis]
    return tf.where(inside, tf.roll(values, 1, axis=0), values)


def strong_view(unlabelled, ending: str = '') -> tf.Tensor:
    """Returns a strong view that the network sees, float32 `[M, H, W, 3]`: mixed if it has boxes.

    Args:
        unlabelled: Unlabelled part of a batch.
        ending: `_2` for the second strong view.
    """
    strong = unlabelled[f'strong{ending}']
    return mix_all([strong], unlabelled.get(f'box{ending}'), strong.shape[1:3])[0]
