"""Batches of whole images, padded, to score weights."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.pipeline import batches, frame
from wss.pipeline.frame import Frame
from wss.pipeline.shares import Share
from wss.settings import ranges

# Pixels of one replica's batch, where the images have sizes of their own: the network needs about
# 100 bytes a pixel and more.
MOST_PIXELS = 2**22
_PIXELS_AHEAD = 2**24  # Of images that are loaded while the network computes.


@dataclasses.dataclass(frozen=True)
class Batch:
    """Which examples make a batch, and their sizes (height, width), which are the same for all.

    Attributes:
        positions: Positions of the examples; -1 for an item that only fills the batch.
        shown: Size of the part of the image that the label map shows, after scaling.
        padded: Size of the image.
        label: Size of the label map.
    """

    positions: tuple[int, ...]
    shown: frame.Size
    padded: frame.Size
    label: frame.Size

    @property
    def images(self) -> int:
        """How many images it has."""
        return sum(position >= 0 for position in self.positions)

    @property
    def largest(self) -> int:
        """Pixels of an image or of its label map, whichever has more."""
        return max(height * width for height, width in (self.padded, self.label))

    @property
    def pixels(self) -> int:
        """Pixels of all its images as the network sees them: the measure of its cost."""
        return self.images * self.padded[0] * self.padded[1]


class WholeImages:
    """Makes batches that have every example once, those of equal padded size together.

    An image is padded by `Frame`, which looks at this image alone. Larger ones come first. On one
    device the last batch of a size is smaller than the others. Several replicas need as many
    images each, and a TPU batches of one shape: there items of padding, without a labelled pixel,
    fill the batches.

    Attributes:
        plan: The batches, in their order.
        examples: The examples.
        frame: How images are scaled and padded.

    Args:
        examples: Examples, with or without label maps.
        frame: How images are scaled and padded. Label maps are not scaled: an image that is scaled
            down is scored at its own size.
        batch_size: Images a batch, of all replicas together; a multiple of `replicas`. Batches of
            images that are not padded to `Frame.size` have fewer, so that one replica's share is
            at most `MOST_PIXELS` pixels, or one image.
        replicas: How many replicas share a batch.
        fill: Whether batches are filled for one replica too.
        workers: Threads that load examples; None for as many as there are cores.

    Raises:
        ValueError: If there is no example, or the batch size is below 1 or cannot be divided.
    """

    def __init__(
        self,
        examples: Examples,
        frame: Frame,
        batch_size: int,
        replicas: int = 1,
        fill: bool = False,
        workers: int | None = None,
    ):
        self._workers = batches.cores() if workers is None else workers
        ranges.whole('Validation.batch_size', batch_size, 1, ranges.MOST_IN_BATCH)
        batches.check_examples(examples, 'evaluation')
        Share('Validation.batch_size', batch_size, tf.distribute.InputContext(1, 0, replicas))
        self.examples = examples
        self.frame = frame
        self._sizes = _sizes(examples, frame, self._workers)
        self.plan = _plan(self._sizes, frame, batch_size, replicas, fill or replicas > 1)

    def __call__(self, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """Returns a finite dataset of batches.

        Args:
            context: See `batches.training_batches`. Every replica has as many batches as the
                others; None for one replica that has whole batches.

        Returns:
            Dicts (`B` is one replica's share): `image` float32 `[B, H, W, 3]` in 0..255, `label`
            int32 `[B, H', W']` (the ignore value on padding, and everywhere if the examples have no
            label maps), `id` string `[B]`, '' for what only fills a batch. If `Frame.long_side` is
            set also `rows` float32 `[B, H']` and `columns` float32 `[B, W']`: which pixels of
            `image` those of `label` are; else they are the same. Dimensions are static where all
            batches have the same.
        """
        pieces = [piece for batch in self.plan for piece in _pieces(batch, context)]
        counts = tf.constant([len(piece.positions) for piece in pieces], tf.int64)
        items = {
            'piece': np.repeat(np.arange(len(pieces)), counts),
            'position': np.concatenate([piece.positions for piece in pieces]).astype(np.int64),
        }
        for name in ('shown', 'padded', 'label'):
            sizes = np.array([getattr(piece, name) for piece in pieces], np.int32)
            items[name] = np.repeat(sizes, counts, axis=0)
        load = tf.autograph.experimental.do_not_convert(self._load)
        largest = max(piece.largest for piece in pieces)
        at_a_time = max(1, min(self._workers, _PIXELS_AHEAD // largest))
        dataset = tf.data.Dataset.from_tensor_slices(items).map(
            lambda item: (item['piece'], load(item)), num_parallel_calls=at_a_time
        )
        dataset = dataset.group_by_window(
            lambda piece, _: piece,
            lambda piece, window: window.map(lambda _, item: item).batch(counts[piece]),
            window_size_func=lambda piece: counts[piece],
        )
        shapes = (
            _only({len(piece.positions) for piece in pieces}),
            _only({piece.padded for piece in pieces}) or (None, None),
            _only({piece.label for piece in pieces}) or (None, None),
        )
        dataset = dataset.map(lambda batch: _with_shapes(batch, *shapes))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(pieces)))
        # Every replica's next batch waits, and where these are small the one after that too.
        waiting = len(pieces) // len(self.plan) * (2 if at_a_time == self._workers else 1)
        return batches.with_threads(dataset, self._workers, waiting)

    def sizes_of(self, position: int) -> tuple[frame.Size, frame.Size]:
        """Returns the sizes of an example without padding: of its image, and of its label map.

        Where its size was not read, because the frame holds all images, it is that of the frame.

        Args:
            position: Position of the example.
        """
        own = self._sizes[position]
        return tuple(self.frame.scaled_size(own).numpy().tolist()), tuple(own.tolist())

    def _load(self, item):
        info = self.examples.info
        padded, label_size = item['padded'], item['label']

        def real():
            example = self.examples.load(item['position'])
            own = tf.shape(example['image'])[:2]
            image = frame.scaled_images(example['image'][tf.newaxis], self.frame.long_side)
            label = tf.fill(label_size, info.ignore_value)
            if 'label' in example:
                room = [[0, label_size[0] - own[0]], [0, label_size[1] - own[1]]]
                label = tf.pad(example['label'], room, constant_values=info.ignore_value)
            return {
                'image': self.frame.padded(image, padded)[0],
                'label': label,
                'id': example['id'],
            }

        def filler():
            colour = tf.constant(self.frame.padding_value, tf.float32)
            return {
                'image': tf.broadcast_to(colour, [padded[0], padded[1], 3]),
                'label': tf.fill(label_size, info.ignore_value),
                'id': tf.constant(''),
            }

        made = tf.cond(item['position'] >= 0, real, filler)
        made['image'] = tf.ensure_shape(made['image'], (None, None, 3))
        made['label'] = tf.ensure_shape(made['label'], (None, None))
        if self.frame.long_side is not None:
            grid = frame.original_grid(item['shown'], label_size)
            made |= {'rows': grid.rows, 'columns': grid.columns}
        return made


def _sizes(examples: Examples, rule: Frame, workers: int) -> np.ndarray:
    """Returns the sizes of the images, int32 `[n, 2]`; reads them where they are not known."""
    if examples.sizes is not None:
        return np.asarray(examples.sizes, np.int32)
    numbers = tf.data.Dataset.range(len(examples))
    shape = numbers.map(examples.load).element_spec['image'].shape
    if shape[:2].is_fully_defined():
        return np.tile(np.int32(shape[:2]), (len(examples), 1))
    if rule.size and not rule.long_side and np.all(np.less_equal(examples.max_size, rule.size)):
        return np.tile(np.int32(rule.size), (len(examples), 1))
    sizes = numbers.map(
        lambda i: tf.shape(examples.load(i)['image'])[:2], num_parallel_calls=workers
    )
    return np.stack(list(sizes.as_numpy_iterator()))


def _plan(sizes, rule, batch_size, replicas, fill) -> list[Batch]:
    """Divides examples of the sizes `[n, 2]` into batches."""
    scaled = rule.scaled_size(sizes).numpy()
    padded = rule.padded_size(scaled).numpy()
    is_scaled = (scaled != sizes).any(axis=-1, keepdims=True)
    label = np.where(is_scaled, sizes, padded)
    shown = np.where(is_scaled, scaled, padded)
    groups, members = np.unique(
        np.concatenate([shown, padded, label], axis=-1), axis=0, return_inverse=True
    )
    members = members.reshape(-1)  # Of another shape in some versions of NumPy.
    order = np.argsort(-groups[:, 2] * groups[:, 3].astype(np.int64), kind='stable')
    plan = []
    for number in order:
        group = [tuple(groups[number, i : i + 2].tolist()) for i in (0, 2, 4)]
        each = batch_size // replicas
        if group[1] != rule.size:
            each = max(1, min(each, MOST_PIXELS // Batch((), *group).largest))
        here = np.flatnonzero(members == number)
        plan += [
            Batch(_filled(here[start : start + each * replicas], each * replicas, fill), *group)
            for start in range(0, len(here), each * replicas)
        ]
    return plan


def _filled(positions, count, fill) -> tuple[int, ...]:
    missing = count - len(positions) if fill else 0
    return (*positions.tolist(), *[-1] * missing)


def _pieces(batch: Batch, context) -> Sequence[Batch]:
    """Returns this host's parts of a batch, one for each of its replicas."""
    if context is None:
        return [batch]
    share = Share('Validation.batch_size', len(batch.positions), context)
    starts = range(share.offset, share.offset + share.size, share.replica_size)
    return [
        dataclasses.replace(batch, positions=batch.positions[start : start + share.replica_size])
        for start in starts
    ]


def _only(values):
    """Returns the only value of a set; None if there are several."""
    return next(iter(values)) if len(values) == 1 else None


def _with_shapes(batch, count, padded, label):
    shapes = {
        'image': (count, *padded, 3),
        'label': (count, *label),
        'rows': (count, label[0]),
        'columns': (count, label[1]),
        'id': (count,),
    }
    return {name: tf.ensure_shape(value, shapes[name]) for name, value in batch.items()}
