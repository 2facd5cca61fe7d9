"""The progress of an evaluation, printed."""

import shutil
import sys
import time
from collections.abc import Sequence

import numpy as np
import tf_keras as keras

from wss.datasets.files import durations

_SECONDS = 10.0  # Between lines of a log.
_SECONDS_ON_A_TERMINAL = 0.5


class EvaluationProgress(keras.callbacks.Callback):
    """Prints how many images are scored, and the time left.

    On a terminal one line is updated, and deleted at the end; elsewhere a line is printed every
    ten seconds, so none for a short evaluation.

    Args:
        plan: The batches (`WholeImages.plan`), with `images` and `pixels` each. The time left
            follows from the pixels.
        stream: Where to print; standard output by default.
        clock: Returns the time in seconds.
    """

    def __init__(self, plan: Sequence, stream=None, clock=time.monotonic):
        super().__init__()
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.clock = clock
        # After each batch: an execution may have several.
        self.images = np.cumsum([batch.images for batch in plan])
        self.pixels = np.cumsum([batch.pixels for batch in plan])

    def on_test_begin(self, logs=None):
        """Notes the time."""
        self.started = self.shown = self.clock()

    def on_test_batch_end(self, batch, logs=None):
        """Prints a line if one is due."""
        now = self.clock()
        if now - self.shown < (_SECONDS_ON_A_TERMINAL if self.terminal else _SECONDS):
            return
        done, images = self.images[batch], self.images[-1]
        if done == images:
            return
        self.shown = now
        seconds = (now - self.started) * (self.pixels[-1] / self.pixels[batch] - 1)
        text = f'evaluated {done}/{images} images  {durations.clock(seconds)} left'
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write('\r\x1b[K' + text[:width])
            self.stream.flush()
        else:
            print(text, file=self.stream, flush=True)

    def on_test_end(self, logs=None):
        """Deletes the line on a terminal."""
        if self.terminal:
            self.stream.write('\r\x1b[K')
            self.stream.flush()
