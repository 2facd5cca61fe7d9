"""The progress of an evaluation, printed."""

import time
from collections.abc import Sequence

import numpy as np
import tf_keras as keras

from wss.inference.progress import Progress


class EvaluationProgress(keras.callbacks.Callback):
    """Prints how many images are scored, and the time left; see `Progress`.

    Args:
        plan: The batches (`WholeImages.plan`), with `images` and `pixels` each. The time left
            follows from the pixels.
        stream: Where to print; standard output by default.
        clock: Returns the time in seconds.
    """

    def __init__(self, plan: Sequence, stream=None, clock=time.monotonic):
        super().__init__()
        self.options = stream, clock
        # After each batch: an execution may have several.
        self.images = np.cumsum([batch.images for batch in plan])
        self.pixels = np.cumsum([batch.pixels for batch in plan])

    def on_test_begin(self, logs=None):
        """Notes the time."""
        self.progress = Progress('evaluated', self.images[-1], *self.options)

    def on_test_batch_end(self, batch, logs=None):
        """Prints a line if one is due."""
        self.progress.show(self.images[batch], self.pixels[batch] / self.pixels[-1])

    def on_test_end(self, logs=None):
        """Deletes the line on a terminal."""
        self.progress.clear()
