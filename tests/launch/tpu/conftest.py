"""A cloud that is played, for the tests of `launch/tpu_pod.py`."""

import contextlib
import importlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
ABSENT = {'status': 1, 'errors': 'ERROR: (gcloud) NOT_FOUND: Resource was not found'}
DEAD = {'status': 255, 'errors': 'ssh: connect to host 1.2.3.4 port 22: Connection timed out'}
WHERE = ('--type', 'v3-8', '--zone', 'europe-west4-a', '--project', 'my-project')


def resource(state, error='', kind='v3-8'):
    """What describes a queued resource."""
    described = {'state': {'state': state}, 'tpu': {'nodeSpec': [{'node': {}}]}}
    described['tpu']['nodeSpec'][0]['node'] = {'acceleratorType': kind}
    if error:
        described['state']['failedData'] = {'error': {'code': 8, 'message': error}}
    return {'output': json.dumps(described)}


def machines(state='READY', count=1):
    """What describes the machines."""
    return {'output': json.dumps({'state': state, 'networkEndpoints': [{}] * count})}


def worker(state, offset=0, log='', **more):
    """What the first worker says of its run."""
    told = {'state': state, 'status': None, 'command': None, 'offset': offset, 'log': log}
    return {'output': 'Using ssh batch size of 1.\nwss-state ' + json.dumps(told | more)}


class Cloud:
    """The stand-in for `gcloud`, and `tpu_pod.py` started with it on the PATH."""

    ABSENT, DEAD, WHERE = ABSENT, DEAD, WHERE
    resource, machines, worker = (
        staticmethod(resource),
        staticmethod(machines),
        staticmethod(worker),
    )

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / 'bin'
        self.bin.mkdir()
        self.remembered = folder / 'remembered'
        stand_in = self.bin / 'stand_in.py'
        shutil.copy(pathlib.Path(__file__).with_name('gcloud_stand_in.py'), stand_in)
        self.script('gcloud', f'exec {sys.executable} -S -E {stand_in} "$@"')
        self.script('python3', f'exec {sys.executable} "$@"')
        # Nothing else is on the PATH: a true gcloud must never be reached from here.
        for name in (
            'cat',
            'env',
            'git',
            'gzip',
            'mkdir',
            'cp',
            'rm',
            'sed',
            'sh',
            'sleep',
            'tar',
            'touch',
        ):
            (self.bin / name).symlink_to(shutil.which(name))
        self.plays()

    def script(self, name, text):
        """Puts a shell script onto the PATH."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\n{text}\n')
        path.chmod(0o755)

    def plays(self, *rules):
        """Sets the scenario: pairs of a part of a command line and its answers."""
        rules = [
            (part, [answers] if isinstance(answers, dict) else answers) for part, answers in rules
        ]
        (self.bin / 'scenario.json').write_text(json.dumps(rules))
        (self.bin / 'calls.json').unlink(missing_ok=True)

    def start(self, *arguments):
        """Starts `tpu_pod.py` in this process, and returns how it ended."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                status = self.main(list(arguments))
            except SystemExit as end:  # argparse ends so.
                status = end.code
        return types.SimpleNamespace(
            returncode=status, stdout=output.getvalue(), stderr=errors.getvalue()
        )

    def start_process(self, *arguments, typed=''):
        """Starts it in a process of its own, as a user does."""
        command = [sys.executable, str(ROOT / 'launch' / 'tpu_pod.py'), *arguments]
        return subprocess.run(command, input=typed, capture_output=True, text=True)

    def quick(self, verb, *arguments):
        """The same with the flags that every verb needs."""
        return self.start(verb, *self.WHERE, *arguments)

    @property
    def calls(self):
        """The command lines so far."""
        path = self.bin / 'calls.json'
        return json.loads(path.read_text()) if path.exists() else []

    def verbs(self):
        """The calls in short: what was asked of what, such as 'resource create' or 'ssh 0'."""
        short = []
        for call in self.calls:
            words = call.split(' ')
            if 'queued-resources' in words:
                short.append('resource ' + words[3])
            elif 'tpu-vm' in words:
                to = [word for word in words if word.startswith('--worker=')]
                short.append(words[3] + ''.join(word.replace('--worker=', ' ') for word in to))
            else:
                short.append(' '.join(words[:3]))
        return short


@pytest.fixture
def load(monkeypatch):
    """From the name of a part of `tpu_pod.py` to its module."""
    monkeypatch.syspath_prepend(str(ROOT / 'launch'))
    return lambda name: importlib.import_module(f'tpu.{name}')


@pytest.fixture
def cloud(tmp_path, monkeypatch, load):
    """A cloud in which nothing is there yet."""
    made = Cloud(tmp_path)
    monkeypatch.setenv('PATH', str(made.bin))
    monkeypatch.setenv('WSS_TPU_FOLDER', str(made.remembered))
    made.main = importlib.import_module('tpu_pod').main
    monkeypatch.setattr(load('gcloud').Gcloud, 'poll_seconds', 0.0)
    monkeypatch.setattr(load('gcloud').Gcloud, 'retries', 2)
    return made
