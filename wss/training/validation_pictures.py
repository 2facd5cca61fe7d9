"""Pictures of a few validation images with their predictions, for TensorBoard."""

import numpy as np
import tensorflow as tf

from wss.pipeline.evaluation import WholeImages
from wss.results import pictures


class ValidationPictures:
    """Draws the same few validation images at every evaluation: the first that are scored.

    Args:
        method: The `Method` that is trained.
        make_batches: Makes the batches of validation images.
        rows: How many images.
    """

    def __init__(self, method, make_batches: WholeImages, rows: int = 4):
        self._method = method
        self._make_batches = make_batches
        self._rows = rows
        # TPUs compute functions only. Built once for each size of the images.
        self._predict = tf.function(self._predicted, autograph=False)

    def draw(self) -> np.ndarray:
        """Returns image, truth, prediction and a legend: uint8 `[H, W, 3]`."""
        shown = []
        with self._method.averaged():
            for batch, examples in zip(self._make_batches(), self._make_batches.plan, strict=True):
                for row, position in enumerate(examples.positions):
                    if position >= 0:  # Else it fills the batch.
                        shown.append(self._maps(batch['image'][row], batch['label'][row], position))
                    if len(shown) == self._rows:
                        return pictures.validation_panel(shown, self._method.info)
        return pictures.validation_panel(shown, self._method.info)

    def _maps(self, image, label, position):
        """Returns image, truth and prediction, uint8 without padding: a photo may be large."""
        (height, width), (rows, columns) = self._make_batches.sizes_of(position)
        predicted = self._predict(image[None])[0]
        return (
            pictures.as_picture(image[:height, :width].numpy()),
            label[:rows, :columns].numpy().astype(np.uint8),
            predicted[:height, :width].numpy().astype(np.uint8),
        )

    def _predicted(self, images):
        strategy = self._method.distribute_strategy
        found = strategy.run(self._method.predict_labels, args=(images,))
        return strategy.experimental_local_results(found)[0]  # All replicas compute the same.
