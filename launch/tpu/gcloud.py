"""Calls of the `gcloud` command, and its errors as sentences."""

import contextlib
import json
import os
import re
import shlex
import shutil
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
    """A TPU was taken away, or not granted for a reason that may pass."""


class Patience(NamedTuple):
    """How waiting is done.

    Attributes:
        poll_seconds: Seconds between two looks.
        max_polls: How often something is looked at before waiting is given up.
        connection_retries: How often in a row a worker may not answer.
    """

    poll_seconds: float = 20.0
    max_polls: int = 60_480  # Two weeks.
    connection_retries: int = 30

    def sleep(self):
        """Waits until the next look."""
        time.sleep(self.poll_seconds)


class Result(NamedTuple):
    """What a call of `gcloud` gave; its status is 255 too where it did not end in time."""

    status: int
    output: str
    errors: str


# The first that is found in what gcloud says counts.
_MEANINGS = (
    (
        r'no active account|active account selected|gcloud auth login|Reauthentication'
        r'|UNAUTHENTICATED|invalid_grant|refresh the access token',
        'You are not logged in to Google Cloud; run "gcloud auth login".',
    ),
    (
        r'SERVICE_DISABLED|has not been used in project|API .*is not enabled',
        'The Cloud TPU API is off in project {project}; run "gcloud services enable '
        'tpu.googleapis.com --project {project}".',
    ),
    (
        r'Invalid choice|unrecognized arguments',
        'This gcloud is too old for queued resources; run "gcloud components update".',
    ),
    (
        r'no more capacity|[Ii]nsufficient capacity|not enough resources|STOCKOUT',
        'Zone {zone} has no free {type} now; try later, another zone, or --spot.',
    ),
    (
        r'[Qq]uota',
        'Project {project} has no quota for this. Ask for Cloud TPU API quota of {type} '
        '({kind}) in zone {zone}: Google Cloud console, IAM & Admin, Quotas. Each zone, generation '
        'and kind (on demand, spot, reserved) has its own; a grant of the TPU Research Cloud names '
        'the zones and types that it holds for.',
    ),
    (
        r'billing',
        'Project {project} has no billing account; link one in the Google Cloud console.',
    ),
    (
        r'PERMISSION_DENIED|permission|403',
        'Your account may not do this in project {project}: it needs the role TPU Admin '
        '(roles/tpu.admin), and Service Account User to reach the machines.',
    ),
    (
        r'not found in zone|not available in zone|invalid zone|Location .* is not found'
        r'|locations/.*unauthorized|UNSUPPORTED_LOCATION|is not supported in',
        'Zone {zone} has no {type}, or there is no such zone; "gcloud compute tpus '
        'accelerator-types list --zone ZONE" says what a zone has.',
    ),
)
_ABSENT = r'NOT_FOUND|was not found|could not be found|[Nn]ot found'
_EXISTS = r'ALREADY_EXISTS|already exists'
_FAILED = re.compile(r'execution on worker (\d+) failed with (?:exit status|return code) (\d+)')


def said(result: Result) -> str:
    """Returns the error of a failed call in one line."""
    lines = [line.strip() for line in result.errors.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith('ERROR')]
    return (marked[:1] or lines[-1:] or [f'exit status {result.status}'])[0]


def is_absent(result: Result) -> bool:
    """Whether a call failed because what it names is not there."""
    return result.status != 0 and re.search(_ABSENT, result.errors) is not None


def exists_already(result: Result) -> bool:
    """Whether a call failed because what it was to make is there."""
    return result.status != 0 and re.search(_EXISTS, result.errors) is not None


def failed_workers(result: Result) -> dict[int, int]:
    """Returns the workers whose command failed, as gcloud says it, with its exit status."""
    return {int(worker): int(status) for worker, status in _FAILED.findall(result.errors)}


def is_understood(result: Result) -> bool:
    """Whether `explain` knows what a failure means, so that trying again is of no use."""
    return any(re.search(pattern, said(result)) for pattern, _ in _MEANINGS)


def explain(text: str, settings) -> str:
    """Returns what a message of Google Cloud means, followed by the message."""
    facts = {
        'project': settings.project,
        'zone': settings.zone,
        'type': settings.type,
        'kind': settings.provision.replace('_', ' '),
    }
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, text):
            return f'{meaning.format(**facts)}\n  Google Cloud said: {text}'
    return f'Google Cloud said: {text}'


class Gcloud:
    """The `gcloud` command for one TPU.

    Args:
        settings: Those of the TPU.
        dry_run: Print commands, shell-quoted, and run nothing; calls then return `assume`.
        patience: How waiting is done.
        seconds: How long one call may take.
    """

    def __init__(self, settings, dry_run=False, patience=None, seconds: float = 600):
        self.settings = settings
        self.dry_run = dry_run
        self.patience = patience or Patience()
        self.seconds = seconds
        if not dry_run and shutil.which('gcloud') is None:
            raise Failure(
                'There is no "gcloud" command on the PATH; install the Google Cloud CLI '
                '(cloud.google.com/sdk/docs/install) and run "gcloud init".'
            )

    def call(self, *arguments: str, assume: str = '', seconds: float | None = None) -> Result:
        """Runs `gcloud` and returns what it gave, whatever its exit status."""
        command = ['gcloud', *arguments]
        if self.dry_run:
            print(shlex.join(command))
            return Result(0, assume, '')
        seconds = seconds or self.seconds
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors='replace',
            start_new_session=True,  # So that its ssh can be ended with it.
        )
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            return Result(255, '', f'ERROR: no answer in {seconds:g} seconds')
        except BaseException:
            _end(process)
            raise
        return Result(process.returncode, output, errors)

    def say(self, text: str) -> None:
        """Prints how it goes; a dry run, in which nothing happens, prints commands alone."""
        if not self.dry_run:
            print(text, flush=True)

    def describe(self, what: str, assume: dict) -> dict | None:
        """Returns the queued resource or the node; None if there is none.

        Asks again where it is not clear what is wrong: waiting must outlive a lost connection.

        Args:
            what: 'queued-resources' or 'tpu-vm'.
            assume: What a dry run finds.
        """
        arguments = ['compute', 'tpus', what, 'describe', self.settings.name, *self.place()]
        for attempt in range(self.patience.connection_retries + 1):
            if attempt:
                self.patience.sleep()
            result = self.call(*arguments, '--format=json', assume=json.dumps(assume))
            if is_absent(result):
                return None
            if result.status and is_understood(result):
                break
            with contextlib.suppress(ValueError):
                found = json.loads(result.output)
                if result.status == 0 and isinstance(found, dict):
                    return found
        if result.status == 0:
            raise Failure(f'gcloud describes {self.settings.name} in something that is no JSON.')
        raise Failure(explain(said(result), self.settings))

    def ssh(self, worker: int | str, command: str, assume: str = '', seconds=None) -> Result:
        """Runs a shell command on one worker, or on 'all'."""
        return self.call(*self.ssh_arguments(worker, command), assume=assume, seconds=seconds)

    def ssh_arguments(self, worker: int | str, command: str) -> list[str]:
        """Returns the arguments of `ssh`, for those who run it in another way."""
        return [
            *('compute', 'tpus', 'tpu-vm', 'ssh', self.settings.name, *self.place(), '--quiet'),
            *(f'--worker={worker}', f'--command={command}'),
        ]

    def show(self, worker: int, command: str) -> int:
        """Runs a command on one worker with its output on this terminal; returns its status."""
        arguments = ['gcloud', *self.ssh_arguments(worker, command)]
        if self.dry_run:
            print(shlex.join(arguments))
            return 0
        sys.stdout.flush()
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, check=False).returncode

    def place(self) -> list[str]:
        """Returns the flags that say where the TPU is."""
        return [f'--zone={self.settings.zone}', f'--project={self.settings.project}']


def _end(process):
    """Ends a process and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
