"""Reports the state of a TPU and its run, and shows logs."""

from tpu.gcloud import Failure, Gcloud, provision
from tpu.lifecycle import cost, look
from tpu.training import flag_values, read_state, state_command

_STATES = {
    'missing': 'none, not set up',
    'none': 'none, never started here',
    'running': 'running',
    'ended': 'ended with exit status {status}',
    'lost': 'gone without an exit status',
}


def show_status(gcloud: Gcloud) -> None:
    """Prints the state of the TPU, what it costs, the state of the run, and its progress."""
    settings, state = gcloud.settings, look(gcloud)
    gcloud.report(f'{settings.name}: {settings.type} in {settings.zone}, {settings.project}')
    gcloud.report(f'image:    {settings.image} ({provision(settings)})')
    gcloud.report(f'state:    {state}')
    if state.machines:
        gcloud.report(f'machines: {state.count}')
        gcloud.report(f'costs:    {cost(settings)}')
    if not state.is_ready():
        return
    found = read_state(gcloud.ssh(0, state_command()))
    if found is None:
        gcloud.report('training: unknown, worker 0 does not answer')
        return
    gcloud.report(f'training: {_STATES[found["state"]].format(**found)}')
    if found.get('command'):
        workdir = flag_values(found['command'], 'workdir')[-1].rstrip('/')
        result = gcloud.call('storage', 'cat', f'{workdir}/progress.json')
        gcloud.report(f'progress: {" ".join(result.output.split()) or "none yet"}')


def show_logs(gcloud: Gcloud, lines: int, follow: bool) -> int:
    """Prints the last lines of the log of training; returns the exit status of the command."""
    status = gcloud.show(f'tail -n {lines} {"-F " if follow else ""}wss-run/log')
    if status and not follow:
        raise Failure(
            f'{gcloud.settings.name} gave no log (exit status {status}); run "status" to see its '
            'state.'
        )
    return status
