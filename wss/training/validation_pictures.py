"""Pictures of the first validation images with their predictions, for TensorBoard."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wss.results import pictures


class ValidationPictures:
    """Draws the same few validation images at every evaluation.

    Args:
        method: The `Method` that is trained.
        make_batches: Makes batches of validation images, see `evaluation.evaluation_batches`.
        rows: How many images.
    """

    def __init__(self, method, make_batches: Callable[..., tf.data.Dataset], rows: int = 4):
        self._method = method
        self._make_batches = make_batches
        self._rows = rows
        # TPUs compute functions only. Built once for each size of the images.
        self._predict = tf.function(self._predicted, autograph=False)

    def draw(self) -> np.ndarray:
        """Returns image, truth, prediction and a legend: uint8 `[H, W, 3]`."""
        shown = []
        with self._method.averaged():
            for example in self._make_batches(None).unbatch():
                if not example['id'].numpy():  # It fills a batch.
                    continue
                maps = example['image'], example['label'], self._predict(example['image'][None])[0]
                shown.append(_without_padding(maps, example.get('valid')))
                if len(shown) == self._rows:
                    break
        return pictures.validation_panel(shown, self._method.info)

    def _predicted(self, images):
        strategy = self._method.distribute_strategy
        found = strategy.run(self._method.predict_labels, args=(images,))
        return strategy.experimental_local_results(found)[0]  # All replicas compute the same.


def _without_padding(maps, valid):
    """Returns the maps `[H, W, ...]` as arrays, cut to where `valid` is not 0, if it is given."""
    arrays = [values.numpy() for values in maps]
    if valid is None:
        return arrays
    inside = valid.numpy() > 0
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    return [values[:height, :width] for values in arrays]
