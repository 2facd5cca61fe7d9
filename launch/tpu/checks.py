"""Checks the arguments of wss.train before a TPU costs money."""

import pathlib
import re
import tarfile

from tpu.gcloud import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
_OURS = ('tpu', 'strategy', 'replicas')
# `NAME.checkpoint = 'FOLDER'` and the like: settings of the paper's experiments that name files.
_PATH_SETTING = re.compile(r"""\s*(data_dir|checkpoint)\s*=\s*['"](.*)['"]\s*""")


def values(arguments: list[str], name: str) -> list[str]:
    """Returns the values of a flag, given as `--name value`, `--name=value`, or with one dash."""
    found = []
    for position, argument in enumerate(arguments):
        flag, equals, value = argument.partition('=')
        if flag not in (f'--{name}', f'-{name}'):
            continue
        if equals:
            found.append(value)
        elif position + 1 < len(arguments):
            found.append(arguments[position + 1])
        else:
            raise Failure(f'--{name} at the end has no value.')
    return found


def bucket(arguments: list[str]) -> str:
    """Returns the bucket of --workdir."""
    return values(arguments, 'workdir')[-1].removeprefix('gs://').partition('/')[0]


def check(arguments: list[str]) -> None:
    """Checks what would fail on the TPU, or lose the run with its machines.

    Raises:
        Failure: If something is missing or would not work.
    """
    if not arguments:
        raise Failure(
            'Nothing is to be run; give the arguments of wss.train after "--": run -- --workdir '
            'gs://BUCKET/runs/NAME --gin_file FILE'
        )
    if not arguments[0].startswith('-'):
        raise Failure(f'{arguments[0]!r} is no flag of wss.train; "run" always starts wss.train.')
    for name in _OURS:
        if values(arguments, name):
            raise Failure(f'--{name} is set by "run"; leave it out.')
    workdirs = values(arguments, 'workdir')
    if not workdirs:
        raise Failure('--workdir is missing: a folder on gs://, such as gs://BUCKET/runs/NAME.')
    if len(set(workdirs)) > 1:
        raise Failure(f'--workdir is given twice: {" and ".join(workdirs)}.')
    if not re.fullmatch(r'gs://[a-z0-9][a-z0-9._-]+[a-z0-9]/+[^/].*', workdirs[-1]):
        raise Failure(
            f'--workdir {workdirs[-1]} is no folder on gs://. The disks of a TPU are lost with it, '
            'and the run with them; give a folder such as gs://BUCKET/runs/NAME.'
        )
    files = values(arguments, 'gin_file')
    if not files:
        raise Failure('--gin_file is missing: an experiment, such as gin_configs/experiments/...')
    for file in files:
        _check_file(file)
    for setting in values(arguments, 'gin_param'):
        found = _PATH_SETTING.fullmatch(setting)
        if found and not found[2].startswith('gs://'):
            raise Failure(
                f'--gin_param "{setting}" names a folder of this computer, and the TPU has none of '
                'it; copy it to gs:// and give that.'
            )
    if any('/paper/' in file for file in files):
        for name in ('data_dir', 'checkpoint'):
            given = [_PATH_SETTING.fullmatch(value) for value in values(arguments, 'gin_param')]
            if name not in [match[1] for match in given if match]:
                raise Failure(
                    f'The experiments of the paper look for {name} on the local disk unless it is '
                    f'set: add --gin_param "{name} = \'gs://BUCKET/...\'".'
                )


def compare_with_packed(arguments: list[str], archive: pathlib.Path) -> list[str]:
    """Compares configurations with those that "setup" has sent.

    Args:
        arguments: Those of wss.train, checked.
        archive: What was sent, if it is kept here.

    Returns:
        The files that have changed since.

    Raises:
        Failure: If one was not sent.
    """
    if not archive.exists():
        return []
    changed = []
    with tarfile.open(archive) as packed:
        names = set(packed.getnames())
        for file in values(arguments, 'gin_file'):
            if file.startswith('gs://'):
                continue
            places = [pathlib.PurePath(place) / file for place in ('', 'gin_configs')]
            sent = [str(place) for place in places if str(place) in names]
            if not sent:
                raise Failure(
                    f'--gin_file {file} was not sent to the TPU: it is new, or git ignores it. '
                    'Start "setup" again (after adding it to the repository).'
                )
            if packed.extractfile(sent[0]).read() != (ROOT / sent[0]).read_bytes():
                changed.append(file)
    return changed


def _check_file(file):
    """Refuses a configuration that is not packed with the checkout."""
    if file.startswith('gs://'):
        return
    if pathlib.PurePath(file).is_absolute() or '..' in pathlib.PurePath(file).parts:
        raise Failure(
            f'--gin_file {file} is outside of what is sent to the TPU; put it into the checkout '
            f'and give its path from {ROOT}, or copy it to gs://.'
        )
    if not any((place / file).is_file() for place in (ROOT, ROOT / 'gin_configs')):
        raise Failure(f'--gin_file {file} is not there (paths start from {ROOT}).')
