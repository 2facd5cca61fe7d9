"""Reports the state of a TPU and its run, and shows logs."""

import json

from tpu.gcloud import Failure, Gcloud, provision
from tpu.lifecycle import cost, machines, resource_state
from tpu.training import flag_values, read_state, state_command


def show_status(gcloud: Gcloud) -> None:
    """Prints the state of the resource, of its machines and of the run, and its progress."""
    settings = gcloud.settings
    gcloud.report(f'{settings.name}: {settings.type} in {settings.zone}, {settings.project}')
    gcloud.report(f'image:    {settings.image} ({provision(settings)})')
    state, error = resource_state(gcloud)
    gcloud.report(f'resource: {state or "none"}{f" ({error})" if error else ""}')
    if not state:
        return
    machine_state, count = machines(gcloud)
    gcloud.report(f'machines: {f"{count}, {machine_state}" if machine_state else "none"}')
    if machine_state:
        gcloud.report(f'costs:    {cost(settings)}')
    if state != 'ACTIVE' or machine_state != 'READY':
        return
    found = read_state(gcloud.ssh(0, state_command()))
    gcloud.report(f'training: {describe_run(found)}')
    if found and found.get('command'):
        gcloud.report(f'progress: {read_progress(gcloud, found["command"])}')


def describe_run(found: dict | None) -> str:
    """Returns the state of a run in words."""
    if found is None:
        return 'unknown, worker 0 does not answer'
    return {
        'missing': 'none, not set up',
        'none': 'none, never started here',
        'running': 'running',
        'ended': f'ended with exit status {found.get("status")}',
        'lost': 'gone without an exit status',
    }.get(found['state'], found['state'])


def read_progress(gcloud: Gcloud, command: list[str]) -> str:
    """Returns the `progress.json` of a run in words, with what the rest of it costs.

    Args:
        gcloud: Of the TPU.
        command: The command of training.
    """
    (workdir, *_) = flag_values(command, 'workdir')[-1:] or ['']
    result = gcloud.call('storage', 'cat', f'{workdir.rstrip("/")}/progress.json')
    try:
        found = json.loads(result.output)
        text = f'step {found["step"]} of {found["steps"]} at {found["updated"]}'
        hours = found['seconds_left'] and found['seconds_left'] / 3600
    except (ValueError, TypeError, KeyError):
        return 'unknown, the run has written none yet'
    if not hours:
        return text
    dollars = hours * gcloud.settings.price
    return f'{text}; {hours:.1f} hours are left, which cost {dollars:.2f} USD'


def show_logs(gcloud: Gcloud, lines: int, follow: bool) -> int:
    """Prints the last lines of the log of training; returns the exit status of the command."""
    status = gcloud.show(f'tail -n {lines} {"-F " if follow else ""}wss-run/log')
    if status and not follow:
        raise Failure(
            f'{gcloud.settings.name} gave no log (exit status {status}); run "status" to see its '
            'state.'
        )
    return status
