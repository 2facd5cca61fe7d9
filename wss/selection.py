"""Which examples of a dataset a run learns from: lists, draws and what is left out."""

from wss.datasets import splits
from wss.datasets.info import Examples


def labelled_examples(
    dataset, split: str, list_file: str | None, count: int | float | None, seed: int
) -> Examples:
    """Chooses the labelled examples.

    Args:
        dataset: A dataset, with `examples(split, labels)`.
        split: Name of a split, all of whose examples have masks.
        list_file: File of ids to which they are narrowed, or None.
        count: How many (int) or which share (float) of these is drawn; None for all.
        seed: Seed of the draw.

    Returns:
        The examples, all with label maps.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, the list does not fit it, or `count` is out of range.
    """
    examples = dataset.examples(split)
    if list_file is not None:
        examples = _narrowed(examples, list_file)
    if count is not None:
        examples = examples.select(splits.draw(examples.ids, count, seed))
    return examples


def unlabelled_examples(
    dataset, method, split: str, list_file: str | None, left_out
) -> Examples | None:
    """Chooses the unlabelled examples, if the method learns from them.

    Args:
        dataset: A dataset, with `examples(split, labels)`.
        method: A `Method`, which says whether it needs them and their image-level labels.
        split: Name of a split; masks may be missing, unless image-level labels come from them.
        list_file: File of ids to which they are narrowed, or None.
        left_out: Ids that are not taken.

    Returns:
        The examples, or None if the method needs none.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, the list does not fit it, or no example is left.
    """
    if not method.needs_unlabelled:
        return None
    examples = dataset.examples(split, labels='available')
    if method.needs_image_labels and not examples.has_image_label:
        # Weak labels come from masks where the dataset gives none, so every image must have one.
        examples = dataset.examples(split, labels='required')
    if list_file is not None:
        examples = _narrowed(examples, list_file)
    left_out = set(left_out)
    ids = [name for name in examples.ids if name not in left_out]
    if not ids:
        raise ValueError(
            f'No unlabelled image is left: all {len(examples)} of split {split!r} are labelled. '
            'Name another run.unlabelled_split, draw fewer labelled images '
            '(run.labelled_count) or leave out run.exclude_labelled.'
        )
    return examples if len(ids) == len(examples) else examples.select(ids)


def _narrowed(examples, list_file):
    known = (*examples.ids, *examples.skipped)
    try:
        return examples.select(splits.match_ids(splits.read_ids(list_file), known))
    except ValueError as error:
        raise ValueError(f'The list {list_file} does not fit the dataset: {error}') from error
