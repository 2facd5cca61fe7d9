"""From examples to batches of views, for training."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping

import tensorflow as tf

from wss.datasets.examples import Examples
from wss.pipeline import cache
from wss.pipeline.shares import Share
from wss.settings import ranges
from wss.views.views import Views

Example = dict[str, tf.Tensor]

_MOST_WORKERS = 32  # The views that wait to be used fill the memory.


def cores() -> int:
    """Returns the default number of threads that make views: one a core, at most 32."""
    usable = getattr(os, 'sched_getaffinity', lambda process: range(os.cpu_count() or 1))
    return min(len(usable(0)), _MOST_WORKERS)


@dataclasses.dataclass(frozen=True)
class Stream:
    """The examples of one stream, and how many of them a batch has.

    Attributes:
        examples: The examples, those of the labelled stream with label maps.
        batch_size: Examples a batch, of all replicas together.
    """

    examples: Examples
    batch_size: int


def training_batches(
    streams: Mapping[str, Stream],
    views: Views,
    padding_value: tuple[float, float, float],
    seed: int,
    first_step: int = 0,
    cache_bytes: int = 2**30,
    workers: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns endless batches, a function of the arguments alone (Zou et al., 2021, section 3).

    Element `i` of the batch of step `t` is number `p = t * batch_size + i` of its stream. A stream
    shows every example once an epoch, in an order that depends on (seed, stream, epoch); the views
    of number `p` depend on (seed, stream, `p`). So a run that resumes at `first_step` has the
    batches of one that was not stopped, without making the ones before.

    Args:
        streams: `labelled`, and `unlabelled` where a method learns from it.
        views: Makes the views.
        padding_value: Three floats in 0..255, the RGB outside the image.
        seed: Seed of the run.
        first_step: Number of the first batch, from 0.
        cache_bytes: Examples that fit, decoded, into this much memory are decoded only once, at
            the start: the labelled ones first, the unlabelled ones in what is left.
        workers: Threads that make views; None for as many as there are cores.
        context: Which of several hosts this is, and how many replicas there are; None for one host
            with one replica. Each host reads and makes its own share of every batch, and gives one
            element to each of its replicas in turn, so that together they have the batch of
            one replica.

    Returns:
        A dataset of nested dicts, all shapes static (`B` and `U` are one replica's shares):
        `labelled`: `image` float32 `[B, h, w, 3]` in 0..255, `label` int32 `[B, h, w]`, `valid`
        float32 `[B, h, w]`, `image_label` float32 `[B, num_image_classes]`.
        `unlabelled` (absent if there is no such stream): `weak` and `strong` float32
        `[U, h, w, 3]`, `valid` float32 `[U, h, w]`, and, where known, `label` int32 `[U, h, w]` and
        `image_label` float32 `[U, num_image_classes]`.

    Raises:
        ValueError: If a stream has no example, labelled examples have no label map, or a number is
            out of range.
    """
    ranges.whole('first_step', first_step, 0, 2**62)
    ranges.whole('cache_bytes', cache_bytes, 0, 2**62)
    workers = cores() if workers is None else workers
    ranges.whole('Compute.input_workers', workers, 1, 256)
    for name, stream in streams.items():
        setting = f'{name.capitalize()}.batch_size'
        ranges.whole(setting, stream.batch_size, 1, ranges.MOST_IN_BATCH)
        check_examples(stream.examples, name)
    if not streams['labelled'].examples.has_label:
        raise ValueError(
            'The labelled examples have no label maps; name a split or a list with masks.'
        )
    made = {}
    for number, (name, stream) in enumerate(streams.items()):
        examples, used = cache.cached(stream.examples, cache_bytes, workers)
        cache_bytes -= used
        make_views = functools.partial(
            getattr(views, name), info=examples.info, padding_value=padding_value
        )
        share = Share(f'{name.capitalize()}.batch_size', stream.batch_size, context)
        made[name] = stream_batches(examples, make_views, share, seed, number, first_step, workers)
    return with_threads(tf.data.Dataset.zip(made), workers, 2 * share.replicas)


def stream_batches(
    examples: Examples,
    make_views: Callable[..., Example],
    share: Share,
    seed: int,
    stream: int = 0,
    first_step: int = 0,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Returns endless batches of the views of one stream (see `training_batches`).

    Args:
        examples: At least one.
        make_views: From an example and a `seed` (int64 `[2]`) to a dict of tensors.
        share: This host's share of every batch.
        seed: Seed of the run.
        stream: Number of the stream, on which its random numbers depend.
        first_step: Number of the first batch, from 0.
        workers: Threads that make views; None for as many as there are cores.
    """
    workers = workers or cores()
    fold_in = tf.random.experimental.stateless_fold_in
    count = len(examples)
    # Order and views have different seeds, so that they are independent.
    order_seed = tf.constant([seed, 2 * stream], tf.int64)
    views_seed = tf.constant([seed, 2 * stream + 1], tf.int64)

    # Nothing here needs autograph, which would cost time. `load` may need it.
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

    elements = share.numbers(first_step).map(
        lambda number: view(examples.load(position(number)), number), num_parallel_calls=workers
    )
    return elements.batch(share.replica_size, drop_remainder=True)


def with_threads(dataset: tf.data.Dataset, workers: int, waiting: int = 2) -> tf.data.Dataset:
    """Returns the dataset, made ahead by `workers` threads, always in the same order.

    Args:
        dataset: The dataset.
        workers: How many threads.
        waiting: How many elements wait to be used: two for each of the host's replicas.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = workers
    return dataset.prefetch(waiting).with_options(options)


def check_examples(examples: Examples, role: str):
    if not len(examples):
        raise ValueError(f'There are no {role} examples; name a split or a list that has some.')
