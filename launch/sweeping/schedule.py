"""Which run is started when, and what becomes of it."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from sweeping.grid import Planned
from sweeping.progress import Progress
from sweeping.slots import Slot

# A run that was lost and not at fault: another worker was lost (75), or a signal ended it. A shell
# or ssh gives 128 and more for a signal, and ssh 255 for a connection that broke.
_LOST = 75
_INTERRUPTED_BY_HAND = (130, -signal.SIGINT)
_POLL = 0.2  # Seconds.
_LONGEST_REST = 60.0  # Seconds that a slot rests after runs that were lost in it.


@dataclasses.dataclass
class Run:
    """A run and its state.

    Attributes:
        planned: What it is.
        workdir: Its folder.
        progress: What its log says.
        state: `waiting`, `running`, `finished`, `failed` (it is at fault), `interrupted` (too
            often), `stopped` (by hand) or `left out` (of this command).
        result: Its scores, when it has finished.
        reason: Why it is not finished.
        status: Exit status, when it has failed.
        losses: How often it was interrupted.
    """

    planned: Planned
    workdir: str
    progress: Progress
    state: str = 'waiting'
    result: dict | None = None
    reason: str = ''
    status: int | None = None
    losses: int = 0

    @property
    def score(self) -> float | None:
        """mIoU of the last weights, if it is finished and scored."""
        return ((self.result or {}).get('last') or {}).get('miou')


class Scheduler:
    """Trains runs in slots until none is left.

    Attributes:
        halted: Why no further run is started; empty if they are.
        signal: The signal that stopped the sweep; None for none.

    Args:
        runs: The runs; those in the state `waiting` are trained, in this order.
        slots: Where.
        start: Starts a run in a slot.
        read_result: From a folder to the result of its run, None if it is not finished.
        retries: How often a run that was interrupted is started again.
        display: Says what happens.
        changed: Called whenever a run has ended.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        slots: Sequence[Slot],
        start: Callable[[Slot, Run], subprocess.Popen],
        read_result: Callable[[str], dict | None],
        retries: int,
        display,
        changed: Callable[[Run], None],
    ):
        self.waiting = [run for run in runs if run.state == 'waiting']
        self.slots = slots
        self.start = start
        self.read_result = read_result
        self.retries = retries
        self.display = display
        self.changed = changed
        self.working = {}  # From index of a slot to the run, its process and when it was started.
        self.rests = [(0, 0.0)] * len(slots)  # Runs lost in a row, and the end of the rest.
        self.halted = ''
        self.signal = None
        self.trained = False  # Whether any run took a step.
        self.sentences = set()

    def work(self) -> None:
        """Trains all runs; returns when they are through, or stopped by a signal."""
        with _caught_signals() as caught:
            try:
                while self._step(caught):
                    time.sleep(_POLL)
            finally:  # After a signal nothing is left; after an error, such as a full disk, all is.
                self._signal_all(signal.SIGTERM)
                for _, process, _ in self.working.values():
                    process.wait()

    def _step(self, caught):
        """Looks after everything once; returns whether there is more to do."""
        while caught:
            self._stop(caught.pop(0))
        for index, (run, process, started) in list(self.working.items()):
            status = process.poll()
            run.progress.read(to_the_end=status is not None)
            self.trained |= run.progress.step is not None
            if status is not None:
                del self.working[index]
                self._ended(index, run, status, time.monotonic() - started)
        if not self.halted:
            self._fill()
        self.display.show()
        return bool(self.working or (self.waiting and not self.halted))

    def _fill(self):
        for index, slot in enumerate(self.slots):
            if not self.waiting:
                return
            if index in self.working or time.monotonic() < self.rests[index][1]:
                continue
            run = self.waiting.pop(0)
            run.state, run.reason = 'running', ''
            run.progress = Progress(run.progress.path, _size(run.progress.path))
            try:
                process = self.start(slot, run)
            except OSError as error:
                run.state, run.reason = 'failed', f'it could not be started: {error}'
                self.display.event(run, run.reason)
                self._compare(run)
                self.changed(run)
                continue
            self.working[index] = (run, process, time.monotonic())
            self.display.event(run, f'started ({slot.name})')

    def _ended(self, index, run, status, seconds):
        slot = self.slots[index]
        took = f'after {_clock(seconds)}'
        run.status = status
        if status == 0:
            run.result, run.reason = self._result(run)
            run.state = 'failed' if run.result is None else 'finished'
            score = '' if run.score is None else f', validation mIoU {100 * run.score:.2f} %'
            self.display.event(run, f'{run.state} {took}{score}{run.reason and ": " + run.reason}')
        elif self.signal or status in _INTERRUPTED_BY_HAND:
            run.state = 'stopped'
            self.display.event(run, f'stopped {took}')
        elif _is_interruption(status, slot):
            self._lost(index, run, status, took)
        else:
            run.state, run.reason = 'failed', run.progress.last_line or 'it said nothing'
            self.display.event(run, f'failed {took} with status {status}: {run.reason}')
            self._compare(run)
        if not _is_interruption(status, slot):
            self.rests[index] = (0, 0.0)
        self.changed(run)

    def _result(self, run):
        """Returns the result of a run that ended well, and why there is none."""
        try:
            result = self.read_result(run.workdir)
        except OSError as error:
            return None, str(error)
        missing = f'it ended well, but {run.workdir}/result.json cannot be read from here'
        return result, missing if result is None else ''

    def _lost(self, index, run, status, took):
        """Lines up a run that was interrupted once more, if it was not too often."""
        run.losses += 1
        times = 'once' if run.losses == 1 else f'{run.losses} times'
        run.reason = f'interrupted {times}, at last by {_cause(status)}'
        if run.losses > self.retries:
            run.state = 'interrupted'
            self.display.event(run, f'{run.reason}; given up')
            return
        run.state = 'waiting'
        self.waiting.append(run)
        count = self.rests[index][0] + 1
        self.rests[index] = (count, time.monotonic() + min(2.0 ** (count - 1), _LONGEST_REST))
        self.display.event(run, f'interrupted {took} by {_cause(status)}; it will go on')

    def _compare(self, run):
        """Stops a sweep whose runs all fail for the same reason, before any took a step."""
        sentence = run.reason.replace(run.workdir, '').replace(run.planned.name, '')
        if not self.trained and sentence in self.sentences:
            self.halted = 'two runs failed with the same sentence before any took a step'
        self.sentences.add(sentence)

    def _stop(self, number):
        if self.signal is None:
            self.signal, self.halted = number, f'stopped by {signal.Signals(number).name}'
            count = len(self.working)
            if count:
                self.display.say(
                    f'Stopping: {count} run{"s" * (count > 1)} will save and end. Once more kills '
                    'them, which loses what was trained since their last checkpoint.'
                )
            # A hang-up is for the terminal's own; a run saves at SIGTERM.
            self._signal_all(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
        else:
            self._signal_all(signal.SIGKILL)

    def _signal_all(self, number):
        for _, process, _ in self.working.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)


@contextlib.contextmanager
def _caught_signals() -> Iterator[list[int]]:
    """Gives a list to which the signals that ask to stop are added."""
    caught = []
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            before[number] = signal.signal(number, lambda number, frame: caught.append(number))
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_interruption(status, slot):
    return (
        status == _LOST
        or (status < 0 and status not in _INTERRUPTED_BY_HAND)
        or (128 < status < 192 and status not in _INTERRUPTED_BY_HAND)
        or (status == 255 and bool(slot.template))
    )


def _cause(status):
    number = -status if status < 0 else status - 128
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return 'the loss of another worker' if status == _LOST else f'status {status}'


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def _clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'
