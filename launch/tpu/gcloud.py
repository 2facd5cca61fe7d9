"""Calls of the `gcloud` command, and its errors as sentences."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from typing import NamedTuple


class Failure(Exception):
    """A sentence for the user, and the exit status that goes with it."""

    def __init__(self, sentence: str, status: int = 1):
        super().__init__(sentence)
        self.status = status


class Lost(Failure):
    """A TPU was preempted, or not granted for a reason that may pass."""


class Result(NamedTuple):
    """What a call of `gcloud` returned; its status is 255 also if it took too long."""

    status: int
    output: str
    errors: str = ''

    @property
    def error(self) -> str:
        """The error of a failed call in one line."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        marked = [line for line in lines if line.startswith('ERROR')]
        return (marked[:1] or lines[-1:] or [f'exit status {self.status}'])[0]

    def failed_by(self, pattern: str) -> bool:
        """Whether the call failed with an error that fits a regular expression."""
        return self.status != 0 and re.search(pattern, self.errors) is not None


ABSENT = 'NOT_FOUND|was not found|could not be found|[Nn]ot found'
# Errors that another attempt does not fix; the first pattern that fits counts.
_MEANINGS = {
    r'no active account|active account selected|gcloud auth login|Reauthentication'
    r'|UNAUTHENTICATED|invalid_grant|refresh the access token': (
        'You are not logged in to Google Cloud; run "gcloud auth login".'
    ),
    'SERVICE_DISABLED|has not been used in project|API .*is not enabled': (
        'The Cloud TPU API is off; run "gcloud services enable tpu.googleapis.com --project '
        '{project}".'
    ),
    'Invalid choice|unrecognized arguments': (
        'gcloud does not know a command or flag. If the flags after "--" are right, it is too old: '
        'run "gcloud components update".'
    ),
    'no more capacity|[Ii]nsufficient capacity|not enough resources|STOCKOUT': (
        'Zone {zone} has no free {type} now; try later, another zone, or --spot.'
    ),
    '[Qq]uota': (
        'Project {project} has no quota for this. Ask for Cloud TPU API quota of {type} '
        '({provision}) in zone {zone}: Google Cloud console, IAM & Admin, Quotas. On demand, spot '
        'and reserved have quotas of their own, in each zone and for each generation.'
    ),
    'billing': 'Project {project} has no billing account; link one in the Google Cloud console.',
    'PERMISSION_DENIED|permission|403': (
        'Your account needs the roles TPU Admin (roles/tpu.admin) and, to reach the machines, '
        'Service Account User in project {project}.'
    ),
    r'not found in zone|not available in zone|invalid zone|Location .* is not found'
    r'|locations/.*unauthorized|UNSUPPORTED_LOCATION|is not supported in': (
        'Zone {zone} has no {type}, or does not exist; "gcloud compute tpus accelerator-types list '
        '--zone ZONE" lists the types of a zone.'
    ),
}


def provision(settings) -> str:
    """Returns how a TPU is provided, in words."""
    return 'spot' if settings.spot else 'on demand'


class Gcloud:
    """The `gcloud` command for one TPU, that of `settings`.

    Attributes:
        poll_seconds: Seconds between two polls.
        retries: How often in a row a call may stay without an answer.
    """

    dry_run = False
    poll_seconds, retries = 20.0, 30

    def __init__(self, settings):
        self.settings = settings

    def call(self, *arguments: str, seconds: float = 600.0) -> Result:
        """Runs `gcloud` for at most `seconds` and returns its result, whatever its exit status."""
        try:
            process = subprocess.Popen(
                ['gcloud', *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors='replace',
                start_new_session=True,  # So that its ssh ends with it.
            )
        except FileNotFoundError as error:
            raise Failure(
                'The command "gcloud" is missing; install the Google Cloud CLI '
                '(cloud.google.com/sdk/docs/install) and run "gcloud init".'
            ) from error
        try:
            output, errors = process.communicate(timeout=seconds)
            return Result(process.returncode, output, errors)
        except subprocess.TimeoutExpired:
            _kill(process)
            return Result(255, '', f'ERROR: no answer in {seconds:g} seconds')
        except BaseException:
            _kill(process)
            raise

    def tpu(self, what: str, verb: str, *flags: str) -> Result:
        """Runs a verb of 'queued-resources' or 'tpu-vm' on the TPU."""
        return self.call('compute', 'tpus', what, verb, self.settings.name, *self.place(), *flags)

    def ssh(self, worker: int | str, command: str, seconds: float = 600.0) -> Result:
        """Runs a shell command on one worker, or on 'all'."""
        return self.call(*self.ssh_arguments(worker, command), seconds=seconds)

    def show(self, command: str) -> int:
        """Runs a command on worker 0 with its output on this terminal; returns its status."""
        sys.stdout.flush()
        arguments = ['gcloud', *self.ssh_arguments(0, command)]
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, check=False).returncode

    def ssh_arguments(self, worker: int | str, command: str) -> list[str]:
        """Returns the arguments of `gcloud` that run a shell command."""
        return [
            *('compute', 'tpus', 'tpu-vm', 'ssh', self.settings.name, *self.place(), '--quiet'),
            *(f'--worker={worker}', f'--command={command}'),
        ]

    def place(self) -> list[str]:
        """Returns the flags that say where the TPU is."""
        return [f'--zone={self.settings.zone}', f'--project={self.settings.project}']

    def describe(self, what: str) -> dict | None:
        """Returns the description of 'queued-resources' or 'tpu-vm'; None if it does not exist.

        Asks again where the cause of an error is unclear: waiting must survive a lost connection.
        """
        for attempt in range(self.retries + 1):
            if attempt:
                self.sleep()
            result = self.tpu(what, 'describe', '--format=json')
            if result.failed_by(ABSENT):
                return None
            if result.status and any(re.search(known, result.error) for known in _MEANINGS):
                break
            with contextlib.suppress(ValueError):
                found = json.loads(result.output)
                if result.status == 0 and isinstance(found, dict):
                    return found
        if result.status == 0:
            raise Failure(f'gcloud describes {self.settings.name} in something that is not JSON.')
        raise Failure(self.explain(result.error))

    def explain(self, text: str) -> str:
        """Returns what a message of Google Cloud means, followed by the message."""
        facts = vars(self.settings) | {'provision': provision(self.settings)}
        for pattern, meaning in _MEANINGS.items():
            if re.search(pattern, text):
                return f'{meaning.format(**facts)}\n  Google Cloud: {text}'
        return f'Google Cloud: {text}'

    def report(self, text: str) -> None:
        """Prints progress."""
        print(text, flush=True)

    def sleep(self) -> None:
        """Waits until the next poll."""
        time.sleep(self.poll_seconds)


class DryRun(Gcloud):
    """Prints the commands, quoted for a shell, and runs nothing; all of them would succeed.

    Args:
        settings: Those of the TPU.
        exists: Whether the TPU exists at first.
    """

    dry_run = True
    poll_seconds = 0.0

    def __init__(self, settings, exists: bool):
        super().__init__(settings)
        self.exists = exists

    def call(self, *arguments, seconds=600.0):
        line = shlex.join(['gcloud', *arguments])
        print(line)
        if 'queued-resources create' in line or 'queued-resources delete' in line:
            self.exists = 'create' in line
        if ' describe ' in line and not self.exists:
            return Result(1, '', 'NOT_FOUND')
        answers = {
            'queued-resources describe': '{"state": {"state": "ACTIVE"}}',
            'tpu-vm describe': '{"state": "READY"}',
            'get-value project': 'PROJECT',
            'tpu.install': 'wss-ready',
            'tpu.worker state 0': 'wss-state {"state": "ended", "status": 0}',
            'tpu.worker state': 'wss-state {"state": "none"}',
            'tpu.worker start': 'wss-state {"state": "started"}',
        }
        return Result(0, next((text for part, text in answers.items() if part in line), ''))

    def show(self, command):
        return self.ssh(0, command).status

    def report(self, text):
        """Prints nothing: the output is commands alone."""


def _kill(process):
    """Ends a process and the processes that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
