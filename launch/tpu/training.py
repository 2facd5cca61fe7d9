"""Starts training on a TPU, follows it, and starts it again until it is finished."""

import json
import shlex

from tpu import kinds, memory
from tpu.checkout import setup
from tpu.checks import bucket, compare_with_packed
from tpu.gcloud import Failure, Gcloud, Lost, explain, said
from tpu.lifecycle import (
    cost,
    is_lost,
    remove,
    request,
    resource_state,
    wait_until_active,
)

AGAIN = {143: 'was told to end', 75: 'lost another worker or the TPU'}
_MARK = 'wss-state '
_MISSING = 'wss-missing'
_GUARD = f'test -f wss-env/wss-installed || {{ echo {_MISSING}; exit 0; }}; '
_GOES_ON = (
    'Training goes on if the machines are well; nothing was deleted. "run" with the same arguments '
    'connects again.'
)
_WORKER = 'cd wss-checkout/launch && python3 -m tpu.worker'


def start_command(settings, arguments: list[str]) -> str:
    """Returns the shell command that starts training on the first worker."""
    variables = kinds.environment(settings.type, settings.name, settings.stack)
    given = [part for name, value in variables.items() for part in ('--set', f'{name}={value}')]
    training = [
        '../wss-env/bin/python',  # From the checkout.
        '-u',
        '-m',
        'wss.train',
        *arguments,
    ]
    training += ['--strategy', 'tpu', '--tpu', variables['TPU_NAME']]
    return f'{_GUARD}{_WORKER} start {shlex.join(given)} -- {shlex.join(training)}'


def training_of(command: str) -> list[str]:
    """Returns the command of training in that of `start_command`."""
    return shlex.split(command.partition(' -- ')[2])


def state_command(offset: int | None = None) -> str:
    """Returns the shell command that describes the run of the first worker."""
    given = '' if offset is None else f' --offset {offset}'
    return f'{_GUARD}{_WORKER} state{given}'


def read_state(result) -> dict | None:
    """Returns what `worker.py` said, or None if it did not answer."""
    if result.status:
        return None
    for line in reversed(result.output.splitlines()):
        if line.startswith(_MARK):
            try:
                return json.loads(line.removeprefix(_MARK))
            except ValueError:
                return None
        if line.strip() == _MISSING:
            return {'state': 'missing'}
    return None


def ask_worker(gcloud: Gcloud, command: str, assume: dict) -> dict | None:
    """Asks the first worker until it answers.

    Returns:
        Its answer, or None if the TPU is lost meanwhile.

    Raises:
        Failure: If it does not answer although the TPU is there.
    """
    for attempt in range(gcloud.patience.connection_retries + 1):
        result = gcloud.ssh(0, command, assume=_MARK + json.dumps(assume))
        found = read_state(result)
        if found is not None:
            return found
        if is_lost(gcloud):
            return None
        if attempt < gcloud.patience.connection_retries:
            if attempt == 0:
                gcloud.say(f'No answer from worker 0 ({said(result)}); trying again.')
            gcloud.patience.sleep()
    raise Failure(
        f'Worker 0 of {gcloud.settings.name} does not answer after {attempt + 1} attempts: '
        f'{said(result)}\n{_GOES_ON}',
        75,
    )


def follow(gcloud: Gcloud, offset: int) -> dict | None:
    """Prints the log of the first worker until training ends.

    Returns:
        Its last state, or None if the TPU is lost.
    """
    for _ in range(gcloud.patience.max_polls):
        assumed = {'state': 'ended', 'status': 0, 'offset': offset, 'log': ''}
        found = ask_worker(gcloud, state_command(offset), assumed)
        if found is None:
            return None
        more = found.get('offset', offset) > offset
        if found.get('log'):
            print(found['log'], end='', flush=True)
        offset = found.get('offset', offset)
        if found['state'] != 'running' and not more:
            return found
        if not more or found['state'] == 'running':
            gcloud.patience.sleep()
    raise Failure(
        f'Training is not over after {gcloud.patience.max_polls} looks and goes on. "run" with the '
        'same arguments follows it again.',
        75,
    )


def run(gcloud: Gcloud, arguments: list[str], max_restarts: int) -> None:
    """Trains until the run is finished, through preemptions.

    Args:
        gcloud: Of the TPU.
        arguments: Those of wss.train, checked.
        max_restarts: How often training is started again.

    Raises:
        Failure: If training fails by itself, with its exit status; or with 75 if patience ends.
    """
    settings = gcloud.settings
    if not gcloud.dry_run:
        for file in compare_with_packed(arguments, memory.archive(settings.name)):
            gcloud.say(f'Note: {file} has changed since "setup"; the TPU has it as it was then.')
    _look_before(gcloud, arguments)
    command = start_command(settings, arguments)
    gcloud.say(f'{settings.name} costs {cost(settings)}.')
    for restart in range(max_restarts + 1):
        reason = _train(gcloud, command, first=restart == 0)
        if reason is None:
            return
        if restart == max_restarts:
            break
        gcloud.say(f'\n{reason} Starting again ({restart + 1} of {max_restarts} times).')
        gcloud.patience.sleep()
        lost = is_lost(gcloud)
        if lost:
            gcloud.say(f'{settings.name} is made anew: {lost}.')
            remove(gcloud)
            request(gcloud)
    raise Failure(
        f'{reason} It was started again {max_restarts} times, which is as often as --max_restarts '
        f'allows. {settings.name} is left as it is; "run" goes on from the last checkpoint, '
        '"delete" ends the costs.',
        75,
    )


def _look_before(gcloud, arguments):
    """Ends if the bucket or the TPU is not there, before anything is started."""
    name = bucket(arguments)
    result = gcloud.call(
        *('storage', 'buckets', 'describe', f'gs://{name}', '--format=value(location)'),
        f'--project={gcloud.settings.project}',
        assume=gcloud.settings.zone.rpartition('-')[0],
    )
    if result.status:
        raise Failure(
            f'The bucket gs://{name} of --workdir cannot be reached. '
            f'{explain(said(result), gcloud.settings)}'
        )
    region = gcloud.settings.zone.rpartition('-')[0]
    place = result.output.strip().lower()
    if not region.startswith(place):  # "us" and "eu" are all regions of a continent.
        gcloud.say(
            f'Note: gs://{name} is in {place}, the TPU in {region}. Reading across regions costs '
            'money and time; a bucket in the region of the TPU costs neither.'
        )
    state, _ = resource_state(gcloud)
    if not state:
        raise Failure(f'There is no {gcloud.settings.name}; make it with "create".')


def _train(gcloud, command, first):
    """Starts training, or finds it running, and follows it.

    Returns:
        None if it is finished, else why it is to be started again.
    """
    try:
        wait_until_active(gcloud)
        found = ask_worker(gcloud, state_command(), {'state': 'none'})
        if found and found['state'] == 'missing':
            setup(gcloud, again=not first)
    except Lost as lost:
        return str(lost).splitlines()[0]
    same = found and found.get('command') == training_of(command)
    if found and first and same and found['state'] == 'ended' and found['status'] == 0:
        gcloud.say('This run has ended already, with exit status 0.')
        return None
    found = ask_worker(gcloud, command, {'state': 'started', 'offset': 0})
    if found is None:
        return f'{gcloud.settings.name} was lost while training was started.'
    if found['state'] == 'busy':
        raise Failure(
            f'Another training runs on {gcloud.settings.name}: {shlex.join(found["command"])}. '
            'Wait for it, or "delete" the TPU, which ends it.'
        )
    if found['state'] == 'missing':
        raise Failure(f'{gcloud.settings.name} is not set up; start "setup".')
    if found['state'] == 'already':
        gcloud.say('This training runs already; here is its log.')
    else:
        gcloud.say('Training is started; it goes on if the connection ends.')
    end = follow(gcloud, found.get('offset', 0))
    if end is None:
        return f'{gcloud.settings.name} was lost while training ran.'
    if end['state'] == 'lost':
        return 'Training is gone without an exit status: the machine was started anew.'
    if end['status'] == 0:
        return None
    if end['status'] in AGAIN:
        return f'Training {AGAIN[end["status"]]} (exit status {end["status"]}).'
    raise Failure(
        f'Training failed with exit status {end["status"]}; the log above says why. It is not '
        f'started again. {gcloud.settings.name} still costs {cost(gcloud.settings)}: mend it and '
        '"run" again, or "delete" it.',
        end['status'] if 0 < end['status'] < 256 else 1,
    )
