"""What a sweep says while it works: a live table on a terminal, plain lines elsewhere."""

import collections
import os
import shutil
import time
from collections.abc import Sequence

from sweeping.schedule import Run

_ORDER = ('running', 'finished', 'failed', 'interrupted', 'stopped', 'left out', 'waiting')
_PAUSE = 0.5  # Seconds between two drawings of the table.


class Display:
    """Says what happens, and keeps a table of the runs below it.

    Args:
        runs: The runs of the sweep.
        stream: Where to say it.
    """

    def __init__(self, runs: Sequence[Run], stream):
        self.runs = runs
        self.stream = stream
        self.terminal = stream.isatty() and os.environ.get('TERM') != 'dumb'
        self.lines = 0  # Of the table that stands there.
        self.drawn = 0.0

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        self._write(self._erased() + text + '\n')

    def event(self, run: Run, text: str) -> None:
        """Says what happened to a run, and how many are through."""
        through = sum(other.state not in ('waiting', 'running') for other in self.runs)
        self.say(f'[{through}/{len(self.runs)}] {run.planned.name}: {text}')

    def show(self) -> None:
        """Draws the table anew when it is time."""
        now = time.monotonic()
        if not self.terminal or now - self.drawn < _PAUSE:
            return
        self.drawn = now
        size = shutil.get_terminal_size()
        lines = table(self.runs, size.lines - 2)
        text = self._erased() + ''.join(f'{line[: size.columns - 1]}\n' for line in lines)
        self.lines = len(lines)
        self._write(text)

    def close(self) -> None:
        """Takes the table away."""
        self._write(self._erased())

    def _erased(self):
        codes = f'\x1b[{self.lines}A\x1b[J' if self.lines else ''
        self.lines = 0
        return codes

    def _write(self, text):
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # The terminal is gone; the runs go on.
            self.terminal = False
            self.stream = open(os.devnull, 'w')  # noqa: SIM115


def table(runs: Sequence[Run], height: int) -> list[str]:
    """Lays out one line a run; where they are more than `height`, what happens first.

    Args:
        runs: The runs.
        height: Lines that there is room for.
    """
    counts = collections.Counter(run.state for run in runs)
    summary = ', '.join(f'{counts[state]} {state}' for state in _ORDER if counts[state])
    shown = list(runs)
    if len(runs) + 1 > height:
        told = [run for run in runs if run.state == 'running']
        told += [run for run in runs if run.state in ('failed', 'interrupted')]
        told += [run for run in runs if run.state == 'waiting']
        shown = told[: max(height - 1, 1)]
    width = max((len(run.planned.name) for run in shown), default=0)
    return [*(_line(run, width) for run in shown), f'{len(runs)} runs: {summary}']


def _line(run, width):
    progress = run.progress
    parts = [f'{run.planned.name:<{width}}  {run.state:<11}']
    if run.state == 'running' and progress.step is None:
        parts.append('starting')
    if run.state == 'running' and progress.step is not None:
        parts.append(f'step {progress.step:>{len(str(progress.steps))}}/{progress.steps}')
        parts += [f'{progress.left} left'] if progress.left else []
        parts += [f'loss {progress.loss}'] if progress.loss else []
        parts += [f'mIoU {progress.miou} %'] if progress.miou else []
    if run.state == 'finished' and run.score is not None:
        parts.append(f'mIoU {100 * run.score:.2f} %')
    if run.reason:
        parts.append(run.reason)
    return '  '.join(parts)
