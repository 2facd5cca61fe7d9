"""Selects the examples that a run learns from: by lists and samples."""

import dataclasses
import warnings

from wss.datasets.examples import Examples, SelectionError, request
from wss.datasets.info import DatasetInfo
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import mask_classes, sampling


@dataclasses.dataclass(frozen=True)
class Choice:
    """How to choose examples of a split.

    Attributes:
        split: Name of the split.
        list_file: File of ids to which it is narrowed, or None.
        amount: Count (int) or share (float) of these to sample; None for all.
        seed: Seed of the sample.
        every_class: Whether every class that any of these shows must be in the sample.
    """

    split: str
    list_file: str | None = None
    amount: int | float | None = None
    seed: int = 0
    every_class: bool = False

    def check_list(self) -> None:
        """Raises FileNotFoundError if there is a list and it does not exist."""
        if self.list_file is not None:
            id_lists.read_ids(self.list_file)


def labelled_examples(dataset, choice: Choice) -> Examples:
    """Chooses the labelled examples.

    Args:
        dataset: A dataset, with `info` and `examples(split, labels, ids)`.
        choice: Which. All that the list names must have masks; without a list, the whole split.

    Returns:
        The examples, all with label maps.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, the list does not fit it, or the amount is out of
            range or too small for every class.
    """
    if choice.every_class and choice.amount is None:
        raise ValueError(
            'Labelled.every_class = True is for samples, but nothing is sampled; set '
            'Labelled.amount, or omit it.'
        )
    return sample(pool(dataset, choice), choice)


def pool(dataset, choice: Choice) -> Examples:
    """Returns the labelled examples to sample from, with `every_class` with their classes."""
    examples = _examples(dataset, choice, 'required')
    if not choice.every_class:
        return examples
    return dataclasses.replace(examples, mask_classes=mask_classes.shown(examples, dataset.info))


def sample(examples: Examples, choice: Choice) -> Examples:
    """Samples from what `pool` returned.

    Raises:
        ValueError: If the amount is out of range or too small for every class.
    """
    if choice.amount is None:
        return examples
    shown = examples.mask_classes if choice.every_class else None
    return examples.select(sampling.sample(examples.ids, choice.amount, choice.seed, shown))


def unlabelled_examples(
    dataset, method, choice: Choice, left_out=(), masks: bool = True, held_out=None
) -> Examples | None:
    """Chooses the unlabelled examples, if the method learns from them.

    Args:
        dataset: A dataset, with `examples(split, labels, ids)`.
        method: A `Method`, which knows whether it needs them and their image-level labels.
        choice: Which; nothing is sampled. Masks may be missing, unless image-level labels come
            from them.
        left_out: Ids to leave out.
        masks: Whether existing masks are read.
        held_out: Ids to leave out by split, of validation and tests; None for none.

    Returns:
        The examples, which know how many are left out for each split of `held_out`; or None if the
        method needs none.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, the list does not fit it, no example is left, or
            image-level labels must come from masks that are not read.
    """
    if not method.needs_unlabelled:
        return None
    examples = _examples(dataset, choice, 'available' if masks else 'none')
    counts = _counts(examples.ids, held_out or {})
    left_out = set(left_out).union(*(held_out or {}).values())
    ids = [name for name in examples.ids if name not in left_out]
    if not ids:
        raise ValueError(_none_left(choice, len(examples), counts))
    if counts and choice.list_file is not None:
        splits = ', '.join(f'{count} of split {split!r}' for split, count in counts.items())
        warnings.warn(
            f'The list {choice.list_file} names images of validation or tests, which are left out '
            f'of the unlabelled ones: {splits}. Unlabelled.exclude_held_out = False keeps them.',
            stacklevel=2,
        )
    if method.needs_image_labels and not examples.has_image_label:
        if not masks:
            raise ValueError(
                'Training with image-level labels takes them from the masks of the unlabelled '
                'images, because the dataset has no others; set Unlabelled.masks = True, '
                'or take a dataset that has them (Folder.image_labels, '
                "Prepared.image_labels = 'annotations')."
            )
        examples = _with_masks(dataset, choice, ids)
    elif len(ids) < len(examples):
        examples = examples.select(ids)
    return dataclasses.replace(examples, held_out=counts)


def _with_masks(dataset, choice, ids):
    """Every image must have a mask, from which its image-level label is taken."""
    try:
        return dataset.examples(choice.split, labels='required', ids=ids)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(
            f'{error} Training with image-level labels takes them from masks here; '
            'Folder.image_labels names a file of them.'
        ) from error


def check_classes(examples: Examples, info: DatasetInfo) -> None:
    """Warns of classes that no labelled mask shows, if that is known without decoding.

    Args:
        examples: The labelled examples.
        info: Classes of the dataset.

    Raises:
        ValueError: If the masks show fewer than two classes.
    """
    if examples.mask_classes is None:
        return
    shown = examples.mask_classes.any(axis=0)
    if shown.sum() < 2:
        (only,) = [info.class_names[i] for i in shown.nonzero()[0]] or ['no class']
        raise ValueError(
            f'The masks of the {len(examples)} labelled images show {only} and nothing else but '
            f'pixels to ignore ({info.ignore_value}), so there is nothing to learn. Masks must '
            f'hold the indices of the classes, 0 to {info.num_classes - 1}; or choose other '
            'labelled images.'
        )
    absent = [name for name, there in zip(info.class_names, shown, strict=True) if not there]
    if absent:
        warnings.warn(
            f'No mask of the {len(examples)} labelled images shows {", ".join(absent)}; the run '
            'cannot learn what is not shown.',
            stacklevel=2,
        )


def _counts(ids, held_out):
    """Returns how many of some ids each split holds, without splits that hold none."""
    counts = {split: sum(name in other for name in ids) for split, other in held_out.items()}
    return {split: count for split, count in counts.items() if count}


def _none_left(choice, available, counts):
    """Returns the sentence about a split of which every image is left out."""
    start = f'No unlabelled image is left: all {available} of split {choice.split!r} are '
    if not counts:
        return (
            f'{start}labelled. Name another Unlabelled.split, sample fewer labelled images '
            '(Labelled.amount), or omit Unlabelled.exclude_labelled.'
        )
    splits = ', '.join(counts)
    return (
        f'{start}of validation or tests ({splits}), or labelled and left out. Name another '
        'Unlabelled.split, or set Unlabelled.exclude_held_out = False to learn from them.'
    )


def _examples(dataset, choice, labels):
    """Returns the examples of a split, narrowed to a list if there is one."""
    if choice.list_file is None:
        return request(dataset, choice.split, labels)
    ids = id_lists.read_ids(choice.list_file)
    try:
        return request(dataset, choice.split, labels, ids)
    except SelectionError as error:
        raise ValueError(
            f'The list {choice.list_file} does not fit the dataset: {error}'
        ) from error
