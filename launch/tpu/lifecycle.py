"""Creates a TPU as a queued resource, waits for it, checks its state, and deletes it."""

import contextlib
import sys

from tpu import memory
from tpu.gcloud import ABSENT, Failure, Gcloud, Lost, provision

LOST = ('SUSPENDING', 'SUSPENDED', 'FAILED')
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


def resource_state(gcloud: Gcloud) -> tuple[str, str]:
    """Returns the state of the queued resource ('' if it does not exist) and its error message."""
    settings = gcloud.settings
    resource = gcloud.describe('queued-resources')
    if resource is None:
        return '', ''
    for spec in resource.get('tpu', {}).get('nodeSpec', []):
        kind = spec.get('node', {}).get('acceleratorType', settings.type).rpartition('/')[2]
        if kind != settings.type:
            raise Failure(
                f'{settings.name} exists already in {settings.zone} and is a {kind}, not a '
                f'{settings.type}. Delete it first, or give another --name.'
            )
    state = resource.get('state', {})
    error = state.get('failedData', {}).get('error', {}).get('message', '')
    return state.get('state', 'STATE_UNSPECIFIED'), error


def machines(gcloud: Gcloud) -> tuple[str, int]:
    """Returns the state of the machines ('' if there are none) and how many there are."""
    found = gcloud.describe('tpu-vm')
    if found is None:
        return '', 0
    return found.get('state', ''), len(found.get('networkEndpoints', [])) or 1


def why_lost(gcloud: Gcloud) -> str:
    """Returns why a TPU that was active is lost, or '' if it is not.

    Raises:
        Failure: If somebody has deleted it, and may want it so: a TPU that is preempted leaves its
            queued resource behind.
    """
    state, error = resource_state(gcloud)
    if not state or state == 'DELETING':
        raise Failure(
            f'{gcloud.settings.name} was deleted, not preempted, so it is not created again. '
            '"create" and "run" with the same arguments resume from the last checkpoint.'
        )
    if state in LOST:
        return f'its state is {state}' + (f' ({error})' if error else '')
    if state != 'ACTIVE':
        return ''
    state, _ = machines(gcloud)
    return f'its machines are {state or "gone"}' if not state or state in _LOST_MACHINES else ''


def create(gcloud: Gcloud, yes: bool) -> None:
    """Requests a TPU, or takes over the one that exists, and waits until it is active.

    Args:
        gcloud: Of the TPU.
        yes: Do not ask.
    """
    settings = gcloud.settings
    state, error = resource_state(gcloud)
    if state and state not in (*LOST, 'DELETING'):
        gcloud.report(f'{settings.name} exists already ({state}); it is taken over.')
    else:
        if not gcloud.dry_run:
            ask(
                f'Create {settings.name}: {settings.type} ({provision(settings)}) in '
                f'{settings.zone}, project {settings.project}, image {settings.image}? Once it is '
                f'granted it costs {cost(settings)}, until it is deleted.',
                yes,
            )
        if state:
            gcloud.report(f'{settings.name} is {state}; it is deleted first. {error}')
            remove(gcloud)
        try:
            request(gcloud)
        except Failure:
            with contextlib.suppress(Failure):  # If it may exist, it must stay remembered.
                if not resource_state(gcloud)[0]:
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


def wait_until_active(gcloud: Gcloud) -> None:
    """Waits until a requested TPU is granted and its machines are ready."""
    settings, shown, without_machines = gcloud.settings, None, 0
    for poll in range(gcloud.max_polls):
        state, error = resource_state(gcloud)
        if not state:
            raise Failure(f'{settings.name} does not exist; create it with "create".')
        now = kind = state
        if state == 'ACTIVE':
            kind, count = machines(gcloud)
            if kind == 'READY':
                gcloud.report(f'{settings.name} is active: {settings.type}, machines: {count}.')
                return
            without_machines = 0 if kind else without_machines + 1
            now = f'ACTIVE, machines {kind or "missing"}'
        late = without_machines > _MOST_POLLS_WITHOUT_MACHINES
        if state in LOST or kind in _LOST_MACHINES or late:
            reason = gcloud.explain(error) if error else f'It is {now}.'
            raise (Failure if 'quota' in error.lower() else Lost)(
                f'{settings.name} was not granted, or preempted at once. {reason}\n'
                'Run "create" again to request it again, or "delete" it.'
            )
        if now != shown:
            minutes = poll * gcloud.poll_seconds / 60
            gcloud.report(f'Waiting for {settings.name}: {now} (after {minutes:.0f} min).')
            shown = now
        gcloud.sleep()
    raise Failure(
        f'{settings.name} is still {shown} after {gcloud.max_polls} polls. The request stays in '
        'the queue and costs once it is granted: "create" waits again, "delete" withdraws it.',
        75,
    )


def remove(gcloud: Gcloud) -> None:
    """Deletes queued resource and machines, and waits until they are gone."""
    settings = gcloud.settings
    # With its machines, and without a question of gcloud's own.
    deletion = ('queued-resources', 'delete', '--force', '--quiet')
    result = gcloud.tpu(*deletion)
    # It is busy while it is granted or preempted: then try again below.
    if result.status and not result.failed_by(f'{ABSENT}|{_BUSY}'):
        raise Failure(gcloud.explain(result.error))
    for _ in range(gcloud.max_polls):
        found = gcloud.describe('queued-resources')
        if not found:
            break
        if result.status and found.get('state', {}).get('state') != 'DELETING':
            result = gcloud.tpu(*deletion)
        gcloud.sleep()
    else:
        raise Failure(
            f'{settings.name} still exists after {gcloud.max_polls} polls; run "delete" again.', 75
        )
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
