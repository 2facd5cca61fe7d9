"""Creates a TPU as a queued resource, waits for it, checks its state, and deletes it."""

import contextlib
import itertools
import sys
from typing import NamedTuple

from tpu import memory
from tpu.gcloud import ABSENT, Failure, Gcloud, Lost, provision

_LOST = ('SUSPENDING', 'SUSPENDED', 'FAILED')
_LOST_MACHINES = ('PREEMPTED', 'TERMINATED', 'STOPPED', 'STOPPING', 'DELETING', 'HIDING', 'HIDDEN')
_BUSY = 'FAILED_PRECONDITION|ABORTED'
_MOST_POLLS_WITHOUT_MACHINES = 10  # They can appear a little later than the state ACTIVE.


def ask(question: str, yes: bool) -> None:
    """Asks for consent; without it there is a `Failure`."""
    if yes:
        print(f'{question} Yes.')
        return
    if not sys.stdin.isatty():
        raise Failure(f'{question} There is no terminal to ask on; add --yes.')
    try:
        answer = input(f'{question} [y/N] ')
    except EOFError:
        answer = ''
    if answer.strip().lower() not in ('y', 'yes'):
        raise Failure('Nothing was done.')


def cost(settings) -> str:
    """Returns what a TPU costs an hour, and where the number is from, in words."""
    if settings.price_per_hour is not None:
        return f'{settings.price:.2f} USD an hour (by --price_per_hour)'
    note = 'at most, the list price on demand by our table; spot costs less'
    if not settings.spot:
        note = 'by our table of list prices, which may be out of date or of another region'
    return f'about {settings.price:.2f} USD an hour ({note})'


class State(NamedTuple):
    """The state of a TPU.

    Attributes:
        resource: State of its queued resource; '' if it does not exist.
        error: What Google Cloud says about the resource, or ''.
        machines: State of its machines; '' if there are none.
        count: How many machines there are.
    """

    resource: str
    error: str = ''
    machines: str = ''
    count: int = 0

    def is_lost(self) -> bool:
        """Whether it was preempted or not granted."""
        return self.resource in _LOST or self.machines in _LOST_MACHINES

    def is_ready(self) -> bool:
        """Whether training can start."""
        return self.resource == 'ACTIVE' and self.machines == 'READY'

    def __str__(self):
        text = self.resource or 'missing'
        if self.resource == 'ACTIVE':
            text += f', machines {self.machines or "missing"}'
        return text + (f' ({self.error})' if self.error else '')


def look(gcloud: Gcloud) -> State:
    """Returns the state of a TPU.

    Raises:
        Failure: If a TPU of that name has another type, and so another price.
    """
    settings = gcloud.settings
    found = gcloud.describe('queued-resources')
    if found is None:
        return State('')
    for spec in found.get('tpu', {}).get('nodeSpec', []):
        kind = spec.get('node', {}).get('acceleratorType', settings.type).rpartition('/')[2]
        if kind != settings.type:
            raise Failure(
                f'{settings.name} exists already in {settings.zone} and is a {kind}, not a '
                f'{settings.type}. Delete it first, or give another --name.'
            )
    state = found.get('state', {})
    error = state.get('failedData', {}).get('error', {}).get('message', '')
    resource = state.get('state', 'STATE_UNSPECIFIED')
    node = gcloud.describe('tpu-vm') if resource == 'ACTIVE' else None
    if node is None:
        return State(resource, error)
    return State(resource, error, node.get('state', ''), len(node.get('networkEndpoints', [])) or 1)


def why_lost(gcloud: Gcloud) -> str:
    """Returns the state of a TPU that was active and is lost, or '' if it is not.

    Raises:
        Failure: If somebody has deleted it, and may want it so: a TPU that is preempted leaves its
            queued resource behind.
    """
    state = look(gcloud)
    if state.resource in ('', 'DELETING'):
        raise Failure(
            f'{gcloud.settings.name} was deleted, not preempted, so it is not created again. '
            '"create" and "run" with the same arguments resume from the last checkpoint.'
        )
    gone = state.resource == 'ACTIVE' and not state.machines
    return str(state) if state.is_lost() or gone else ''


def create(gcloud: Gcloud, yes: bool) -> None:
    """Requests a TPU, or takes over the one that exists, and waits until it is active.

    Args:
        gcloud: Of the TPU.
        yes: Do not ask.
    """
    settings = gcloud.settings
    state = look(gcloud)
    if state.resource not in ('', 'DELETING') and not state.is_lost():
        gcloud.report(f'{settings.name} exists already ({state}); it is taken over.')
    else:
        if not gcloud.dry_run:
            ask(
                f'Create {settings.name}: {settings.type} ({provision(settings)}) in '
                f'{settings.zone}, project {settings.project}, image {settings.image}? Once it is '
                f'granted it costs {cost(settings)}, until it is deleted.',
                yes,
            )
        if state.resource:
            gcloud.report(f'{settings.name} is {state}; it is deleted first.')
            remove(gcloud)
        try:
            request(gcloud)
        except Failure:
            with contextlib.suppress(Failure):  # If it may exist, it must stay remembered.
                if not look(gcloud).resource:
                    memory.forget(settings.name)
            raise
    if not gcloud.dry_run:
        memory.save(settings)
    wait_until_active(gcloud)


def request(gcloud: Gcloud) -> None:
    """Requests the queued resource."""
    settings = gcloud.settings
    if not gcloud.dry_run:
        memory.save(settings)  # First, so that "delete" finds what is half made.
    result = gcloud.tpu(
        *('queued-resources', 'create', f'--node-id={settings.name}'),
        *(f'--accelerator-type={settings.type}', f'--runtime-version={settings.image}'),
        *(['--spot'] if settings.spot else []),
        *(*settings.gcloud_flags, '--quiet'),
    )
    if result.status:
        raise Failure(gcloud.explain(result.error))


def wait_until_active(gcloud: Gcloud) -> int:
    """Waits until a TPU is granted and its machines are ready; returns how many there are."""
    settings, shown, without_machines = gcloud.settings, '', 0
    for poll in itertools.count():
        state = look(gcloud)
        if not state.resource:
            raise Failure(f'{settings.name} does not exist; create it with "create".')
        if state.is_ready():
            gcloud.report(f'{settings.name} is active: {settings.type}, machines: {state.count}.')
            return state.count
        missing = state.resource == 'ACTIVE' and not state.machines
        without_machines = without_machines + 1 if missing else 0
        if state.is_lost() or without_machines > _MOST_POLLS_WITHOUT_MACHINES:
            reason = gcloud.explain(state.error) if state.error else f'It is {state}.'
            raise (Failure if 'quota' in state.error.lower() else Lost)(
                f'{settings.name} was not granted, or preempted at once. {reason}\n'
                'Run "create" again to request it again, or "delete" it.'
            )
        if str(state) != shown:
            shown, minutes = str(state), poll * gcloud.poll_seconds / 60
            gcloud.report(f'Waiting for {settings.name}: {shown} (after {minutes:.0f} min).')
        gcloud.sleep()


def remove(gcloud: Gcloud) -> None:
    """Deletes queued resource and machines, and waits until they are gone."""
    # With its machines, and without a question of gcloud's own.
    deletion = ('queued-resources', 'delete', '--force', '--quiet')
    result = gcloud.tpu(*deletion)
    # It is busy while it is granted or preempted: then try again below.
    if result.status and not result.failed_by(f'{ABSENT}|{_BUSY}'):
        raise Failure(gcloud.explain(result.error))
    while found := gcloud.describe('queued-resources'):
        if result.status and found.get('state', {}).get('state') != 'DELETING':
            result = gcloud.tpu(*deletion)
        gcloud.sleep()
    if gcloud.describe('tpu-vm'):
        result = gcloud.tpu('tpu-vm', 'delete', '--quiet')
        if result.status and not result.failed_by(ABSENT):
            raise Failure(gcloud.explain(result.error))


def delete(gcloud: Gcloud, yes: bool) -> None:
    """Deletes a TPU after a question; one that does not exist is not an error."""
    settings = gcloud.settings
    if not gcloud.dry_run:
        ask(
            f'Delete {settings.name} ({settings.type} in {settings.zone}, project '
            f'{settings.project})? The files on its disks are lost; gs:// stays.',
            yes,
        )
    remove(gcloud)
    if not gcloud.dry_run:
        memory.forget(settings.name)
        print(f'{settings.name} is deleted: neither the resource nor machines exist now.')
