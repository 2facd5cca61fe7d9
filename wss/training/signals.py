"""Signals that end a run: it finishes the step, saves and ends."""

import os
import signal
import threading

_HANGUP = getattr(signal, 'SIGHUP', None)  # Not every system has it.
_NOTED = [number for number in (signal.SIGTERM, signal.SIGINT, _HANGUP) if number is not None]
_OUTPUTS = 1, 2  # Of the process: where it prints and reports errors.


class Stopped(Exception):
    """The run was asked to end.

    Attributes:
        number: The signal, such as `signal.SIGTERM`.
    """

    def __init__(self, number: int):
        super().__init__(f'The run was stopped by {signal.Signals(number).name}.')
        self.number = number


class Watch:
    """Notes SIGTERM, SIGHUP and Ctrl-C inside a `with`, instead of ending at once.

    SIGHUP comes when a terminal or its connection is closed; under `nohup` it stays ignored. A
    second Ctrl-C ends at once. Outside the main thread, where Python allows no handlers, signals
    keep their effect.

    Attributes:
        asked: The signal that was noted, 0 for none.
    """

    def __init__(self):
        self.asked = 0
        self._before = {}
        self._terminals = []

    def __enter__(self):
        self._terminals = [number for number in _OUTPUTS if os.isatty(number)]
        if threading.current_thread() is threading.main_thread():
            for number in _NOTED:
                if number != _HANGUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        del frame
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if number == _HANGUP:
            self._forget_terminals()
        self.asked = self.asked or number

    def _forget_terminals(self):
        """Drops what is printed from now on: an error for it would come before the run is saved."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in self._terminals:
            os.dup2(nowhere, number)
        os.close(nowhere)

    def check(self) -> None:
        """Raises `Stopped` if a signal was noted."""
        if self.asked:
            raise Stopped(self.asked)


def leave(number: int) -> None:
    """Ends the program like one that a signal ended: KeyboardInterrupt, or status 128 + `number`.

    Launchers take 143, an end by SIGTERM, and 129, one by SIGHUP, as no failure.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
