"""Which classes the masks of examples show, decoded where the dataset does not know it."""

import numpy as np

from wss.datasets.examples import Examples
from wss.datasets.files import checks
from wss.datasets.info import DatasetInfo


def shown(examples: Examples, info: DatasetInfo) -> np.ndarray:
    """Returns which classes the mask of each example shows.

    Args:
        examples: Examples with label maps.
        info: Their classes.

    Returns:
        bool `[len(examples), num_classes]`: `mask_classes` of the examples or, if None, what their
        label maps show, which are decoded one after another (progress is logged).

    Raises:
        ValueError: If a file is damaged or holds values that are not classes.
        FileNotFoundError: If a file does not exist.
    """
    if examples.mask_classes is not None:
        return examples.mask_classes

    def classes_of(mask):
        name, label = mask
        checks.check_values(label, info, f'The mask of {name}')
        return checks.classes_of(label, info)

    count = len(examples)
    masks = zip(examples.ids, examples.labels(range(count)), strict=True)
    rows = checks.check_all(classes_of, masks, 'which classes the masks show', count)
    for row in rows:
        if isinstance(row, Exception):
            raise row
    return np.stack(rows)
