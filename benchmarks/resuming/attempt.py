"""One start of a run, of one or several processes: watched from outside, and ended."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable

from resuming import moments
from resuming.folder import half_written, modified, newest
from wss.training.schedule import Schedule

ROOT = pathlib.Path(__file__).resolve().parents[2]
_POLL = 0.001  # Seconds; writing a checkpoint takes some hundredths.


class Attempt:
    """Processes of one run, and what is seen of them.

    Attributes:
        processes: One for each worker, the chief first.
        logs: The file with the output of each.
        resumed: Step at which the run resumes (0 for one that starts from the beginning), and the
            seconds until it reported that; None before.
        saved_at: Step at which it reported that it was saved, after a signal; None before.

    Args:
        workdir: Folder of the run.
        command: The command, `python -m wss.train ...`.
        log: File to which the output is appended. Those of further workers have a number in it.
        schedule: Returns what the run does at which steps; asked when it has begun.
        workers: How many processes.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        command: list[str],
        log: pathlib.Path,
        schedule: Callable[[], Schedule],
        workers: int = 1,
    ):
        self.workdir, self._schedule = workdir, schedule
        self.logs = [
            log.with_name(f'{log.stem}.{i}{log.suffix}') if i else log for i in range(workers)
        ]
        self.resumed = self.saved_at = None
        # What earlier attempts left counts for nothing.
        self._before = set(half_written(workdir))
        self._record = modified(workdir / 'run.json')
        self._progress, self._logged = modified(workdir / 'progress.json'), -1
        self._scores, self._scored = None, frozenset()
        self._offsets = [path.stat().st_size if path.exists() else 0 for path in self.logs]
        self._read_to = self._offsets[0]
        self.started = time.monotonic()
        self.processes = []
        for path, environment in zip(self.logs, _environments(workers), strict=True):
            with path.open('ab') as output:
                self.processes.append(
                    subprocess.Popen(
                        command, cwd=ROOT, env=environment, stdout=output, stderr=output
                    )
                )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
            process.wait()

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def look(self) -> moments.View:
        """Returns what the run shows now."""
        self._read_progress()
        self._read_log()
        self._read_scores()
        if self._logged >= 0 and self.resumed is None:  # It would have reported another step.
            self.resumed = 0, self.age
        left = set(half_written(self.workdir))
        self._before &= left  # Until the run removes it.
        return moments.View(
            modified(self.workdir / 'run.json') != self._record,
            self._logged,
            newest(self.workdir / 'checkpoints' / 'last'),
            bool(left - self._before),
            self._scored,
        )

    def doing(self, view: moments.View) -> str:
        """Returns what the run is doing."""
        return moments.phase(view, self._schedule()) if view.is_begun else moments.START

    def wait_for(self, moment: moments.Moment, durations: dict) -> moments.View | None:
        """Waits for a moment; returns what is seen then, None if a process ends before."""
        due, share = None, moment.share
        while all(process.poll() is None for process in self.processes):
            view = self.look()
            if due is None and moment.has_come(self.doing(view), view):
                begun = self.started if moment.aim == moments.START else time.monotonic()
                due = begun + share * durations.get(moment.aim, 0.0)
            if due is None or time.monotonic() < due:
                time.sleep(_POLL)
            elif moment.aim != moments.CHECKPOINT or ((view := self._frozen()) and view.is_writing):
                return view
            else:  # Too late: earlier, in the next one.
                self._continue()
                due, share = None, share / 2
        return None

    def _frozen(self):
        """Stops the process that writes, so that what is seen is what is killed; returns it."""
        chief = self.processes[0]
        chief.send_signal(signal.SIGSTOP)
        with contextlib.suppress(ChildProcessError):  # It has ended in between.
            os.waitid(os.P_PID, chief.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return self.look()

    def _continue(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def follow(self, limit: float) -> dict[str, float]:
        """Waits for the end; returns the longest time in each phase, in seconds.

        Raises:
            TimeoutError: If it takes longer than `limit` seconds.
        """
        longest, doing, since = {}, moments.START, self.started
        while any(process.poll() is None for process in self.processes):
            if self.age > limit:
                raise TimeoutError(f'{self.workdir} did not end in {limit:.0f} seconds.')
            now = self.doing(self.look())
            if now != doing:
                longest[doing] = max(longest.get(doing, 0.0), time.monotonic() - since)
                doing, since = now, time.monotonic()
            time.sleep(_POLL)
        self.look()
        return longest | {doing: max(longest.get(doing, 0.0), time.monotonic() - since)}

    def end(self, victim: int, number: int, limit: float) -> tuple[list[int | None], float]:
        """Sends a signal to a process and waits for the end of all.

        Returns:
            The exit statuses (None for a process that did not end in `limit` seconds, and was
            killed), and the seconds that it took.
        """
        began = time.monotonic()
        self.processes[victim].send_signal(number)
        self._continue()
        statuses = []
        for process in self.processes:
            try:
                statuses.append(process.wait(max(0.0, began + limit - time.monotonic())))
            except subprocess.TimeoutExpired:
                statuses.append(None)
                process.kill()
                process.wait()
        seconds = time.monotonic() - began
        self._read_log()
        return statuses, seconds

    def last_line(self, worker: int) -> str:
        """Returns the last line that a process of this attempt printed."""
        with self.logs[worker].open('rb') as file:
            file.seek(self._offsets[worker])
            lines = file.read().decode(errors='replace').strip().splitlines()
        return lines[-1] if lines else ''

    def half_written(self) -> list[str]:
        """Returns the names of what this attempt left half written."""
        return sorted(name for name, _ in set(half_written(self.workdir)) - self._before)

    def _read_progress(self):
        path = self.workdir / 'progress.json'
        if (written := modified(path)) != self._progress:
            self._progress, self._logged = written, json.loads(path.read_text())['step']

    def _read_scores(self):
        path = self.workdir / 'checkpoints' / 'scores.json'
        if (written := modified(path)) != self._scores:
            self._scores = written
            self._scored = frozenset(one['step'] for one in json.loads(path.read_text()))

    def _read_log(self):
        """Looks in the log for the step at which the run resumes, or is saved."""
        with self.logs[0].open('rb') as file:
            file.seek(self._read_to)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b'\n'):
                return  # Read it when it is whole.
            self._read_to += len(line)
            text = line.decode(errors='replace')
            if found := re.search(r'resuming at step (\d+)\.', text):
                self.resumed = int(found[1]), self.age
            elif text.endswith('finished; evaluating only.\n'):
                self.resumed = newest(self.workdir / 'checkpoints' / 'last'), self.age
            elif found := re.match(r'Saved at step (\d+);', text):
                self.saved_at = int(found[1])


def _environments(workers):
    """Returns the environment of each worker; the ports are free ones."""
    left_out = ('TF_CONFIG', 'TPU_NAME')
    shared = {name: value for name, value in os.environ.items() if name not in left_out}
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    shared |= {'PYTHONPATH': os.pathsep.join(paths), 'CUDA_VISIBLE_DEVICES': '-1'}
    if workers == 1:
        return [shared]
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(workers)]
    addresses = [f'127.0.0.1:{one.getsockname()[1]}' for one in sockets]
    for one in sockets:
        one.close()
    tasks = [
        {'cluster': {'worker': addresses}, 'task': {'type': 'worker', 'index': index}}
        for index in range(workers)
    ]
    return [{**shared, 'TF_CONFIG': json.dumps(task)} for task in tasks]
