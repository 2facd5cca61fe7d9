"""Batches of whole images, padded, to score and to predict."""

import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.pipeline import batches
from wss.pipeline.batches import Example
from wss.pipeline.shares import Share
from wss.settings import ranges
from wss.views import geometry


def evaluation_batches(
    examples: Examples,
    size: tuple[int, int],
    padding_value: tuple[float, float, float],
    batch_size: int,
    workers: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns every example once, in order and unscaled, padded at the bottom and on the right.

    Args:
        examples: Examples, with or without label maps.
        size: Height and width to pad to, `(H, W)`.
        padding_value: Three floats in 0..255, the RGB outside the image.
        batch_size: Examples a batch, `B`.
        workers: Threads that load examples; None for as many as there are cores.
        context: See `batches.training_batches`. Every replica has as many batches as the others.

    Returns:
        A finite dataset of dicts, all shapes static (`B` is one replica's share): `image` float32
        `[B, H, W, 3]` in 0..255, `label` int32 `[B, H, W]` (the ignore value on padding, and
        everywhere if the examples have no label maps), `valid` float32 `[B, H, W]`, `id` string
        `[B]`. Items that fill the last batch are all padding and have the id ''.

    Raises:
        ValueError: If there is no example, the batch size is below 1 or an image is larger than
            `size`.
    """
    workers = batches.cores() if workers is None else workers
    ranges.whole('Validation.batch_size', batch_size, 1, ranges.MOST_IN_BATCH)
    batches.check_examples(examples, 'evaluation')
    size, info = tuple(size), examples.info
    if any(largest > side for largest, side in zip(examples.max_size, size, strict=True)):
        raise ValueError(
            f'The images to evaluate are up to {examples.max_size[0]} x {examples.max_size[1]} '
            f'pixels (height x width), more than the evaluation size {size[0]} x {size[1]}; '
            'evaluate at a larger size.'
        )

    pad = tf.autograph.experimental.do_not_convert(
        lambda example: _padded(example, info, size, padding_value)
    )
    filler = {
        'image': tf.broadcast_to(tf.constant(padding_value, tf.float32), (*size, 3)),
        'label': tf.fill(size, info.ignore_value),
        'valid': tf.zeros(size),
        'id': tf.constant(''),
    }
    share = Share('Validation.batch_size', batch_size, context)
    count = -(-len(examples) // batch_size)
    dataset = share.numbers(0).take(count * share.size)
    dataset = dataset.map(
        lambda i: tf.cond(i < len(examples), lambda: pad(examples.load(i)), lambda: filler),
        num_parallel_calls=workers,
    )
    dataset = dataset.batch(share.replica_size, drop_remainder=True)
    return batches.with_threads(dataset, workers, share.replicas)


def size_for(examples: Examples, backbone) -> tuple[int, int]:
    """Returns the height and width to which a backbone needs its examples padded."""
    stride = backbone.output_stride
    # The network refuses smaller crops, and a run is loaded at this size.
    smallest = 2 * stride + 1
    return evaluation_size([max(side, smallest) for side in examples.max_size], stride)


def evaluation_size(max_size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Returns the smallest height and width of the form `k * stride + 1` that hold `max_size`.

    With this form the corners of feature maps and image coincide (aligned corners).
    """
    height, width = (-(-(side - 1) // stride) * stride + 1 for side in max_size)
    return height, width


def _padded(example: Example, info: DatasetInfo, size, padding_value) -> Example:
    place = geometry.unchanged(tf.shape(example['image'])[:2])
    if 'label' in example:
        label = geometry.crop_label(example['label'], place, size, info.ignore_value)
    else:
        label = tf.fill(size, info.ignore_value)
    return {
        'image': geometry.crop_image(example['image'], place, size, padding_value),
        'label': label,
        'valid': tf.cast(geometry.inside(place, size), tf.float32),
        'id': example['id'],
    }
