"""The images that a run learned from, to be read again."""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from wss.datasets import examples
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import sampling


def load(workdir: str | os.PathLike, data, count: int) -> Iterator[np.ndarray]:
    """Finds images of the unlabelled ones, or of the labelled ones if the run had no others.

    Args:
        workdir: Folder of the run.
        data: Its `Data`.
        count: How many at most.

    Returns:
        What yields uint8 `[H, W, 3]` each, spread evenly over the list; one that cannot be read is
        left out.

    Raises:
        FileNotFoundError: If the lists or the images are missing.
        ValueError: If the dataset is another now.
    """
    for name in ('unlabelled', 'labelled'):
        path = os.path.join(workdir, f'{name}.txt')
        if tf.io.gfile.exists(path):
            chosen = sampling.spread(id_lists.read_ids(path), count)
            split = getattr(data, name).split
            return _read(examples.request(data.make_dataset(), split, 'none', chosen))
    raise FileNotFoundError(f'{workdir} has no list of images.')


def _read(found):
    # Inside of tf.data, for which `load` is made; an error of one image ends no iteration there.
    loaded = tf.data.Dataset.range(len(found)).map(found.load).ignore_errors()
    for example in loaded.as_numpy_iterator():
        yield example['image']
