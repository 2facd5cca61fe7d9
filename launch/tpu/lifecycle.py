"""Makes a TPU as a queued resource, waits for it, finds out how it is, and deletes it."""

import contextlib
import sys

from tpu import memory
from tpu.gcloud import Failure, Gcloud, Lost, exists_already, explain, is_absent, said

LOST = ('SUSPENDING', 'SUSPENDED', 'FAILED')
_LOST_NODES = ('PREEMPTED', 'TERMINATED', 'STOPPED', 'STOPPING', 'DELETING', 'HIDING', 'HIDDEN')
_GONE_FLAGS = ('--force', '--quiet')  # With its node, and without a question of gcloud's own.


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
    """Says what a TPU costs an hour, and where the number is from."""
    if settings.price_per_hour is not None:
        return f'{settings.price:.2f} USD an hour (by --price_per_hour)'
    notes = {
        'on_demand': 'by our table of list prices, which may be out of date or of another region',
        'spot': 'at most, the list price on demand by our table; spot costs less',
        'reserved': 'by the list price on demand in our table; a reservation has its own price',
    }
    return f'about {settings.price:.2f} USD an hour ({notes[settings.provision]})'


def resource_state(gcloud: Gcloud, assume: str = 'ACTIVE') -> tuple[str, str]:
    """Returns the state of the queued resource ('' if there is none) and what is said of it."""
    settings = gcloud.settings
    node = {'acceleratorType': settings.type, 'runtimeVersion': settings.image}
    found = {'state': {'state': assume}, 'tpu': {'nodeSpec': [{'node': node}]}}
    resource = gcloud.describe('queued-resources', found if assume else {})
    if resource is None or not resource:
        return '', ''
    for spec in resource.get('tpu', {}).get('nodeSpec', []):
        kind = spec.get('node', {}).get('acceleratorType', settings.type).rpartition('/')[2]
        if kind != settings.type:
            raise Failure(
                f'{settings.name} exists already in {settings.zone} and is a {kind}, no '
                f'{settings.type}. Delete it first, or give another --name.'
            )
    state = resource.get('state', {})
    error = state.get('failedData', {}).get('error', {}).get('message', '')
    return state.get('state', 'STATE_UNSPECIFIED'), error


def node(gcloud: Gcloud) -> tuple[str, int]:
    """Returns the state of the machines ('' if there are none) and how many there are."""
    assumed = {'state': 'READY', 'networkEndpoints': [{}]}
    found = gcloud.describe('tpu-vm', assumed)
    if found is None:
        return '', 0
    return found.get('state', ''), len(found.get('networkEndpoints', [])) or 1


def is_lost(gcloud: Gcloud) -> str:
    """Returns why a TPU that was there is of no use now, or '' if it is there.

    Raises:
        Failure: If somebody has deleted it, which is for them to undo: a TPU that is preempted
            leaves its queued resource behind.
    """
    state, error = resource_state(gcloud)
    if not state or state == 'DELETING':
        raise Failure(
            f'{gcloud.settings.name} was deleted, not preempted, and is not made again. "create" '
            'and "run" with the same arguments go on from the last checkpoint.'
        )
    if state in LOST:
        return f'its state is {state}' + (f' ({error})' if error else '')
    if state != 'ACTIVE':
        return ''
    machines, _ = node(gcloud)
    if machines in _LOST_NODES or not machines:
        return f'its machines are {machines or "gone"}'
    return ''


def cost_of_run(settings, steps: int, step_seconds: float) -> str:
    """Says what so many steps cost, without evaluation and what comes before the first."""
    hours = steps * step_seconds / 3600
    return (
        f' {steps:,} steps of {step_seconds:g} s are {hours:.1f} hours and cost '
        f'{hours * settings.price:.2f} USD at that price.'
    )


def create(gcloud: Gcloud, yes: bool, valid_until: str = '', more: str = '') -> None:
    """Requests a TPU, or takes over what is there, and waits until it is active.

    Args:
        gcloud: Of the TPU.
        yes: Whether to go on without asking.
        valid_until: After how long the request is to be given up, such as '6h'.
        more: What else to say before asking.
    """
    settings = gcloud.settings
    state, error = resource_state(gcloud, assume='')
    if state and state not in LOST and state != 'DELETING':
        gcloud.say(f'{settings.name} exists already ({state}); going on with it.')
    else:
        kind = settings.provision.replace('_', ' ')
        where = f'{settings.zone}, project {settings.project}'
        if not gcloud.dry_run:
            ask(
                f'Make {settings.name}: {settings.type} ({kind}) in {where}, image '
                f'{settings.image}? From when it is granted it costs {cost(settings)}, until it '
                f'is deleted.{more}',
                yes,
            )
        if state:
            gcloud.say(f'{settings.name} is {state}; it is removed first. {error}')
            remove(gcloud)
        try:
            request(gcloud, valid_until)
        except Failure:
            with contextlib.suppress(Failure):  # Not refused for certain: it stays remembered.
                if not resource_state(gcloud)[0]:
                    memory.forget(settings.name)
            raise
    if not gcloud.dry_run:
        memory.save(settings)
    wait_until_active(gcloud)


def request(gcloud: Gcloud, valid_until: str = '') -> None:
    """Requests the queued resource."""
    settings = gcloud.settings
    if not gcloud.dry_run:
        memory.save(settings)  # First, so that "delete" finds what is half made.
    optional = (
        ('--service-account', settings.service_account),
        ('--network', settings.network),
        ('--subnetwork', settings.subnetwork),
        ('--valid-until-duration', valid_until),
    )
    result = gcloud.call(
        *('compute', 'tpus', 'queued-resources', 'create', settings.name, *gcloud.place()),
        f'--node-id={settings.name}',
        f'--accelerator-type={settings.type}',
        f'--runtime-version={settings.image}',
        *([f'--{settings.provision}'] if settings.provision != 'on_demand' else []),
        *(f'{flag}={value}' for flag, value in optional if value),
        '--quiet',
    )
    if result.status and not exists_already(result):
        raise Failure(explain(said(result), settings))
    if result.status and not resource_state(gcloud)[0]:
        raise Failure(
            f'There is a TPU {settings.name} in {settings.zone} that is no queued resource, so it '
            'was not made by this program. Give another --name.'
        )


def wait_until_active(gcloud: Gcloud) -> None:
    """Waits until a requested TPU is there and its machines are ready."""
    settings, shown, without_machines = gcloud.settings, None, 0
    for poll in range(gcloud.patience.max_polls):
        state, error = resource_state(gcloud)
        if not state:
            raise Failure(f'{settings.name} is not there; make it with "create".')
        machines = ''
        if state == 'ACTIVE':
            machines, count = node(gcloud)
            if machines == 'READY':
                gcloud.say(f'{settings.name} is active: {settings.type}, machines: {count}.')
                return
            # They can appear a little later than the word that they are there.
            without_machines = 0 if machines else without_machines + 1
        if state in LOST or machines in _LOST_NODES or without_machines > 10:
            reason = explain(error, settings) if error else f'It is {machines or state}.'
            raise (Failure if 'quota' in error.lower() else Lost)(
                f'{settings.name} was not granted, or taken away at once. {reason}\n'
                'Start "create" again to request it anew, or "delete" it.'
            )
        now = f'{state}, machines {machines or "not there"}' if state == 'ACTIVE' else state
        if now != shown:
            minutes = poll * gcloud.patience.poll_seconds / 60
            gcloud.say(f'Waiting for {settings.name}: {now} (after {minutes:.0f} min).')
            shown = now
        gcloud.patience.sleep()
    raise Failure(
        f'{settings.name} is still {shown} after {gcloud.patience.max_polls} looks. The request '
        'stays in the queue and costs once it is granted: "create" waits on, "delete" takes '
        'it back.',
        75,
    )


def remove(gcloud: Gcloud) -> bool:
    """Deletes queued resource and machines, and waits until they are gone.

    Returns:
        Whether there was something to delete.
    """
    settings = gcloud.settings
    resources = ('compute', 'tpus', 'queued-resources', 'delete', settings.name)
    result = gcloud.call(*resources, *gcloud.place(), *_GONE_FLAGS)
    # While something is being granted or taken away it cannot always be deleted: try again below.
    if result.status and not is_absent(result) and not _is_busy(result):
        raise Failure(explain(said(result), settings))
    was_there = not is_absent(result)
    for _ in range(gcloud.patience.max_polls):
        found = gcloud.describe('queued-resources', {})
        if not found:
            break
        if found.get('state', {}).get('state') != 'DELETING' and _is_busy(result):
            result = gcloud.call(*resources, *gcloud.place(), *_GONE_FLAGS)
        gcloud.patience.sleep()
    else:
        raise Failure(
            f'{settings.name} is not gone after {gcloud.patience.max_polls} looks; start "delete" '
            'again.',
            75,
        )
    machines = gcloud.describe('tpu-vm', {})
    if machines:
        deletion = ('compute', 'tpus', 'tpu-vm', 'delete', settings.name, *gcloud.place())
        result = gcloud.call(*deletion, '--quiet')
        if result.status and not is_absent(result):
            raise Failure(explain(said(result), settings))
        was_there = True
    return was_there


def _is_busy(result):
    signs = ('FAILED_PRECONDITION', 'ABORTED')
    return result.status != 0 and any(sign in result.errors for sign in signs)


def delete(gcloud: Gcloud, yes: bool) -> None:
    """Deletes a TPU after a question; what is not there is no mistake."""
    settings = gcloud.settings
    if not gcloud.dry_run:
        ask(
            f'Delete {settings.name} ({settings.type} in {settings.zone}, project '
            f'{settings.project})? What lies on its disks is lost; gs:// stays.',
            yes,
        )
    was_there = remove(gcloud)
    if gcloud.dry_run:
        return
    memory.forget(settings.name)
    print(f'{settings.name} {"is deleted" if was_there else "was not there any more"}.')
