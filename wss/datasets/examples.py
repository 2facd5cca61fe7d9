"""Random access to the examples of one split of a dataset."""

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from wss.datasets.files import reasons
from wss.datasets.info import DatasetInfo


class SelectionError(ValueError):
    """Ids do not select from the examples of a dataset."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Random access to the examples of one split.

    Attributes:
        ids: A unique name for each example.
        load: From an int64 scalar (position in `ids`) to an example: `image` uint8 `[H, W, 3]`,
            `id` string, and, where the flags below say so, `label` int32 `[H, W]` and
            `image_label` float32 `[num_image_classes]` of 0 and 1. Can be traced by `tf.data`.
        has_label: Whether examples have a `label`.
        max_size: Largest height and largest width in pixels.
        info: Classes of the dataset.
        has_image_label: Whether examples have an `image_label` that does not come from a mask.
        skipped: Ids of the split that are left out because their files are damaged.
        mask_classes: bool `[n, num_classes]`, the classes that the mask of each example shows;
            None if that takes decoding.
        held_out: How many images of validation and test splits were left out, by split; None if
            that was not looked for.
        sizes: int `[n, 2]`, height and width of each image in pixels; None if that takes reading.
        class_pixels: int `[n, num_classes]`, how many pixels of each class the mask of each example
            has; None if that takes decoding.

    Example:
        >>> from wss.datasets.examples import Examples
        >>> from wss.datasets.shapes import Shapes
        >>> examples = Shapes(counts={'train': 4}).examples('train')
        >>> len(examples), examples.max_size
        (4, (97, 97))
        >>> examples.select(['train-000002', 'train-000001']).ids
        ('train-000002', 'train-000001')
    """

    ids: tuple[str, ...]
    load: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    has_label: bool
    max_size: tuple[int, int]
    info: DatasetInfo
    has_image_label: bool = False
    skipped: tuple[str, ...] = ()
    mask_classes: np.ndarray | None = None
    held_out: Mapping[str, int] | None = None
    sizes: np.ndarray | None = None
    class_pixels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def labels(self, positions: Iterable[int]) -> Iterator[np.ndarray]:
        """Yields the label maps of examples, int32 `[H, W]`, in the order of their positions.

        They are loaded inside of `tf.data`, as in training: a dataset need not load otherwise.
        """
        load = tf.autograph.experimental.do_not_convert(lambda i: self.load(i)['label'])
        wanted = tf.constant(np.fromiter(positions, np.int64), tf.int64)
        return tf.data.Dataset.from_tensor_slices(wanted).map(load).as_numpy_iterator()

    def select(self, ids) -> 'Examples':
        """Returns the examples named by `ids`, in that order.

        Raises:
            SelectionError: If `ids` is empty, repeats an id or has an unknown one.
        """
        ids = tuple(ids)
        check_selection(ids, self.ids, self.skipped)
        position = {name: i for i, name in enumerate(self.ids)}
        rows = np.array([position[name] for name in ids])
        positions = tf.constant(rows, tf.int64)
        load = self.load

        def chosen(values):
            return None if values is None else np.asarray(values)[rows]

        return dataclasses.replace(
            self,
            ids=ids,
            load=lambda index: load(tf.gather(positions, index)),
            mask_classes=chosen(self.mask_classes),
            sizes=chosen(self.sizes),
            class_pixels=chosen(self.class_pixels),
        )


def request(dataset, split: str, labels: str = 'required', ids=None) -> Examples:
    """Returns the examples of a dataset, checked as far as that is possible without reading any.

    Args:
        dataset: A dataset, with `info` and `examples(split, labels, ids)`.
        split: Name of the split.
        labels: `required`: every example must have a mask; `available`: a mask where there is one;
            `none`: masks are not read.
        ids: Ids of the split, the only ones to return; None for all.

    Raises:
        ValueError: If the dataset does not know the split or an id, or returns something else than
            examples. See also the dataset.
    """
    more = {} if ids is None else {'ids': ids}
    examples = dataset.examples(split, labels=labels, **more)
    own = f'{type(dataset).__name__}.examples({split!r})'
    if not isinstance(examples, Examples):
        raise ValueError(
            f'{own} must return Examples (wss/datasets/examples.py); it returned a '
            f'{type(examples).__name__}.'
        )
    if examples.sizes is not None and np.shape(examples.sizes) != (len(examples), 2):
        raise ValueError(
            f'{own}: sizes must be heights and widths of the shape ({len(examples)}, 2); its shape '
            f'is {np.shape(examples.sizes)}.'
        )
    classes = examples.info.num_image_classes
    wanted = {'image': ('uint8', [None, None, 3]), 'id': ('string', [])}
    if examples.has_label:
        wanted['label'] = ('int32', [None, None])
    if examples.has_image_label:
        wanted['image_label'] = ('float32', [classes])
    made = tf.data.Dataset.range(1).map(examples.load).element_spec
    if not isinstance(made, dict):
        raise ValueError(f'{own}: load must return a dict; it returned {made}.')
    for name, (dtype, shape) in wanted.items():
        if name not in made:
            raise ValueError(f'{own}: load must return {name}; it returned {", ".join(made)}.')
        found = made[name]
        if found.dtype != dtype or not found.shape.is_compatible_with(shape):
            raise ValueError(
                f'{own}: load must return {name} as {dtype} {shape}; it returned '
                f'{found.dtype.name} {found.shape}.'
            )
    return examples


def check_selection(ids, known, skipped=()) -> None:
    """Refuses ids that do not select examples of a dataset.

    Args:
        ids: Ids of a list.
        known: Ids of the dataset.
        skipped: Ids of the dataset that are left out because their files are damaged.

    Raises:
        SelectionError: If `ids` is empty, repeats an id or has an unknown one.
    """
    known, lost = dict.fromkeys(known), set(skipped)
    broken = [name for name in ids if name in lost]
    if broken:
        raise SelectionError(
            f'{len(broken)} ids of the list were left out because their files are damaged '
            f'(skip_broken), the first: {reasons.list_some(broken)}. Fix the files, or delete '
            'the ids from the list.'
        )
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise SelectionError(
            f'{len(unknown)} ids of the list are not in the dataset, the first: '
            f'{", ".join(map(reasons.short, unknown[:5]))}. The dataset has ids such as '
            f'{", ".join(map(reasons.short, itertools.islice(known, 3)))}.'
        )
    repeated = [name for name, count in collections.Counter(ids).items() if count > 1]
    if repeated:
        raise SelectionError(f'The list repeats ids: {reasons.list_some(repeated)}.')
    if not ids:
        raise SelectionError('The list of ids is empty.')
