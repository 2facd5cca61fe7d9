"""Brings the checkout onto all machines of a TPU and installs it there."""

import io
import pathlib
import shutil
import subprocess
import tarfile

from tpu import memory
from tpu.gcloud import Failure, Gcloud, Lost, explain, failed_workers, said
from tpu.lifecycle import is_lost, node, resource_state

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_MEGABYTES = 100
_HOUR = 3600.0
# The folder is made anew: a file that is gone from the checkout must go from the machine.
UNPACK = 'rm -rf wss-new && mkdir wss-new && tar -xzf wss.tar.gz -C wss-new'


def git(*arguments: str) -> str:
    """Returns what git says of the checkout."""
    command = ['git', '-C', str(ROOT), *arguments]
    if shutil.which('git') is None:
        raise Failure('There is no "git" on the PATH, which lists what is to be packed.')
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(
            f'{ROOT} cannot be packed, since git says: {result.stderr.strip()}. Clone the '
            'repository with git and start from there.'
        )
    return result.stdout


def pack(path: pathlib.Path) -> str:
    """Packs the files of the checkout as they are, uncommitted changes and new files included.

    What git ignores (data, runs, environments) is left out.

    Args:
        path: The archive to write.

    Returns:
        What was packed, in words.
    """
    names = git('ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')
    files = {name: ROOT / name for name in names if name and (ROOT / name).is_file()}
    sizes = {name: file.stat().st_size for name, file in files.items()}
    if sum(sizes.values()) > MOST_MEGABYTES * 1e6:
        largest = sorted(sizes, key=sizes.get)[-3:]
        raise Failure(
            f'The checkout has {sum(sizes.values()) / 1e6:.0f} MB, and {MOST_MEGABYTES} are the '
            f'most that is sent to each machine. The largest are {", ".join(largest)}; move them '
            'away or name them in .gitignore.'
        )
    changed = len([line for line in git('status', '--porcelain').splitlines() if line])
    revision = git('rev-parse', 'HEAD').strip() + ('+' if changed else '')
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix('.new')  # A half one must not be sent after a preemption.
    with tarfile.open(new, 'w:gz') as archive:
        for name, file in files.items():
            archive.add(file, name, recursive=False)
        # What runs there has no git to ask, and tells it in `run.json`.
        note = tarfile.TarInfo('REVISION')
        note.size = len(revision)
        archive.addfile(note, io.BytesIO(revision.encode()))
    new.replace(path)
    shown = revision[:7] + revision[40:]
    also = f', {changed} uncommitted changes included' if changed else ''
    return f'{len(files)} files, revision {shown}{also}'


def setup(gcloud: Gcloud, again: bool = False) -> None:
    """Installs the checkout on all machines and verifies that it imports on each.

    Args:
        gcloud: Of the TPU.
        again: Take the archive of the last time, so that a run goes on with the program that it
            began with.
    """
    settings = gcloud.settings
    state, _ = resource_state(gcloud)
    if state != 'ACTIVE':
        raise Failure(f'{settings.name} is {state or "not there"}; "create" makes it and waits.')
    _, workers = node(gcloud)
    archive = memory.archive(settings.name)
    if gcloud.dry_run:
        print(f'# packs the files that git lists in {ROOT} into {archive}')
    elif not (again and archive.exists()):
        gcloud.say(f'Packed {pack(archive)}.')
    target = f'{settings.name}:wss.tar.gz'
    copy = ('compute', 'tpus', 'tpu-vm', 'scp', str(archive), target, *gcloud.place())
    install = f'{UNPACK} && cd wss-new/launch && python3 -m tpu.install --stack {settings.stack}'
    gcloud.say(f'Installing, machines: {workers}; the first time takes minutes.')
    for attempt in range(max(1, gcloud.patience.connection_retries)):
        if attempt:
            gcloud.patience.sleep()
        result = gcloud.call(*copy, '--worker=all', '--quiet')
        if result.status == 0:
            assumed = '\n'.join(['wss-ready'] * workers)
            result = gcloud.ssh('all', install, assume=assumed, seconds=_HOUR)
            lines = result.output.splitlines()
            ready = [line for line in lines if line.startswith('wss-ready')]
            if len(ready) == workers and result.status == 0:
                gcloud.say(f'Installed on all machines: {ready[0].removeprefix("wss-ready ")}.')
                return
        _refuse_mistakes(result, settings)
        why = is_lost(gcloud)
        if why:
            raise Lost(f'{settings.name} was lost while it was set up: {why}.')
        silent = silent_workers(gcloud, workers)
        if silent:
            names = ', '.join(str(worker) for worker in silent)
            gcloud.say(f'No answer from worker {names}; trying again.')
        else:
            gcloud.say(f'Not all machines are installed ({said(result)}); trying again.')
    missing = f'worker {names} does not answer' if silent else said(result)
    raise Failure(
        f'{settings.name} could not be set up in {attempt + 1} attempts: {missing}. Start "setup" '
        'again; if it stays so, "delete" and "create" it.',
        75,
    )


def silent_workers(gcloud: Gcloud, workers: int) -> list[int]:
    """Returns the workers on which not even `true` runs."""
    return [worker for worker in range(workers) if gcloud.ssh(worker, 'true', seconds=120).status]


def _refuse_mistakes(result, settings):
    """Ends where another attempt cannot help: what a machine itself says has failed."""
    failed = {worker: status for worker, status in failed_workers(result).items() if status != 255}
    text = result.errors + result.output
    if 'wss-busy' in text:
        raise Failure(
            f'Training runs on {settings.name}, so its program is left as it is. "run" shows it, '
            '"delete" ends it.'
        )
    for sign in (' failed:\n', 'cannot be imported', 'knows no TPU', 'Traceback (most recent'):
        if sign in text:
            where = f' on worker {", ".join(map(str, sorted(failed)))}' if failed else ''
            raise Failure(f'The installation{where} failed:\n{text[-2500:].strip()}')
    if 'PERMISSION_DENIED' in text or 'auth login' in text:
        raise Failure(explain(said(result), settings))
