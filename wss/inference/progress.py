"""The progress of work on images, printed."""

import shutil
import sys
import time

from wss.datasets.files import durations

_SECONDS = 10.0  # Between lines of a log.
_SECONDS_ON_A_TERMINAL = 0.5


class Progress:
    """Prints how many images are done, how many a second, and the time left.

    On a terminal one line is updated, and deleted at the end; elsewhere a line is printed every
    ten seconds, so none for short work.

    Args:
        done: The word for an image that is done, such as `evaluated`.
        images: How many there are.
        stream: Where to print; standard output by default.
        clock: Returns the time in seconds.
    """

    def __init__(self, done: str, images: int, stream=None, clock=time.monotonic):
        self.done, self.images = done, images
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.clock = clock
        self.started = self.shown = clock()

    def show(self, number: int, share: float | None = None) -> None:
        """Prints a line if one is due.

        Args:
            number: How many images are done.
            share: Share of the work that is done, above 0; by default that of the images.
        """
        now = self.clock()
        if now - self.shown < (_SECONDS_ON_A_TERMINAL if self.terminal else _SECONDS):
            return
        if number == self.images:
            return
        self.shown = now
        seconds = now - self.started
        left = durations.clock(seconds * (1 / (share or number / self.images) - 1))
        rate = number / seconds
        text = f'{self.done} {number}/{self.images} images  {rate:.3g} images/s  {left} left'
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write('\r\x1b[K' + text[:width])
            self.stream.flush()
        else:
            print(text, file=self.stream, flush=True)

    def clear(self) -> None:
        """Deletes the line on a terminal, at the end or before another line is printed."""
        if self.terminal:
            self.stream.write('\r\x1b[K')
            self.stream.flush()
