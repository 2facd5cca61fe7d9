"""Checks the masks that weights are scored on, before any weights are trained or loaded."""

import warnings

import numpy as np

from wss.datasets.examples import Examples
from wss.datasets.files import checks
from wss.datasets.info import DatasetInfo

_MOST = 64  # Masks that are read to find a second class.


def check(examples: Examples, info: DatasetInfo, split: str, to_train: bool = True) -> None:
    """Refuses masks that score nothing, and warns of classes that they do not show.

    Where the dataset does not know which classes its masks show, they are decoded until two classes
    are shown, or one where that takes more than 64 masks.

    Args:
        examples: Examples with label maps.
        info: Classes of the dataset.
        split: Name of their split.
        to_train: Whether a run is to be trained; then masks of one class are refused as well, since
            every network that predicts nothing else is perfect. Else they are warned of.

    Raises:
        ValueError: If the masks show no class, or one alone and `to_train`; or if one that is
            decoded has other values.
    """
    known = examples.mask_classes is not None
    shown, read = (examples.mask_classes.any(0), len(examples)) if known else _look(examples, info)
    who = f'{len(examples)} images of split {split!r}'
    advice = (
        f'Masks must hold the indices of the classes, 0 to {info.num_classes - 1} (not 0 and 255 '
        'for two classes)'
    )
    if not shown.any():
        raise ValueError(
            f'There is nothing to score: the masks of the {who} have no labelled pixel; all are '
            f'{info.ignore_value}, which is ignored. {advice}; or name another split.'
        )
    if read < len(examples):
        return
    named = [name for name, there in zip(info.class_names, shown, strict=True) if there]
    if len(named) == 1:
        sentence = (
            f'The masks of the {who} show {named[0]} and nothing else but pixels to ignore '
            f'({info.ignore_value}), so a network that predicts {named[0]} everywhere scores 100 '
            f'%. {advice}'
        )
        if to_train:
            raise ValueError(
                f'{sentence}; or name another Validation.split, or None for no validation.'
            )
        warnings.warn(f'{sentence}.', stacklevel=2)
    elif not shown.all():
        absent = [name for name in info.class_names if name not in named]
        warnings.warn(
            f'No mask of the {who} shows {", ".join(absent)}; the scores do not tell whether the '
            'network finds what is not shown.',
            stacklevel=2,
        )


def _look(examples, info):
    """Returns which classes the first masks show, and how many masks were read."""
    shown = np.zeros(info.num_classes, bool)
    labels = examples.labels(range(len(examples)))
    for i, (name, label) in enumerate(zip(examples.ids, labels, strict=True)):
        if shown.sum() > 1 or (shown.any() and i >= _MOST):
            return shown, i
        checks.check_values(label, info, f'The mask of {name}')
        shown |= checks.classes_of(label, info)
    return shown, len(examples)
