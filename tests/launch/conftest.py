"""Sweeps with a stand-in for `wss`."""

import json
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
import sweep
from sweeping import jobs

FOLDER = pathlib.Path(__file__).resolve().parent
PARSE = """
def parse(files, params):
    for line in params:
        if line.startswith('Bad.'):
            raise ValueError(f'Nothing is called {line}.')
"""


class Sweeps:
    """Sweeps in the folder `sweep` of a folder, whose runs do what `plays` was told."""

    def __init__(self, path):
        self.path = path
        package = path / 'wss' / 'configuration'  # `python -m wss.train` finds it here.
        package.mkdir(parents=True)
        (path / 'wss' / '__init__.py').touch()
        (package / '__init__.py').touch()
        (package / 'gin_files.py').write_text(PARSE)
        shutil.copy(FOLDER / 'stand_in_train.py', path / 'wss' / 'train.py')
        (path / 'base.gin').write_text('A.c = 1\n')
        self.arguments = ['--workdir', 'sweep', '--gin_file', 'base.gin']
        self.plays()

    def plays(self, **by_name):
        """Sets what runs do: `b_1__seed_0` stands for the run `b=1,seed=0`."""
        text = {name.replace('__', ',').replace('_', '='): play for name, play in by_name.items()}
        (self.path / 'plays.json').write_text(json.dumps(text))

    def starts(self):
        """Lists the starts of runs so far."""
        path = self.path / 'starts.jsonl'
        return [json.loads(line) for line in path.open()] if path.exists() else []

    def names(self):
        """Lists the names of the runs that were started, in order."""
        return [start['name'] for start in self.starts()]

    def start(self, *flags):
        """Sweeps; returns the exit status."""
        return sweep.main([*self.arguments, *flags])

    def background(self, *flags):
        """Starts a sweep as a process of its own."""
        script = FOLDER.parents[1] / 'launch' / 'sweep.py'
        return subprocess.Popen(
            [sys.executable, script, *self.arguments, *flags],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def refused(self, capsys, *flags):
        """Returns the error of a sweep that is refused before it starts anything."""
        before = len(self.starts())
        assert self.start(*flags) == 1
        assert len(self.starts()) == before
        printed = capsys.readouterr().err.strip()
        assert '\n' not in printed
        return printed

    def read(self, file):
        """Returns the text of a file of the sweep."""
        return (self.path / 'sweep' / file).read_text()

    def wait_for(self, run, file):
        """Waits until a run has written a file."""
        path = self.path / 'sweep' / run / file
        for _ in range(1500):
            if path.exists():
                return
            time.sleep(0.02)
        raise AssertionError(f'{path} did not appear.')


@pytest.fixture
def sweeps(tmp_path, monkeypatch):
    """Sweeps that look after their runs without delay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('STAND_IN', str(tmp_path))
    monkeypatch.setattr(jobs, '_POLL', 0.02)
    monkeypatch.setattr(jobs, '_LOOK', 0.0)
    monkeypatch.setattr(jobs, '_LONGEST_REST', 0.0)
    return Sweeps(tmp_path)
