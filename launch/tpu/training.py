"""Starts training on a TPU, follows it, and starts it again until it is finished."""

import itertools
import json
import re
import shlex

from tpu import kinds, memory
from tpu.checkout import changed_since_setup, setup
from tpu.gcloud import Failure, Gcloud, Lost
from tpu.lifecycle import cost, remove, request, wait_until_active, why_lost

# Exit statuses of wss.train after which the same command resumes.
RESUMABLE = {
    143: 'was terminated',
    129: 'lost its terminal',
    75: 'lost another worker or the TPU',
}
_GUARD = 'test -f wss-env/wss-installed || { echo wss-missing; exit 0; }; '
_WORKER = f'{_GUARD}cd wss-checkout/launch && python3 -m tpu.worker'


def flag_values(arguments: list[str], name: str) -> list[str]:
    """Returns the values of a flag, given as `--name value`, `--name=value`, or with one dash."""
    found = []
    for argument, after in itertools.pairwise([*arguments, '']):
        flag, equals, value = argument.partition('=')
        if flag in (f'--{name}', f'-{name}'):
            found.append(value if equals else after)
    return found


def bucket_of(arguments: list[str]) -> str:
    """Returns the bucket of --workdir.

    Raises:
        Failure: If --workdir is not on gs://: the run would be lost with the disks of the TPU.
    """
    workdir = (flag_values(arguments, 'workdir') or [''])[-1]
    found = re.fullmatch(r'gs://([a-z0-9][a-z0-9._-]+[a-z0-9])/+[^/].*', workdir)
    if found is None:
        raise Failure(
            f'--workdir {workdir or "is missing: it"} must be a folder on gs://, such as '
            'gs://BUCKET/runs/NAME: the disks of a TPU are lost with it. The arguments of '
            'wss.train follow after "--": run -- --workdir gs://BUCKET/runs/NAME --gin_file FILE'
        )
    return found[1]


def training_command(settings, arguments: list[str]) -> list[str]:
    """Returns the command of training, which runs in the checkout on the first worker."""
    variables = kinds.environment(settings.type, settings.name)
    return [
        *('env', *(f'{name}={value}' for name, value in variables.items())),
        *('../wss-env/bin/python', '-u', '-m', 'wss.train', *arguments),
        *('--strategy', 'tpu', '--tpu', variables['TPU_NAME']),
    ]


def start_command(settings, arguments: list[str]) -> str:
    """Returns the shell command that starts training on the first worker."""
    return f'{_WORKER} start {shlex.join(training_command(settings, arguments))}'


def state_command(offset: int | None = None) -> str:
    """Returns the shell command that describes the run of the first worker."""
    return f'{_WORKER} state' + ('' if offset is None else f' {offset}')


def read_state(result) -> dict | None:
    """Returns the answer of `worker.py`, or None if there is none."""
    for line in reversed(result.output.splitlines()) if result.status == 0 else ():
        if line.strip() == 'wss-missing':
            return {'state': 'missing'}
        if line.startswith('wss-state '):
            try:
                return json.loads(line.removeprefix('wss-state '))
            except ValueError:
                return None
    return None


def ask_worker(gcloud: Gcloud, command: str) -> dict:
    """Asks the first worker until it answers.

    Raises:
        Lost: If the TPU is lost meanwhile.
        Failure: If it does not answer although the TPU exists.
    """
    name = gcloud.settings.name
    for attempt in range(gcloud.retries + 1):
        result = gcloud.ssh(0, command)
        found = read_state(result)
        if found is not None:
            return found
        why = why_lost(gcloud)
        if why:
            raise Lost(f'{name} was lost: it is {why}.')
        if attempt == 0:
            gcloud.report(f'No answer from worker 0 ({result.error}); trying again.')
        if attempt < gcloud.retries:
            gcloud.sleep()
    raise Failure(
        f'Worker 0 of {name} does not answer after {attempt + 1} attempts: {result.error}\n'
        'Nothing was deleted, and training continues if the machines are well. "run" with the same '
        'arguments connects again.',
        75,
    )


def follow(gcloud: Gcloud, offset: int) -> dict:
    """Prints the log of the first worker from a byte on until training ends; returns its state.

    Raises:
        Lost: If the TPU is lost.
    """
    while True:
        found = ask_worker(gcloud, state_command(offset))
        print(found.get('log', ''), end='', flush=True)
        more = found.get('offset', offset) > offset
        offset = found.get('offset', offset)
        if found['state'] == 'running':
            gcloud.sleep()
        elif not more:
            return found


def run(gcloud: Gcloud, arguments: list[str], max_restarts: int) -> None:
    """Trains until the run is finished, through preemptions.

    Args:
        gcloud: Of the TPU.
        arguments: Those of wss.train.
        max_restarts: How often training is started again.

    Raises:
        Failure: If training itself fails, with its exit status; or with 75 after the last restart.
    """
    settings = gcloud.settings
    changed = changed_since_setup(memory.archive(settings.name))
    if changed:
        more = f' and {len(changed) - 3} other files' if len(changed) > 3 else ''
        names = ', '.join(changed[:3])
        gcloud.report(f'Note: the TPU lacks changes since "setup": {names}{more}.')
    _check_bucket(gcloud, bucket_of(arguments))
    gcloud.report(f'{settings.name} costs {cost(settings)}.')
    for restart in range(max_restarts + 1):
        try:
            reason = _train(gcloud, arguments, again=restart > 0)
        except Lost as lost:
            reason = str(lost).splitlines()[0]
        if reason is None:
            return
        if restart == max_restarts:
            break
        gcloud.report(f'\n{reason} Starting again ({restart + 1} of {max_restarts} times).')
        gcloud.sleep()
        why = why_lost(gcloud)
        if why:
            gcloud.report(f'{settings.name} is requested again: {why}.')
            remove(gcloud)
            request(gcloud)
    raise Failure(
        f'{reason} It was started again {max_restarts} times, the limit of --max_restarts. '
        f'{settings.name} is left as it is: "run" resumes from the last checkpoint, "delete" ends '
        'the costs.',
        75,
    )


def _check_bucket(gcloud, name):
    """Raises a `Failure` if the bucket cannot be reached; notes one of another region."""
    result = gcloud.call(
        *('storage', 'buckets', 'describe', f'gs://{name}', '--format=value(location)'),
        f'--project={gcloud.settings.project}',
    )
    if result.status:
        why = gcloud.explain(result.error)
        raise Failure(f'The bucket gs://{name} of --workdir cannot be reached. {why}')
    region = gcloud.settings.zone.rpartition('-')[0]
    place = result.output.strip().lower()
    if not region.startswith(place):  # "us" and "eu" are all regions of a continent.
        gcloud.report(
            f'Note: gs://{name} is in {place}, the TPU in {region}. Reading across regions costs '
            'money and time; a bucket in the region of the TPU costs neither.'
        )


def _train(gcloud, arguments, again):
    """Starts training, or finds it running, and follows it.

    Returns:
        None if it is finished, else why it is to be started again.

    Raises:
        Lost: If the TPU is lost.
    """
    settings = gcloud.settings
    wait_until_active(gcloud)
    command = start_command(settings, arguments)
    found = ask_worker(gcloud, command)
    if found['state'] == 'missing':
        setup(gcloud, again)
        found = ask_worker(gcloud, command)
    if found['state'] == 'busy':
        raise Failure(
            f'Another training runs on {settings.name}: {shlex.join(found["command"])}. Wait for '
            'it, or "delete" the TPU, which ends it.'
        )
    if found['state'] == 'missing':
        return 'The installation is gone.'
    if found['state'] == 'already':
        gcloud.report('This training runs already; its log follows.')
    else:
        gcloud.report('Training is started; it continues if the connection ends.')
    end = follow(gcloud, found.get('offset', 0))
    status = end['status']
    if end['state'] == 'lost':
        return 'Training is gone without an exit status: the machine was restarted.'
    if status == 0:
        return None
    if status in RESUMABLE:
        return f'Training {RESUMABLE[status]} (exit status {status}).'
    raise Failure(
        f'Training failed with exit status {status}; the log above has the reason. It is not '
        f'started again. {settings.name} still costs {cost(settings)}: fix the error and "run" '
        'again, or "delete" it.',
        status if 0 < status < 256 else 1,
    )
