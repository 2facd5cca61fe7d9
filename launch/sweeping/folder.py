"""The folder of a sweep: which runs it has, what they have in common, and who works in it."""

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Sequence

from sweeping import grid, settings

_FILE = 'sweep.json'
_LOCK = 'sweep.lock'


def is_remote(path: str) -> bool:
    """Whether a folder is of a kind that only TensorFlow can read, such as `gs://`."""
    return '://' in path


def describe(
    workdir: str,
    files: Sequence[str],
    params: Sequence[str],
    axes: Sequence[grid.Axis],
    seed_settings: Sequence[str],
    runs: Sequence[grid.Planned],
) -> dict:
    """Returns what `sweep.json` says of a sweep: what its runs share, and the runs."""
    own = {run.files[-1] for run in runs} if any(a.name == grid.GIN_FILE for a in axes) else set()
    return {
        'workdir': workdir if is_remote(workdir) else None,
        'gin_file': list(files),
        'gin_param': [settings.canonical(line) for line in params],
        'axes': [axis.name for axis in axes],
        'seed_settings': list(seed_settings),
        # A file may change between two starts, so its settings are kept and not its name alone.
        'settings': {path: settings.read_files([path]) for path in sorted({*files, *own})},
        'runs': {
            run.name: {'values': run.values, 'seed': run.seed, 'failed': None} for run in runs
        },
    }


def read(home: str) -> dict | None:
    """Reads `sweep.json`; None if there is none.

    Raises:
        ValueError: If it is damaged, or the folder is a file or holds a run.
    """
    if os.path.exists(home) and not os.path.isdir(home):
        raise ValueError(f'The folder of the sweep, {home}, is a file; name a folder.')
    if os.path.exists(os.path.join(home, 'config.gin')):
        raise ValueError(f'{home} holds a run; name another folder for the sweep.')
    path = pathlib.Path(home, _FILE)
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        for name in ('gin_file', 'gin_param', 'axes', 'seed_settings', 'settings', 'runs'):
            content[name]
        for run in content['runs'].values():
            run['values'], run['seed'], run['failed']
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is damaged; restore it, or move it away: the same command then goes on with '
            'the runs that are there.'
        ) from error
    return content


def merge(home: str, there: dict | None, here: dict) -> dict:
    """Joins what a folder holds with what is asked for: the same sweep with more values or seeds.

    Args:
        home: The folder, for the error.
        there: Its content (`read`).
        here: What is asked for (`describe`).

    Raises:
        ValueError: If the runs of the two have not the same in common.
    """
    if there is None:
        return here
    titles = {
        'workdir': '--workdir',
        'gin_file': '--gin_file',
        'gin_param': '--gin_param',
        'axes': '--grid',
        'seed_settings': '--seed_settings',
    }
    differences = [
        f'{title} {_difference(there.get(key), here[key])}'
        for key, title in titles.items()
        if there.get(key) != here[key]
    ]
    for path in there['settings'].keys() & here['settings'].keys():
        old, new = there['settings'][path], here['settings'][path]
        differences += [
            f'{name} in {path} was {old.get(name, "not set")} and is {new.get(name, "not set")}'
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        ]
    runs = dict(there['runs'])
    for name, run in here['runs'].items():
        known = runs.setdefault(name, run)
        if (known['values'], known['seed']) != (run['values'], run['seed']):
            differences.append(
                f'{name} is a run of {known["values"]} there, of {run["values"]} here'
            )
    if differences:
        more = f'; and {len(differences) - 3} more' if len(differences) > 3 else ''
        raise ValueError(
            f'{home} holds a sweep of another configuration: {"; ".join(differences[:3])}{more}. '
            'Give another --workdir, or the settings of that sweep to go on with it; its grid may '
            'get more values and more seeds.'
        )
    return {**here, 'settings': there['settings'] | here['settings'], 'runs': runs}


def write(home: str, content: dict) -> None:
    """Writes `sweep.json` as a whole or not at all."""
    path = os.path.join(home, _FILE)
    with open(f'{path}.new', 'w', encoding='utf-8') as file:
        file.write(json.dumps(content, indent=1) + '\n')
    os.replace(f'{path}.new', path)


@contextlib.contextmanager
def locked(home: str) -> Iterator[int]:
    """Makes a folder and keeps other sweeps out of it; gives the descriptor of the lock.

    Processes that are given the descriptor keep the lock too, so that no second sweep starts a run
    that is still at work because the sweep before was killed. Some, such as ssh, close it; they
    are found by what `note_process` wrote.

    Raises:
        ValueError: If another sweep, or a run of one that was killed, works in the folder.
        OSError: If the folder cannot be written.
    """
    try:
        os.makedirs(home, exist_ok=True)
        file = open(os.path.join(home, _LOCK), 'a+', encoding='utf-8')  # noqa: SIM115
    except OSError as error:
        raise OSError(
            f'The folder of the sweep, {home}, cannot be written: {error.strerror}.'
        ) from error
    with file:
        is_free = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_free = False
        except OSError:  # A file system without locks.
            pass
        file.seek(0)
        # Of a sweep that died the line stands there too; a living one has the lock.
        lines = [line.strip() for line in file if not (is_free and line.endswith(': sweep\n'))]
        at_work = [line for line in lines if _is_at_work(line)]
        if at_work or not is_free:
            who = f' ({", ".join(at_work)})' if at_work else ''
            raise ValueError(
                f'Another sweep, or a run that one left behind when it was killed, works in '
                f'{home}{who}; wait for it, or end it with: kill PROCESS.'
            )
        file.truncate(0)
        note_process(file.fileno(), 'sweep', os.getpid())
        yield file.fileno()


def note_process(lock: int, name: str, process: int) -> None:
    """Writes into the lock who works in the folder: `sweep`, or the name of a run."""
    os.write(lock, f'process {process}: {name}\n'.encode())


def _is_at_work(line):
    """Whether a process that was noted is there, and not another of the same number."""
    _, _, rest = line.partition(' ')
    process, _, name = rest.strip().partition(': ')
    return process.isdigit() and bool(name) and name in _arguments(process)


def _arguments(process):
    """Returns the command line of a process; empty if there is none of this number."""
    if os.path.isdir('/proc/self'):
        try:
            return pathlib.Path(f'/proc/{process}/cmdline').read_text('utf-8', 'replace')
        except OSError:
            return ''
    command = ['ps', '-ww', '-o', 'args=', '-p', process]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def read_result(workdir: str) -> dict | None:
    """Reads the `result.json` of a finished run, local or not; None if there is none to be read.

    Raises:
        OSError: If the place cannot be reached.
    """
    path = f'{workdir}/result.json'
    try:
        text = _read_remote(path) if is_remote(path) else pathlib.Path(path).read_text('utf-8')
        result = json.loads(text)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # Or cut off in the middle.
        return None
    return result if isinstance(result, dict) else None


def _read_remote(path):
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    import tensorflow as tf  # Takes seconds, and only such a folder needs it.

    try:
        with tf.io.gfile.GFile(path) as file:
            return file.read()
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(path) from error
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0]
        raise OSError(f'{path} cannot be read: {reason}.') from error


def _difference(there, here):
    """Says in which parts two lists differ, or in which order; or two texts."""
    if not (isinstance(there, list) and isinstance(here, list)):
        return f'is {there or "local"} there and {here or "local"} here'
    gone = [part for part in there if part not in here]
    new = [part for part in here if part not in there]
    parts = [f'has {", ".join(gone)} only there'] if gone else []
    parts += [f'has {", ".join(new)} only here'] if new else []
    return ' and '.join(parts) or f'has the order {", ".join(there)} there'
