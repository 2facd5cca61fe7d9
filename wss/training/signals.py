"""Signals that end a run: it finishes the step, saves, and goes."""

import signal
import threading


class Stopped(Exception):
    """The run was asked to end.

    Attributes:
        number: Which signal asked, such as `signal.SIGTERM`.
    """

    def __init__(self, number: int):
        super().__init__(f'The run was stopped by {signal.Signals(number).name}.')
        self.number = number


class Watch:
    """Notes SIGTERM and Ctrl-C inside a `with`, in place of ending at once.

    A second Ctrl-C ends at once. Where Python allows no handlers (outside of the main thread)
    signals do what they did before.

    Attributes:
        asked: The signal that was noted, 0 for none.
    """

    def __init__(self):
        self.asked = 0
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        del frame
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = self.asked or number

    def check(self) -> None:
        """Raises `Stopped` if a signal was noted."""
        if self.asked:
            raise Stopped(self.asked)


def leave(number: int) -> None:
    """Ends the program as one that a signal ended: KeyboardInterrupt, or status 128 + `number`.

    Launchers know 143 as the end by SIGTERM: one that was asked for, and no failure.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
