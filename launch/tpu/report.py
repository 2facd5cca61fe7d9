"""Says how a TPU and its run are, and shows logs."""

import json

from tpu.gcloud import Failure, Gcloud
from tpu.lifecycle import cost, node, resource_state
from tpu.training import read_state, state_command


def show_status(gcloud: Gcloud) -> None:
    """Prints state of the resource, of its machines, of the run, and its step."""
    settings = gcloud.settings
    gcloud.say(f'{settings.name}: {settings.type} in {settings.zone}, project {settings.project}')
    gcloud.say(f'image:    {settings.image} ({settings.provision.replace("_", " ")})')
    state, error = resource_state(gcloud)
    gcloud.say(f'resource: {state or "not there"}{f" ({error})" if error else ""}')
    if not state:
        return
    machines, count = node(gcloud)
    gcloud.say(f'machines: {f"{count}, {machines}" if machines else "none"}')
    if machines:
        gcloud.say(f'costs:    {cost(settings)}')
    if state != 'ACTIVE' or machines != 'READY':
        return
    assumed = 'wss-state ' + json.dumps({'state': 'none'})
    found = read_state(gcloud.ssh(0, state_command(), assume=assumed))
    gcloud.say(f'training: {describe_run(found)}')


def describe_run(found: dict | None) -> str:
    """Returns the state of a run in words."""
    if found is None:
        return 'unknown, worker 0 does not answer'
    words = {
        'missing': 'none, not set up',
        'none': 'none, never started here',
        'running': 'runs',
        'ended': f'ended with exit status {found.get("status")}',
        'lost': 'gone without an exit status',
    }.get(found['state'], found['state'])
    at = f', step {found["step"]} of {found["steps"]}' if found.get('step') is not None else ''
    return words + at


def show_logs(gcloud: Gcloud, worker: int, lines: int, follow: bool) -> int:
    """Prints the log of training (worker 0), or that of a worker's TPU server.

    Returns:
        The exit status of the command that does so.
    """
    if worker:
        more = ' --follow' if follow else ''
        command = f'sudo journalctl --unit=tpu-runtime --no-pager --lines={lines}{more}'
    else:
        command = f'tail -n {lines} {"-F " if follow else ""}wss-run/log'
    status = gcloud.show(worker, command)
    if status and not follow:
        raise Failure(
            f'Worker {worker} of {gcloud.settings.name} gave no log (exit status {status}); '
            '"status" says how it is.'
        )
    return status
