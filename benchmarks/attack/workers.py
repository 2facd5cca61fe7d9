"""Runs attempts in a process of their own, so that a crash costs one attempt."""

import dataclasses
import importlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import traceback

# Each is a module of this package with `attempts(folder, seed)`, see `work`.
KINDS = (
    'images',
    'records',
    'archives',
    'settings',
    'gin_files',
    'data_folders',
    'run_folders',
    'predictions',
    'kills',
)
_SECONDS = 600.0  # An attempt that takes longer is not survived.
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PROGRAM = """
import sys
sys.path[:0] = {path!r}
from attack import workers
workers.work({kind!r}, {folder!r}, {seed}, {first}, {tries})
"""


@dataclasses.dataclass
class Outcome:
    """What became of the attempts of one kind.

    Attributes:
        tried: How many attempts there were.
        failures: A sentence for each attempt that was not survived.
    """

    tried: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def survived(self) -> int:
        """How many attempts were survived."""
        return self.tried - len(self.failures)


def run(kind: str, folder, seed: int, tries: int | None, seconds: float = _SECONDS) -> Outcome:
    """Runs the attempts of a kind, in a new process after each crash.

    Args:
        kind: One of `KINDS`, or the name of another module with `attempts`.
        folder: Folder for its files, and for `log.txt`, what its processes print.
        seed: Seed of the attempts.
        tries: How many; None for the number of the kind.
        seconds: Limit of one attempt.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    outcome, total = Outcome(), None
    with open(folder / 'log.txt', 'w', encoding='utf-8') as log:
        while total is None or outcome.tried < total:
            process = _start(kind, folder, seed, outcome.tried, tries, log)
            announced = _follow(process, outcome, seconds)
            total = announced if announced is not None else total
            if total is None:
                raise RuntimeError(f'The attack {kind} cannot start; see {folder / "log.txt"}.')
            if outcome.tried < total:
                status = process.returncode
                outcome.failures.append(f'{outcome.tried}: the process ended, status {status}')
                outcome.tried += 1
    return outcome


def work(kind: str, folder: str, seed: int, first: int, tries: int | None) -> None:
    """Makes the attempts from number `first` on, and prints a line of JSON about each.

    The module of a kind has `attempts(folder, seed)`, which returns the number of attempts that it
    proposes, and a function that makes one by its number. The function returns a word, or raises
    an error if the attempt is not survived.
    """
    channel = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # What the program prints goes to the log.
    number, attempt = importlib.import_module(f'attack.{kind}').attempts(pathlib.Path(folder), seed)
    total = number if tries is None else tries
    print(json.dumps({'total': total}), file=channel, flush=True)
    for i in range(first, total):
        try:
            line = {'number': i, 'word': attempt(i)}
        except Exception as error:
            traceback.print_exc()
            line = {'number': i, 'failure': f'{type(error).__name__}: {error}'[:500]}
        print(json.dumps(line), file=channel, flush=True)


def _start(kind, folder, seed, first, tries, log):
    path = [str(_ROOT), str(_ROOT / 'benchmarks')]
    program = _PROGRAM.format(
        path=path, kind=kind, folder=str(folder), seed=seed, first=first, tries=tries
    )
    # No GPU: the attacks are on the program, not on the device.
    environment = os.environ | {'CUDA_VISIBLE_DEVICES': '-1', 'PYTHONFAULTHANDLER': '1'}
    return subprocess.Popen(
        [sys.executable, '-c', program],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
    )


def _follow(process, outcome, seconds):
    """Counts the attempts of a process until it ends; returns how many there are in all."""
    total = None
    try:
        while line := _line(process, seconds):
            message = json.loads(line)
            if 'total' in message:
                total = message['total']
                continue
            outcome.tried += 1
            if 'failure' in message:
                outcome.failures.append(f'{message["number"]}: {message["failure"]}')
    finally:
        process.kill()
        process.wait()
    return total


def _line(process, seconds):
    """Reads a line of a process, which is killed if it gives none in time."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()
