"""Checks the masks that weights are scored on, before any weights are trained or loaded."""

import warnings

import numpy as np
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.files import checks
from wss.datasets.info import DatasetInfo


def check(examples: Examples, info: DatasetInfo, split: str, to_train: bool = True) -> None:
    """Refuses masks that score nothing, and warns of classes that they do not show.

    Where the dataset does not know which classes its masks show, they are decoded until one shows
    a class.

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
    shown = examples.mask_classes
    shown = _decoded(examples, info) if shown is None else shown.any(axis=0)
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
    if examples.mask_classes is None:
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


def _decoded(examples, info):
    """Returns the classes of the first masks, up to one that shows a class."""
    shown = np.zeros(info.num_classes, bool)
    for i, name in enumerate(examples.ids):
        label = examples.load(tf.constant(i, tf.int64))['label'].numpy()
        checks.check_values(label, info, f'The mask of {name}')
        shown = checks.classes_of(label, info)
        if shown.any():
            break
    return shown
