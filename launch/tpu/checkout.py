"""Copies the checkout to all machines of a TPU and installs it there."""

import io
import pathlib
import subprocess
import tarfile

from tpu import memory
from tpu.gcloud import Failure, Gcloud, Lost
from tpu.lifecycle import look, why_lost

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_MEGABYTES = 100
_HOUR = 3600.0
# Into a new folder: a file that is deleted in the checkout must not stay on the machine.
INSTALL = (
    'rm -rf wss-new && mkdir wss-new && tar -xzf wss.tar.gz -C wss-new && cd wss-new/launch && '
    'python3 -m tpu.install'
)
# Words of install.py and Python for errors that another attempt cannot fix.
_FINAL = (' failed:\n', 'cannot be imported', 'knows no TPU', 'Traceback (most recent')


def git(*arguments: str) -> str:
    """Returns the output of a git command in the checkout."""
    command = ['git', '-C', str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(
            f'{ROOT} cannot be packed, because git failed: {getattr(error, "stderr", error)} '
            'Clone the repository with git and start from there.'
        ) from error


def list_files() -> list[str]:
    """Returns the files of the checkout that git knows or would add."""
    names = git('ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')
    return [name for name in names if (ROOT / name).is_file()]


def pack(path: pathlib.Path) -> str:
    """Packs the files of the checkout as they are, uncommitted changes and new files included.

    What git ignores (data, runs, environments) is left out.

    Args:
        path: The archive to write.

    Returns:
        What was packed, in words.
    """
    sizes = {name: (ROOT / name).stat().st_size for name in list_files()}
    if sum(sizes.values()) > MOST_MEGABYTES * 1e6:
        largest = sorted(sizes, key=sizes.get)[-3:]
        raise Failure(
            f'The checkout has {sum(sizes.values()) / 1e6:.0f} MB, and at most {MOST_MEGABYTES} '
            f'are sent to each machine. The largest files are {", ".join(largest)}; move them '
            'away or name them in .gitignore.'
        )
    changed = len(git('status', '--porcelain').splitlines())
    revision = git('rev-parse', 'HEAD').strip() + ('+' if changed else '')
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix('.new')  # A half one must not be sent after a preemption.
    with tarfile.open(new, 'w:gz') as archive:
        for name in sizes:
            archive.add(ROOT / name, name, recursive=False)
        # A machine has no git to ask; `run.json` takes the revision from here.
        note = tarfile.TarInfo('REVISION')
        note.size = len(revision)
        archive.addfile(note, io.BytesIO(revision.encode()))
    new.replace(path)
    also = f', {changed} uncommitted changes included' if changed else ''
    return f'{len(sizes)} files, revision {revision[:7]}{revision[40:]}{also}'


def changed_since_setup(archive: pathlib.Path) -> list[str]:
    """Returns the files of the checkout that have changed since `archive` was packed."""
    if not archive.exists():  # It was packed on another computer.
        return []
    packed = archive.stat().st_mtime
    return [name for name in list_files() if (ROOT / name).stat().st_mtime > packed]


def setup(gcloud: Gcloud, again: bool = False) -> None:
    """Installs the checkout on all machines and verifies that it imports on each.

    Args:
        gcloud: Of the TPU.
        again: Send the archive of the last time, so that a run resumes with the program that it
            began with.
    """
    settings = gcloud.settings
    state = look(gcloud)
    if state.resource != 'ACTIVE':
        raise Failure(f'{settings.name} is {state}; "create" creates it and waits.')
    workers = state.count
    archive = memory.archive(settings.name)
    if gcloud.dry_run:
        print(f'# packs the files that git lists in {ROOT} into {archive}')
    elif not (again and archive.exists()):
        gcloud.report(f'Packed {pack(archive)}.')
    gcloud.report(f'Installing, machines: {workers}; the first time takes minutes.')
    for attempt in range(max(1, gcloud.retries)):
        if attempt:
            gcloud.sleep()
        result = _install(gcloud, archive)
        ready = [line for line in result.output.splitlines() if line.startswith('wss-ready')]
        if result.status == 0 and len(ready) == workers:
            version = ready[0].removeprefix('wss-ready ')
            gcloud.report(f'Installed on all machines: {version}.')
            return
        _raise_if_final(gcloud, result)
        why = why_lost(gcloud)
        if why:
            raise Lost(f'{settings.name} was lost during setup: it is {why}.')
        silent = [str(i) for i in range(workers) if gcloud.ssh(i, 'true', seconds=120).status]
        missing = f'worker {", ".join(silent)} does not answer' if silent else result.error
        gcloud.report(f'Not all machines are installed ({missing}); trying again.')
    raise Failure(
        f'{settings.name} could not be set up in {attempt + 1} attempts: {missing}. Run "setup" '
        'again; if that does not help, "delete" and "create" it.',
        75,
    )


def _install(gcloud, archive):
    """Copies and installs; returns the result of the last command."""
    target = f'{gcloud.settings.name}:wss.tar.gz'
    result = gcloud.call(
        *('compute', 'tpus', 'tpu-vm', 'scp', str(archive), target),
        *(*gcloud.place(), '--worker=all', '--quiet'),
    )
    if result.status:
        return result
    return gcloud.ssh('all', INSTALL, seconds=_HOUR)


def _raise_if_final(gcloud, result):
    """Raises a `Failure` where another attempt cannot help."""
    text = result.errors + result.output
    if 'wss-busy' in text:
        raise Failure(
            f'Training runs on {gcloud.settings.name}, so its program is not replaced. "run" shows '
            'it, "delete" ends it.'
        )
    if any(sign in text for sign in _FINAL):
        raise Failure(f'The installation failed:\n{text[-2500:].strip()}')
