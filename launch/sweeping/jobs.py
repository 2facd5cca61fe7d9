"""The jobs of a sweep: where a run is started, and what happens when it ends."""

import contextlib
import dataclasses
import datetime
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from sweeping import folder, report
from sweeping.grid import Run

_FLAGS = '{flags}'
# ssh closes what it inherits, so a shell around the program holds the lock of the folder. It leaves
# signals to the program and waits for it.
_SHELL = ('sh', '-c', 'trap : INT TERM HUP; "$@"; exit $?', 'sh')
_LOST = 75, 129, 255  # A worker, the terminal or the connection of ssh was lost.
_BY_HAND = 130  # Ctrl-C on the run itself.
_POLL = 0.2  # Seconds between two looks at the processes.
_LOOK = 5.0  # Seconds between two looks at their progress.
_LONGEST_REST = 60.0  # Seconds that a slot rests after an interruption.


@dataclasses.dataclass
class Slot:
    """A place for one run at a time.

    Attributes:
        name: What it was given as.
        words: The command, with `{flags}` where the flags of `wss.train` go.
        run: The run in it, if any, with its `process`.
        rests_until: When it may start the next run, in seconds since 1970.
    """

    name: str
    words: Sequence[str]
    run: Run | None = None
    process: subprocess.Popen | None = None
    rests_until: float = 0.0


def make_slot(kind: str) -> Slot:
    """Makes a slot.

    Args:
        kind: `local`, `gpu=0` (or `gpu=0,1`), `tpu=NAME`, or a command with `{flags}` in it.

    Raises:
        ValueError: If it is none of these, or its program is missing.
    """
    train = (sys.executable, '-m', 'wss.train', _FLAGS)
    if kind == 'local':
        return Slot(kind, train)
    if re.fullmatch(r'gpu=\d+(,\d+)*', kind):
        return Slot(kind, ('env', f'CUDA_VISIBLE_DEVICES={kind[4:]}', *train))
    if re.fullmatch(r'tpu=\S+', kind):
        return Slot(kind, (*train, '--tpu', kind[4:]))
    if _FLAGS not in kind:
        raise ValueError(
            f'--slot {kind!r} must be local, gpu=NUMBER, tpu=NAME, or a command with {{flags}} in '
            'it, such as "ssh host \'cd wss && python -m wss.train {flags}\'".'
        )
    try:
        words = shlex.split(kind)
    except ValueError as error:
        raise ValueError(f'--slot {kind!r} has an unclosed quotation mark.') from error
    if shutil.which(words[0]) is None:
        raise ValueError(f'--slot {kind!r} starts {words[0]}, which is missing or not on the PATH.')
    return Slot(kind, words)


def command(slot: Slot, run: Run) -> list[str]:
    """Returns the words of the command that trains a run in a slot."""
    flags = ['--workdir', run.workdir]
    flags += [word for path in run.files for word in ('--gin_file', path)]
    flags += [word for line in run.params for word in ('--gin_param', line)]
    filled = []
    for word in slot.words:
        # Within a longer word, such as a line for a shell, the flags are quoted for that shell.
        filled += flags if word == _FLAGS else [word.replace(_FLAGS, shlex.join(flags))]
    return filled


@dataclasses.dataclass
class Jobs:
    """Trains runs in slots until none is left.

    Attributes:
        runs: The runs; those in the state `waiting` are trained, in this order.
        slots: Where.
        home: The folder of the logs.
        lock: Descriptor of its lock.
        retries: How often an interrupted run is resumed.
        display: Prints what happens.
        save: Called whenever a run has ended.
        halts_early: Whether no further run is started after two failed before any took a step.
        halted: Why no further run is started; empty if they are.
        signals: The signals that came, which stop the sweep.
    """

    runs: Sequence[Run]
    slots: Sequence[Slot]
    home: str
    lock: int
    retries: int
    display: report.Display
    save: Callable[[], None]
    halts_early: bool = True
    halted: str = ''
    signals: list[int] = dataclasses.field(default_factory=list)

    def work(self) -> None:
        """Trains all runs; returns when they have ended or a signal stopped them."""
        waiting = [run for run in self.runs if run.state == 'waiting']
        passed, looked = 0, 0.0
        with _noting(self.signals):
            try:
                while self._busy() or (waiting and not self.halted):
                    for number in self.signals[passed:]:
                        self._pass_on(number)
                        passed += 1
                    if time.time() - looked > _LOOK:
                        looked = time.time()
                        for slot in self._busy():
                            _look(slot.run)
                    for slot in self._busy():
                        if slot.process.poll() is not None:
                            waiting += self._end(slot, slot.process.returncode)
                            self.save()
                    for slot in self.slots:
                        is_free = not slot.run and time.time() > slot.rests_until
                        if is_free and waiting and not self.halted:
                            self._start(slot, waiting.pop(0))
                    self.display.show(self.runs, len(self.slots))
                    time.sleep(_POLL)
            finally:  # After an error, such as a full disk, some runs may be at work.
                self._signal_all(signal.SIGTERM)
                for slot in self._busy():
                    slot.process.wait()

    def _busy(self):
        return [slot for slot in self.slots if slot.run]

    def _start(self, slot, run):
        """Starts a run in a slot; its output is added to its log."""
        run.state, run.reason, run.progress, run.started = 'running', '', {}, time.time()
        os.makedirs(os.path.dirname(self._log(run)), exist_ok=True)
        with open(self._log(run), 'a', encoding='utf-8') as file:
            now = time.strftime('%Y-%m-%d %H:%M:%S')
            file.write(f'# sweep: {now}, {slot.name}: {shlex.join(command(slot, run))}\n')
            file.flush()
            slot.process = subprocess.Popen(
                [*_SHELL, *command(slot, run)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches it through the sweep alone, once.
                pass_fds=[self.lock],
            )
        slot.run = run
        self.display.event(self.runs, run, f'started ({slot.name})')

    def _end(self, slot, status):
        """Decides what follows from the end of the run in a slot; returns it if it waits again."""
        run, slot.run = slot.run, None
        _look(run)
        if status == 0:
            path = f'{run.workdir}/result.json'
            run.result = folder.read_result(run.workdir)
            run.state = 'finished' if run.result else 'failed'
            run.reason = '' if run.result else f'it ended well, but {path} cannot be read from here'
        elif self.signals or status == _BY_HAND:
            run.state = 'stopped'
        elif status in _LOST or status < 0 or 128 < status < 192:
            run.interruptions += 1
            run.state = 'interrupted' if run.interruptions > self.retries else 'waiting'
            run.reason = f'interrupted {run.interruptions} times, last with status {status}'
            slot.rests_until = time.time() + min(2.0**run.interruptions, _LONGEST_REST)
        else:
            run.state, run.reason = 'failed', report.last_line(self._log(run))
        state = 'interrupted, will be resumed' if run.state == 'waiting' else run.state
        took = report.clock(time.time() - run.started)
        self.display.event(self.runs, run, f'{state} after {took}{report.outcome(run)}')
        failed = [other for other in self.runs if other.state == 'failed']
        has_begun = any(other.progress or other.result for other in self.runs)
        if self.halts_early and len(failed) > 1 and not has_begun:
            self.halted = 'two runs failed before any took a step'
        return [run] if run.state == 'waiting' else []

    def _log(self, run):
        return os.path.join(self.home, run.name, 'train.log')

    def _pass_on(self, number):
        """Passes a signal on: a run saves and ends; a second Ctrl-C ends it at once."""
        self.halted = f'stopped by {signal.Signals(number).name}'
        self.display.print(f'Stopping; runs that save and end: {len(self._busy())}.')
        self._signal_all(number if number == signal.SIGINT else signal.SIGTERM)

    def _signal_all(self, number):
        for slot in self._busy():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(slot.process.pid, number)


def _look(run):
    """Reads the progress of a run, unless it is of an earlier start."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        progress = folder.read_json(f'{run.workdir}/progress.json') or {}
        updated = datetime.datetime.fromisoformat(progress['updated']).timestamp()
        if updated > run.started - 1:  # It is in whole seconds.
            found = {key: progress[key] for key in report.PROGRESS}
            if all(isinstance(value, (int, float, type(None))) for value in found.values()):
                run.progress = found


@contextlib.contextmanager
def _noting(signals):
    """Adds the signals that ask to stop to a list."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # As of nohup.
            signal.signal(number, lambda number, frame: signals.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
