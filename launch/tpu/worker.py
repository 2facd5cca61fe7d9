"""Runs training on the first machine of a TPU, apart from any connection. Runs there.

    cd wss-checkout/launch && python3 -m tpu.worker start [--set NAME=VALUE]... -- COMMAND...
    cd wss-checkout/launch && python3 -m tpu.worker state [--offset BYTES]

`start` leaves a process of its own session behind, which runs the command, writes what it says to
`~/wss-run/log`, and its exit status to `~/wss-run/status`. Both verbs end with one line of JSON
after the word `wss-state`, so that a caller finds it among what a connection says.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

HOME = pathlib.Path.home()
FOLDER = HOME / 'wss-run'
MARK = 'wss-state '
_STEP = re.compile(rb'\bstep +(\d+)/(\d+)')


def is_alive() -> bool:
    """Whether the process that watches over training is there."""
    try:
        process = int((FOLDER / 'pid').read_text())
        os.kill(process, 0)
    except (OSError, ValueError):
        return False
    line = pathlib.Path(f'/proc/{process}/cmdline')
    try:  # After a restart of the machine the number may be another's.
        return b'tpu/worker.py' in line.read_bytes()
    except OSError:
        return not line.parent.parent.exists()


def state(offset: int | None = None, limit: int = 200_000) -> dict:
    """Describes the run of this machine.

    Args:
        offset: Bytes of the log that are known; None leaves the log out.
        limit: Bytes of it to give at most.

    Returns:
        `state` ('none', 'running', 'ended', or 'lost': gone without a status), `status` (exit
        status if ended), `command`, `step` and `steps` (None before the first), and `log` from
        `offset` on, whole lines unless the run is over, with the new `offset`.
    """
    alive = is_alive()
    found = {'state': 'running', 'status': None, 'command': None, 'step': None, 'steps': None}
    try:
        found['command'] = json.loads((FOLDER / 'command.json').read_text())
    except (OSError, ValueError):
        return found | {'state': 'none', 'offset': 0, 'log': ''}
    try:
        # Read after `alive`: who has just ended has written it.
        found |= {'status': int((FOLDER / 'status').read_text()), 'state': 'ended'}
    except (OSError, ValueError):
        found['state'] = 'running' if alive else 'lost'
    with (FOLDER / 'log').open('rb') as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - 100_000))
        steps = _STEP.findall(log.read())
        if steps:
            found['step'], found['steps'] = (int(number) for number in steps[-1])
        if offset is not None:
            start = min(offset, size)
            log.seek(start)
            text = log.read(limit)
            if found['state'] == 'running' or len(text) == limit:
                text = text[: text.rfind(b'\n') + 1] or text[: limit if len(text) == limit else 0]
            found |= {'offset': start + len(text), 'log': text.decode(errors='replace')}
    return found


def start(command: list[str], variables: dict[str, str]) -> dict:
    """Starts a command, unless it runs already; another one that runs is left alone."""
    FOLDER.mkdir(exist_ok=True)
    log = FOLDER / 'log'
    size = log.stat().st_size if log.exists() else 0
    now = state()
    if now['state'] == 'running':
        same = now['command'] == command
        known = {'offset': max(0, size - 20_000)}  # Who connects again sees the end of it.
        return now | known | {'state': 'already' if same else 'busy'}
    (FOLDER / 'status').unlink(missing_ok=True)
    (FOLDER / 'command.json').write_text(json.dumps(command))
    watch = [sys.executable, os.path.abspath(__file__), 'watch', '--', *command]
    variables = {name: os.path.expanduser(value) for name, value in variables.items()}
    with log.open('ab') as out:
        process = subprocess.Popen(
            watch,
            cwd=HOME / 'wss-checkout',
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (FOLDER / 'pid').write_text(str(process.pid))
    return {'state': 'started', 'command': command, 'offset': size}


def watch(command: list[str]) -> None:
    """Runs a command to its end and writes its exit status, as a shell counts it."""
    try:
        status = subprocess.run(command, check=False).returncode
    except OSError as error:
        print(error, flush=True)
        status = 127
    new = FOLDER / 'status.new'
    new.write_text(str(status if status >= 0 else 128 - status))
    new.replace(FOLDER / 'status')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('verb', choices=['start', 'state', 'watch'])
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE')
    parser.add_argument('--offset', type=int)
    arguments, command = sys.argv[1:], []
    if '--' in arguments:
        at = arguments.index('--')
        arguments, command = arguments[:at], arguments[at + 1 :]
    given = parser.parse_args(arguments)
    if given.verb == 'watch':
        return watch(command)
    if given.verb == 'start':
        found = start(command, dict(pair.split('=', 1) for pair in given.set))
    else:
        found = state(given.offset)
    print(MARK + json.dumps(found), flush=True)


if __name__ == '__main__':
    main()
