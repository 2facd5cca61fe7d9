"""Runs training on the first machine of a TPU, apart from any connection. Runs there.

    cd wss-checkout/launch && python3 -m tpu.worker start COMMAND...
    cd wss-checkout/launch && python3 -m tpu.worker state [BYTES]

`start` leaves a process in a session of its own. It runs the command, writes its output to
`~/wss-run/log`, and its exit status to `~/wss-run/status`. As long as it or the command lives, the
file `~/wss-run/lock` is locked. Both verbs end with `wss-state` and one line of JSON, which a
caller finds among the other output of a connection.
"""

import fcntl
import json
import os
import pathlib
import subprocess
import sys

HOME = pathlib.Path.home()
FOLDER = HOME / 'wss-run'
_LIMIT = 200_000  # Bytes of the log in one answer.


def is_alive() -> bool:
    """Whether training, or the process that waits for its end, lives."""
    try:
        with (FOLDER / 'lock').open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def state(offset: int | None = None) -> dict:
    """Describes the run of this machine.

    Args:
        offset: Bytes of the log that are known; None leaves the log out.

    Returns:
        `state` ('none', 'running', 'ended', or 'lost': gone without a status), `status` (exit
        status if ended), `command`, and `log` from `offset` on, whole lines unless the run is over,
        with the new `offset`.
    """
    alive = is_alive()
    try:
        command = json.loads((FOLDER / 'command.json').read_text())
    except (OSError, ValueError):
        return {'state': 'none', 'status': None, 'command': None, 'offset': 0, 'log': ''}
    try:  # After `is_alive`: a run that has just ended has written it.
        found = {'state': 'ended', 'status': int((FOLDER / 'status').read_text())}
    except (OSError, ValueError):
        found = {'state': 'running' if alive else 'lost', 'status': None}
    found['command'] = command
    if offset is None:
        return found
    with (FOLDER / 'log').open('rb') as log:
        start = min(offset, log.seek(0, os.SEEK_END))
        log.seek(start)
        text = log.read(_LIMIT)
    full = len(text) == _LIMIT
    if found['state'] == 'running' or full:
        text = text[: text.rfind(b'\n') + 1] or (text if full else b'')
    return found | {'offset': start + len(text), 'log': text.decode(errors='replace')}


def start(command: list[str]) -> dict:
    """Starts a command unless one runs already, which is left alone."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / 'lock').open('w') as lock, (FOLDER / 'log').open('ab') as log:
        size = log.tell()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if is_alive():  # Else somebody has just asked whether it is.
                    now = state()
                    name = 'already' if now['command'] == command else 'busy'
                    # Who connects again sees the end of the log.
                    return now | {'state': name, 'offset': max(0, size - 20_000)}
        (FOLDER / 'status').unlink(missing_ok=True)
        (FOLDER / 'command.json').write_text(json.dumps(command))
        subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), 'watch', *command],
            cwd=HOME / 'wss-checkout',
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],  # Keeps the lock.
        )
    return {'state': 'started', 'command': command, 'offset': size}


def watch(command: list[str]) -> None:
    """Runs a command to its end and writes its exit status, as a shell counts it."""
    try:
        status = subprocess.run(command, check=False, close_fds=False).returncode  # With the lock.
    except OSError as error:
        print(error, flush=True)
        status = 127
    new = FOLDER / 'status.new'
    new.write_text(str(status if status >= 0 else 128 - status))
    new.replace(FOLDER / 'status')


if __name__ == '__main__':
    verb, *rest = sys.argv[1:]
    if verb == 'watch':
        watch(rest)
    else:
        found = start(rest) if verb == 'start' else state(*map(int, rest))
        print('wss-state ' + json.dumps(found), flush=True)
