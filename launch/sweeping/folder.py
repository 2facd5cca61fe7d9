"""The folder of a sweep: what its runs have in common, what they wrote, and who works in it."""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from sweeping import grid

SCORES = ('miou', 'pixel_accuracy')  # Of `result.json`.
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def read_json(path: str) -> dict | None:
    """Reads a file that a run writes, local or `gs://`; None if it is missing or damaged."""
    try:
        text = _read_remote(path) if '://' in path else pathlib.Path(path).read_text('utf-8')
        content = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_result(workdir: str) -> dict | None:
    """Reads `result.json` of a run; None if it is missing, damaged or of another form."""
    result = read_json(f'{workdir}/result.json')
    parts = [part for part in map((result or {}).get, ('last', 'best')) if part is not None]
    are_scores = all(
        isinstance(part, dict)
        and all(isinstance(part.get(name), (int, float, type(None))) for name in SCORES)
        for part in parts
    )
    return result if are_scores else None


def _refuse(text):
    raise ValueError(f'{text} is not a finite number')


def _finite(text):
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _read_remote(path):
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    import tensorflow as tf  # Takes seconds, and only such a folder needs it.

    try:
        with tf.io.gfile.GFile(path) as file:
            return file.read()
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def hash_files(paths: Sequence[str]) -> dict[str, str]:
    """Returns the SHA-256 of gin files and of those that they include, by path.

    Raises:
        FileNotFoundError: If one is missing.
    """
    hashes, left = {}, list(paths)
    for path in left:
        places = (pathlib.Path(), _ROOT, _ROOT / 'gin_configs')  # As `wss.train` has it.
        file = next((place / path for place in places if (place / path).is_file()), None)
        if file is None:
            raise FileNotFoundError(f'The gin file {path} does not exist or is a folder.')
        content = file.read_bytes()
        hashes[path] = hashlib.sha256(content).hexdigest()
        includes = re.findall(r'^include\s+[\'"](.+)[\'"]', content.decode(errors='replace'), re.M)
        left += [included for included in includes if included not in left]
    return hashes


def read(home: str, shared: dict) -> list[grid.Run]:
    """Returns the runs that earlier commands put into the folder of a sweep.

    Args:
        home: The folder; may be missing.
        shared: What all runs of this command have in common: flags, and hashes of files.

    Raises:
        ValueError: If those runs have something else in common, `sweep.json` is damaged, or the
            folder is a file or holds a run.
    """
    if os.path.exists(home) and not os.path.isdir(home):
        raise ValueError(f'The folder of the sweep, {home}, is a file; name a folder.')
    if os.path.exists(os.path.join(home, 'config.gin')):
        raise ValueError(f'{home} holds a run; name another folder for the sweep.')
    path = pathlib.Path(home, 'sweep.json')
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text('utf-8'))
        flags, files = (dict(content['shared'][key]) for key in ('flags', 'files'))
        runs = [grid.Run(run['name'], dict(run['values']), run['seed']) for run in content['runs']]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f'{path} is damaged; restore it, or delete it to start another.'
        ) from error
    differences = [
        f'{flag} was {flags.get(flag)} and is {value}'
        for flag, value in shared['flags'].items()
        if flags.get(flag) != value
    ]
    differences += [
        f'{name} has changed'
        for name, value in shared['files'].items()
        if files.get(name, value) != value
    ]
    if differences:
        raise ValueError(
            f'{home} holds a sweep of another configuration: {"; ".join(differences)}. Give '
            'another --workdir, or the settings of that sweep to resume it; its grid may get more '
            'values and more seeds.'
        )
    shared['files'] = files | shared['files']
    return runs


@contextlib.contextmanager
def locked(home: str) -> Iterator[int]:
    """Makes a folder and keeps other sweeps out of it; gives the descriptor of the lock.

    Runs inherit the descriptor and with it the lock, so no second sweep starts a run that is still
    at work because its sweep was killed.

    Raises:
        ValueError: If another sweep, or a run of one that was killed, works in the folder.
        OSError: If the folder cannot be written.
    """
    path = os.path.join(home, 'sweep.lock')
    os.makedirs(home, exist_ok=True)
    with open(path, 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f'Another sweep, or a run that a killed sweep left behind, works in {home}; wait '
                f'for it, or end the process that `fuser {path}` shows.'
            ) from error
        except OSError:  # A file system without locks.
            pass
        yield file.fileno()
