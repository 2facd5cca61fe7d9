"""Which images are held out for validation and tests, so that no run learns from them unasked."""

import re
import warnings
from collections.abc import Collection, Mapping

from wss.datasets.examples import Examples
from wss.datasets.files import reasons

_WORD = re.compile(r'(?<![a-z])(mini|e)?(val|test)')


def says_so(split: str) -> bool:
    """Whether the name of a split says that it is for validation or tests.

    It does if one of its words begins with `val`, `eval`, `minival` or `test`, and none holds
    `train`.

    Example:
        >>> from wss.datasets.lists import held_out
        >>> names = ('val', 'my_test_2', 'trainval', 'interval')
        >>> [name for name in names if held_out.says_so(name)]
        ['val', 'my_test_2']
    """
    name = split.lower()
    return 'train' not in name and _WORD.search(name) is not None


def find(
    dataset, split: str | None, validation: Examples | None, used: Collection[str]
) -> dict[str, frozenset[str]]:
    """Returns the ids of the held-out images by split.

    Args:
        dataset: A dataset. Where it has `split_names` and `split_ids(split)`, every split whose
            name says so counts, else the validation split alone.
        split: Name of the validation split, which counts whatever its name is; None without one.
        validation: The examples of that split.
        used: Splits that the run learns from by name: they count only if validated on.

    Returns:
        From split to ids, the validation split first. A split that cannot be read is left out,
        with a warning.
    """
    found = {} if validation is None else {split: frozenset(validation.ids)}
    if not hasattr(dataset, 'split_names') or not callable(getattr(dataset, 'split_ids', None)):
        return found
    for name in dataset.split_names:
        if name in found or name in used or not says_so(name):
            continue
        try:
            found[name] = frozenset(dataset.split_ids(name))
        except (OSError, ValueError) as error:
            warnings.warn(
                f'Split {name!r} cannot be read, so its images are not left out of those that the '
                f'run learns from. {error}',
                stacklevel=2,
            )
    return found


def warn_of_labelled(labelled: Collection[str], held_out: Mapping[str, Collection[str]]) -> None:
    """Warns of labelled images that are held out.

    Args:
        labelled: Ids of the labelled images.
        held_out: From split to ids, as `find` returns it.
    """
    for split, ids in held_out.items():
        both = [name for name in labelled if name in ids]
        if not both:
            continue
        if len(both) == len(labelled) == len(ids):
            what = f'The {len(both)} labelled images are the images of split {split!r}'
        else:
            what = (
                f'{len(both)} of the {len(labelled)} labelled images are among the {len(ids)} of '
                f'split {split!r}: {reasons.list_some(both)}'
            )
        warnings.warn(
            f'{what}. The run learns from them, so scores on {split!r} are too high to say '
            'anything about other images. Take them out of one of the two lists.',
            stacklevel=2,
        )
