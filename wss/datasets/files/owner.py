"""Lets one process at a time write in a folder, local or `gs://`.

On a local disk the system keeps the lock, and releases it however the process ends. Elsewhere the
owner renews a file; an owner that has ended on this machine, or that has not renewed the file for a
while, is replaced.
"""

import contextlib
import json
import os
import pathlib
import socket
import sys
import threading
import time
import uuid

import tensorflow as tf

from wss.datasets.files import durations, whole

try:
    import fcntl
except ImportError:  # Not on this system.
    fcntl = None

# Seconds. An owner is gone if it has not renewed its file for `SILENCE`.
RENEWAL = 20.0
SILENCE = 100.0
SETTLING = 3.0


class Owned(OSError):
    """Another process owns the folder.

    Attributes:
        owner: Which one, such as `process 4321 on host, since 2026-01-31 12:00:00`.
    """

    def __init__(self, owner: str):
        super().__init__(f'It is used by {owner}.')
        self.owner = owner


@contextlib.contextmanager
def only_one(path: str | os.PathLike):
    """Owns a lock file inside a `with`, which no other process can do meanwhile.

    Args:
        path: The lock file; its folder must exist. It stays behind, empty.

    Raises:
        Owned: If another process owns it.
        OSError: If it cannot be written.
    """
    path = os.fspath(path)
    if '://' not in path and fcntl is not None:
        # Never cut off what another process has written: it says who owns the folder.
        with open(path, 'a+', encoding='utf-8') as file:
            if _lock(file, path):
                _note(file, _myself())
                try:
                    yield
                finally:
                    _note(file, None)
                return
    with _renewed(path):
        yield


def check_free(path: str | os.PathLike) -> None:
    """Raises `Owned` if a process of this machine owns a lock file; changes nothing."""
    path = os.fspath(path)
    if '://' in path or fcntl is None or not os.path.isfile(path):
        return
    with contextlib.suppress(PermissionError), open(path, 'r+', encoding='utf-8') as file:
        _lock(file, path)


def _lock(file, path):
    """Locks an open file; returns False where the file system has no locks."""
    for is_last in (False, False, True):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError as error:
            if is_last:
                raise Owned(_describe(_read(path))) from error
            time.sleep(0.1)  # It may be held by `check_free` for a moment.
        except OSError:  # Some network file systems have no locks.
            return False


def _note(file, owner):
    with contextlib.suppress(OSError):  # Such as a full disk; it is for messages alone.
        file.truncate(0)
        file.write(json.dumps(owner) if owner else '')
        file.flush()


@contextlib.contextmanager
def _renewed(path):
    """Owns a file by renewing it, where the system has no locks."""
    me = {**_myself(), 'token': uuid.uuid4().hex}
    _wait_until_free(path)
    _write(path, {**me, 'renewed': 0})
    # Of two processes that come at once, the later has replaced the file of the other.
    time.sleep(SETTLING)
    now = _read(path)
    if now.get('token') != me['token']:
        raise Owned(_describe(now))
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, me, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError, tf.errors.OpError):
            if _read(path).get('token') == me['token']:
                _write(path, None)


def _wait_until_free(path):
    """Returns when nobody owns a file; raises `Owned` if its owner renews it."""
    first = _read(path)
    if not first or _has_ended(first):
        return
    print(
        f'{path} names {_describe(first)} as the owner; waiting up to {SILENCE:.0f} seconds for a '
        'sign of life.',
        flush=True,
    )
    end = time.monotonic() + SILENCE
    while time.monotonic() < end:
        time.sleep(min(RENEWAL / 4, 5.0))
        now = _read(path)
        if not now or _has_ended(now):
            return
        if now != first:
            raise Owned(_describe(now))


def _renew(path, me, ended):
    """Renews a file until its owner ends; ends the process if another has replaced it."""
    count = 0
    while not ended.wait(RENEWAL):
        try:
            now = _read(path)
            if now and now.get('token') != me['token']:
                print(
                    f'{path} was taken over by {_describe(now)}, so this process ends.',
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)  # It must not write one more file.
            count += 1
            _write(path, {**me, 'renewed': count})
        except (OSError, tf.errors.OpError):  # It is renewed the next time.
            continue


def _write(path, owner):
    # Whole: who reads a file that is being written would take it for a free one.
    whole.write(path, json.dumps(owner) if owner else '')


def _read(path):
    """Returns the owner that a file names; {} for none, or if it is damaged."""
    owner = whole.read_json(path)
    return owner if isinstance(owner, dict) else {}


def _describe(owner):
    if not isinstance(owner.get('process'), int):
        return 'another process'
    return f'process {owner["process"]} on {owner.get("host")}, since {owner.get("since")}'


def _myself():
    return {
        'host': socket.gethostname(),
        'boot': _boot(),
        'process': os.getpid(),
        'started': _started(os.getpid()),
        'since': durations.now(),
    }


def _has_ended(owner):
    """Whether an owner was a process of this machine that is no more."""
    if not owner.get('boot') or (owner.get('host'), owner['boot']) != (
        socket.gethostname(),
        _boot(),
    ):
        return False
    process = owner.get('process')
    # Another process may have the number of the one that ended, but not its start.
    return isinstance(process, int) and _started(process) != owner.get('started')


def _boot():
    """Returns what names this machine since it was started; None if the system does not say."""
    try:
        return pathlib.Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()
    except OSError:
        return None


def _started(process):
    """Returns when a process started, in ticks since the machine did; None if there is none."""
    try:
        text = pathlib.Path(f'/proc/{process}/stat').read_text(encoding='utf-8', errors='replace')
        return int(text.rpartition(')')[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
