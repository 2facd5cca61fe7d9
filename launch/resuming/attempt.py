"""One start of a run, of one or several processes: seen from outside, and ended."""

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

ROOT = pathlib.Path(__file__).resolve().parents[2]
_POLL = 0.001  # Seconds; writing a checkpoint takes some hundredths.


class Attempt:
    """Processes of one run, and what is seen of them.

    Attributes:
        processes: One for each worker, the chief first.
        resumed: Step at which the run goes on, 0 for one that begins anew, and the seconds until
            it said so; None before.
        saved_at: The step at which it said that it was saved, after a signal.

    Args:
        workdir: Folder of the run.
        arguments: The command, `python -m wss.train ...`.
        log: Path of the log; the output is added at its end. Further workers have a number in it.
        schedule: Returns what the run does how often; asked when it has begun.
        workers: How many processes.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        arguments: list[str],
        log: pathlib.Path,
        schedule: Callable[[], moments.Schedule],
        workers: int = 1,
    ):
        self.workdir, self.logs, self._schedule = workdir, _logs(log, workers), schedule
        self._before = set(half_written(workdir))
        self._record = modified(workdir / 'run.json')
        self._scores = (None, frozenset())
        self._told, self.resumed, self.saved_at = -1, None, None
        self._offsets = [path.stat().st_size if path.exists() else 0 for path in self.logs]
        self._read_to, self._rest = self._offsets[0], b''
        self.started = time.monotonic()
        self.processes = []
        for path, environment in zip(self.logs, _environments(workers), strict=True):
            with path.open('ab') as output:
                self.processes.append(
                    subprocess.Popen(
                        arguments, cwd=ROOT, env=environment, stdout=output, stderr=output
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
        self._read_log()
        left = half_written(self.workdir)
        self._before &= set(left)  # What an earlier attempt left counts until it is removed.
        return moments.View(
            modified(self.workdir / 'run.json') != self._record,
            self._told,
            newest(self.workdir / 'checkpoints' / 'last'),
            bool(set(left) - self._before),
            self._read_scores(),
        )

    def doing(self, view: moments.View) -> str:
        """Says what the run is doing."""
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
                self._go_on()
                due, share = None, share / 2
        return None

    def _frozen(self):
        """Stops the process that writes, so that what is seen is what is killed; returns it."""
        chief = self.processes[0]
        chief.send_signal(signal.SIGSTOP)
        with contextlib.suppress(ChildProcessError):  # It has ended in between.
            os.waitid(os.P_PID, chief.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return self.look()

    def _go_on(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def follow(self, limit: float) -> dict[str, float]:
        """Waits for the end; returns how long it was busy with what, the longest in seconds.

        Raises:
            TimeoutError: If it takes longer than `limit` seconds.
        """
        spans, doing, since = {}, moments.START, self.started
        while any(process.poll() is None for process in self.processes):
            if self.age > limit:
                raise TimeoutError(f'{self.workdir} did not end in {limit:.0f} seconds.')
            now = self.doing(self.look())
            if now != doing:
                spans.setdefault(doing, []).append(time.monotonic() - since)
                doing, since = now, time.monotonic()
            time.sleep(_POLL)
        self._read_log()
        spans.setdefault(doing, []).append(time.monotonic() - since)
        return {name: max(lengths) for name, lengths in spans.items()}

    def end(self, victim: int, number: int, limit: float) -> tuple[list[int | None], float]:
        """Sends a signal to a process and waits for the end of all.

        Returns:
            The exit statuses (None for a process that did not end in `limit` seconds, and was
            killed), and the seconds that it took.
        """
        began = time.monotonic()
        self.processes[victim].send_signal(number)
        self._go_on()
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

    def last_words(self, worker: int) -> str:
        """Returns the last line that a process of this attempt printed."""
        with self.logs[worker].open('rb') as file:
            file.seek(self._offsets[worker])
            lines = file.read().decode(errors='replace').strip().splitlines()
        return lines[-1] if lines else ''

    def half_written(self) -> list[str]:
        """Returns the names of what this attempt left half written."""
        return sorted(name for name, *_ in set(half_written(self.workdir)) - self._before)

    def _read_log(self):
        with self.logs[0].open('rb') as file:
            file.seek(self._read_to)
            text = file.read()
        if not text:
            return
        self._read_to += len(text)
        *lines, self._rest = (self._rest + text).split(b'\n')
        for line in lines:
            line = line.decode(errors='replace')
            if found := re.match(r'step +(\d+)/\d+ ', line):
                self._told = int(found[1])
                self.resumed = self.resumed or (0, self.age)  # It says so of other steps.
            elif found := re.search(r'going on at step (\d+)\.', line):
                self.resumed = int(found[1]), self.age
            elif line.endswith('finished; evaluating only.'):
                self.resumed = newest(self.workdir / 'checkpoints' / 'last'), self.age
            elif found := re.match(r'Saved at step (\d+);', line):
                self.saved_at = int(found[1])

    def _read_scores(self):
        path = self.workdir / 'checkpoints' / 'scores.json'
        mtime = modified(path)
        if mtime != self._scores[0]:
            self._scores = mtime, frozenset(one['step'] for one in json.loads(path.read_text()))
        return self._scores[1]


def _logs(log, workers):
    return [log] + [log.with_name(f'{log.stem}.{i}{log.suffix}') for i in range(1, workers)]


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
