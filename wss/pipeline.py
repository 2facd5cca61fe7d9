"""From examples to batches of views for training, and of padded images for evaluation."""

import functools
import os
from collections.abc import Callable

import tensorflow as tf

from wss import example_cache
from wss.datasets.info import DatasetInfo, Examples
from wss.views import geometry
from wss.views.views import Views

Example = dict[str, tf.Tensor]

_MOST_IN_BATCH = 2**16
_MOST_WORKERS = 32  # What they have made but nobody took yet fills the memory.


def cores() -> int:
    """Returns how many threads make views unless another number is given, at most 32."""
    usable = getattr(os, 'sched_getaffinity', lambda process: range(os.cpu_count() or 1))
    return min(len(usable(0)), _MOST_WORKERS)


def training_batches(
    labelled: Examples,
    unlabelled: Examples | None,
    info: DatasetInfo,
    views: Views,
    padding_value: tuple[float, float, float],
    labelled_batch_size: int,
    unlabelled_batch_size: int,
    seed: int,
    first_step: int = 0,
    cache_bytes: int = 2**30,
    workers: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns endless batches, a function of the arguments alone (Zou et al., 2021, section 3).

    Element `i` of the batch of step `t` is number `p = t * batch_size + i` of its stream. A stream
    shows every example once an epoch, in an order drawn from (seed, stream, epoch); the views of
    number `p` are drawn from (seed, stream, `p`). So training goes on at `first_step` with the
    batches that it would have had, without replaying the ones before.

    Args:
        labelled: Examples with label maps.
        unlabelled: Examples of the second stream, or None for the labelled stream alone.
        info: Classes of the dataset.
        views: Makes the views.
        padding_value: Three floats in 0..255, the RGB outside the image.
        labelled_batch_size: Labelled examples a batch, `B`.
        unlabelled_batch_size: Unlabelled examples a batch, `U`; without meaning if there are none.
        seed: Seed of the run.
        first_step: Number of the first batch, from 0.
        cache_bytes: Examples that fit, decoded, into this much memory are decoded only once, at
            the start: the labelled ones first, the unlabelled ones in what is left.
        workers: Threads that make views; None for as many as there are cores.
        context: Which of several hosts this is, and how many replicas there are; None for one host
            with one replica. Each host reads and makes its own part of every batch, and gives one
            element to each of its replicas in turn, so that together they have what one replica
            would have.

    Returns:
        A dataset of nested dicts, all shapes static (`B` and `U` are one replica's parts):
        `labelled`: `image` float32 `[B, h, w, 3]` in 0..255, `label` int32 `[B, h, w]`, `valid`
        float32 `[B, h, w]`, `image_label` float32 `[B, num_image_classes]`.
        `unlabelled` (absent if None): `weak` and `strong` float32 `[U, h, w, 3]`, `valid` float32
        `[U, h, w]`, and, where known, `label` int32 `[U, h, w]` and `image_label` float32
        `[U, num_image_classes]`.

    Raises:
        ValueError: If a stream has no example, labelled examples have no label map, or a number is
            out of range.
    """
    _check_whole('run.labelled_batch_size', labelled_batch_size, 1, _MOST_IN_BATCH)
    _check_whole('first_step', first_step, 0)
    _check_whole('cache_bytes', cache_bytes, 0)
    workers = cores() if workers is None else workers
    _check_whole('run.input_workers', workers, 1)
    _check_examples(labelled, 'labelled')
    if not labelled.has_label:
        raise ValueError(
            'The labelled examples have no label maps; name a split or a list with masks.'
        )
    if unlabelled is not None:
        _check_whole('run.unlabelled_batch_size', unlabelled_batch_size, 1, _MOST_IN_BATCH)
        _check_examples(unlabelled, 'unlabelled')

    sources = {'labelled': (labelled, labelled_batch_size, views.labelled)}
    if unlabelled is not None:
        sources['unlabelled'] = (unlabelled, unlabelled_batch_size, views.unlabelled)
    streams = {}
    for stream, (role, (examples, batch_size, make_views)) in enumerate(sources.items()):
        examples, used = example_cache.cached(examples, cache_bytes, workers)
        cache_bytes -= used
        make_views = functools.partial(make_views, info=info, padding_value=padding_value)
        part = Part(f'run.{role}_batch_size', batch_size, context)
        streams[role] = stream_batches(
            examples, make_views, part, seed, stream, first_step, workers
        )
    return with_threads(tf.data.Dataset.zip(streams), workers, part.replicas)


def evaluation_batches(
    examples: Examples,
    info: DatasetInfo,
    size: tuple[int, int],
    padding_value: tuple[float, float, float],
    batch_size: int,
    workers: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns every example once, in order and unscaled, padded at the bottom and on the right.

    Args:
        examples: Examples, with or without label maps.
        info: Classes of the dataset.
        size: Height and width to pad to, `(H, W)`.
        padding_value: Three floats in 0..255, the RGB outside the image.
        batch_size: Examples a batch, `B`.
        workers: Threads that load examples; None for as many as there are cores.
        context: As `training_batches` has it. Every replica has as many batches as the others.

    Returns:
        A finite dataset of dicts, all shapes static (`B` is one replica's part): `image` float32
        `[B, H, W, 3]` in 0..255, `label` int32 `[B, H, W]` (the ignore value on padding, and
        everywhere if the examples have no label maps), `valid` float32 `[B, H, W]`, `id` string
        `[B]`. Items that fill the last batch are all padding and have the id ''.

    Raises:
        ValueError: If there is no example, the batch size is below 1 or an image is larger than
            `size`.
    """
    workers = cores() if workers is None else workers
    _check_whole('run.evaluation_batch_size', batch_size, 1, _MOST_IN_BATCH)
    _check_examples(examples, 'evaluation')
    size = tuple(size)
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
    part = Part('run.evaluation_batch_size', batch_size, context)
    batches = -(-len(examples) // batch_size)
    dataset = part.numbers(0).take(batches * part.size)
    dataset = dataset.map(
        lambda i: tf.cond(i < len(examples), lambda: pad(examples.load(i)), lambda: filler),
        num_parallel_calls=workers,
    )
    batches = dataset.batch(part.replica_size, drop_remainder=True)
    return with_threads(batches, workers, part.replicas)


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


def stream_batches(
    examples: Examples,
    make_views: Callable[..., Example],
    part: 'Part',
    seed: int,
    stream: int = 0,
    first_step: int = 0,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Returns endless batches of the views of one stream (see `training_batches`).

    Args:
        examples: At least one.
        make_views: From an example and a `seed` (int64 `[2]`) to a dict of tensors.
        part: Size of the batches.
        seed: Seed of the run.
        stream: Number of the stream, which decides over its random numbers.
        first_step: Number of the first batch, from 0.
        workers: Threads that make views; None for as many as there are cores.
    """
    workers = workers or cores()
    fold_in = tf.random.experimental.stateless_fold_in
    count = len(examples)
    # Order and views draw from different seeds, so that neither says anything about the other.
    order_seed = tf.constant([seed, 2 * stream], tf.int64)
    views_seed = tf.constant([seed, 2 * stream + 1], tf.int64)

    # Autograph would only cost time: there is nothing to convert here. `load` may need it.
    @tf.autograph.experimental.do_not_convert
    def position(number):
        return tf.random.experimental.index_shuffle(
            number % count,
            fold_in(order_seed, number // count),
            tf.constant(count - 1, tf.int64),
        )

    @tf.autograph.experimental.do_not_convert
    def view(example, number):
        return make_views(example, seed=fold_in(views_seed, number))

    elements = part.numbers(first_step).map(
        lambda number: view(examples.load(position(number)), number), num_parallel_calls=workers
    )
    return elements.batch(part.replica_size, drop_remainder=True)


class Part:
    """The part of every batch that this host makes: `size` elements from `offset` on.

    Attributes:
        size: Elements of this host.
        offset: Number of its first one in the batch.
        replicas: Replicas of this host.
        replica_size: Elements of each of them.

    Args:
        name: What messages call the batch size.
        batch_size: Elements a batch, of all replicas together.
        context: Which of several hosts this is; None for the only one, with one replica.

    Raises:
        ValueError: If the batch cannot be divided evenly.
    """

    def __init__(
        self, name: str, batch_size: int, context: tf.distribute.InputContext | None = None
    ):
        context = context or tf.distribute.InputContext()
        replicas, hosts = context.num_replicas_in_sync, context.num_input_pipelines
        if batch_size % replicas:
            raise ValueError(
                f'{name} = {batch_size} cannot be divided among {replicas} replicas; take a '
                'multiple.'
            )
        self.size = batch_size // hosts
        self.offset = self.size * context.input_pipeline_id
        self.replicas = replicas // hosts
        self.replica_size = batch_size // replicas
        self._batch_size = batch_size

    def numbers(self, first_step) -> tf.data.Dataset:
        """Returns the numbers of this host's elements in their stream, from a step on."""
        here = tf.data.Dataset.counter(start=first_step * self.size)
        return here.map(lambda n: n // self.size * self._batch_size + self.offset + n % self.size)


def with_threads(dataset: tf.data.Dataset, workers: int, replicas: int = 1) -> tf.data.Dataset:
    """Returns the dataset, made ahead by `workers` threads of its own, always in one order.

    Two elements wait for each of the host's replicas.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = workers
    return dataset.prefetch(2 * replicas).with_options(options)


def _check_whole(name: str, value: int, least: int, most: int | None = None):
    if type(value) is not int or value < least:
        raise ValueError(f'{name} = {value!r}: it must be a whole number of {least} or more.')
    if most is not None and value > most:
        raise ValueError(f'{name} = {value}: it must be at most {most}.')


def _check_examples(examples: Examples, role: str):
    if not len(examples):
        raise ValueError(f'There are no {role} examples; name a split or a list that has some.')
