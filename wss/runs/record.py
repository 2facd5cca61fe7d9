"""`run.json`: what a run was, where it ran, and how it ended."""

import contextlib
import os
import pathlib
import platform
import subprocess
import time
import warnings

import numpy as np
import tensorflow as tf
import tf_keras as keras

from wss import __version__
from wss.datasets.files import durations, whole
from wss.devices import lost, workers
from wss.runs import configuration as run_configuration

FILE = 'run.json'


@contextlib.contextmanager
def recorded(
    workdir: str | os.PathLike, config_text: str, strategy: tf.distribute.Strategy, extent=None
):
    """Writes `run.json` at the start and at the end of what runs inside a `with`.

    Args:
        workdir: Folder of the run.
        config_text: Its configuration, lines of `name = value`.
        strategy: Where it computes.
        extent: Its steps (`extension.Extent`), which are noted if they are given.

    A session notes the CPU time of this process between start and end.

    Yields:
        A dict for the result, `result`, and for the step at which this process started,
        `first_step`.
    """
    path = os.path.join(workdir, FILE)
    sessions = _sessions(path)
    session = {
        'state': 'running',
        'started': durations.now(),
        'ended': None,
        'first_step': None,
        'cpu_seconds': None,
        'versions': versions(),
        'git': git_revision(),
        'devices': devices(strategy),
    }
    cpu_before = time.process_time()
    notes = {'first_step': None, 'result': None}
    configuration = run_configuration.settings(config_text)

    def write():
        if not workers.is_chief():
            return
        session['first_step'] = notes['first_step']
        latest = {name: session[name] for name in ('state', 'ended', 'versions', 'git', 'devices')}
        content = {
            'started': [*sessions, session][0]['started'],
            **latest,
            **({} if extent is None else extent.noted()),
            'result': notes['result'],
            'configuration': configuration,
            'sessions': [*sessions, session],
        }
        whole.write_json(path, content)

    write()
    try:
        yield notes
        session['state'] = 'finished'
    except (KeyboardInterrupt, SystemExit) as end:
        is_lost = isinstance(end, SystemExit) and end.code == lost.LOST_STATUS
        session['state'] = 'lost' if is_lost else 'stopped'
        raise
    except BaseException as error:
        session['state'] = 'failed'
        session['error'] = f'{type(error).__name__}: {str(error)[:500]}'
        raise
    finally:
        session['ended'] = durations.now()
        session['cpu_seconds'] = round(time.process_time() - cpu_before, 1)
        with contextlib.suppress(OSError, tf.errors.OpError):  # Such as the one that ended the run.
            write()


def _sessions(path):
    """Returns the sessions of a record; [] with a warning if it is damaged."""
    if not tf.io.gfile.exists(path):
        return []
    try:
        advice = 'the sessions in it are not kept'
        before = whole.load_json(path, advice)
        sessions = before.get('sessions') if isinstance(before, dict) else None
        if not isinstance(sessions, list):
            raise whole.damaged(path, 'it has no list of sessions', advice)
    except (OSError, ValueError) as error:
        warnings.warn(str(error), stacklevel=2)
        return []
    sessions = [one for one in sessions if isinstance(one, dict) and 'started' in one]
    # A session that still says `running` was killed.
    return [
        {**one, 'state': 'killed'} if one.get('state') == 'running' else one for one in sessions
    ]


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this package and of what computes."""
    return {
        'python': platform.python_version(),
        'wss': __version__,
        'tensorflow': tf.__version__,
        'tf_keras': keras.__version__,
        'numpy': np.__version__,
    }


def compared_versions() -> dict[str, str]:
    """Returns the versions in which workers of a run must agree, for `workers.compare`."""
    found = {f'the version of {name}': version for name, version in versions().items()}
    # Python 3.11.4 and 3.11.9 compute the same.
    return found | {'the version of python': '.'.join(platform.python_version_tuple()[:2])}


def git_revision() -> str | None:
    """Returns the commit of this checkout, with a `+` if files differ; None if it is unknown.

    A copy without git has the commit in a file `REVISION`, which `launch/tpu_pod.py` packs.
    """
    root = pathlib.Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():
        noted = root / 'REVISION'
        return noted.read_text(encoding='utf-8').strip() if noted.is_file() else None

    def git(*arguments):
        command = ['git', '-C', str(root), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    try:
        changed = git('status', '--porcelain', '--untracked-files=no')
        return git('rev-parse', 'HEAD') + ('+' if changed else '')
    except (OSError, subprocess.SubprocessError):
        return None


def devices(strategy: tf.distribute.Strategy) -> dict:
    """Returns the kind of a strategy, its replicas, and the devices that this process sees."""
    seen = [
        device for kind in ('TPU', 'GPU', 'CPU') for device in tf.config.list_logical_devices(kind)
    ]
    gpus = tf.config.list_physical_devices('GPU')
    names = {tf.config.experimental.get_device_details(gpu).get('device_name') for gpu in gpus}
    return {
        'strategy': type(strategy).__name__,
        'replicas': strategy.num_replicas_in_sync,
        'logical': [device.name for device in seen],
        'gpus': sorted(name for name in names if name),
        'host': platform.machine(),
    }
