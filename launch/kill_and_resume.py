#!/usr/bin/env python3
"""Shows that a run that is killed again and again ends like one that never was.

    python launch/kill_and_resume.py --workdir runs/killed --kills 20

trains a run in peace and the same run once more, killed at random moments and started again with
the same command. Then it compares weights bit for bit, scores and TensorBoard points. With
`--workers 2` the run has two processes, one of which is killed. Both run on the CPU.
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import random
import signal
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The package of this checkout.

from resuming import compare, kills, moments  # noqa: E402
from resuming.attempt import Attempt  # noqa: E402

from wss import run_folder  # noqa: E402

_GIN_FILE = 'gin_configs/experiments/shapes_pseudoseg.gin'
# Little work between much that can be interrupted; logs and checkpoints fall on different steps.
_SETTINGS = ('checkpoint_every = 5', 'evaluate_every = 15', 'picture_every = 15', 'log_every = 3')
_SIGNALS = {'KILL': signal.SIGKILL, 'TERM': signal.SIGTERM}
_LIMIT = 3600.0  # Seconds for a start that nobody ends.
_LIMIT_OF_OTHERS = 120.0  # And for a process whose companion was killed.


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(f'{message[:1].upper()}{message[1:]}; --help lists the flags.')


def _flags(arguments):
    parser = _Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('--workdir', required=True, help='new folder for both runs and their logs')
    parser.add_argument('--kills', type=int, help='how often (default: 20; 5 with --workers 2)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments')
    parser.add_argument('--workers', type=int, default=1, help='processes of a run (default: 1)')
    parser.add_argument('--signal', choices=('KILL', 'TERM'), default='KILL')
    parser.add_argument('--steps', type=int, default=60, help='steps of the run (default: 60)')
    parser.add_argument('--gin_file', action='append', help=f'default: {_GIN_FILE}')
    parser.add_argument('--gin_param', action='append', default=[], help='further settings')
    flags = parser.parse_args(arguments)
    if flags.kills is None:
        flags.kills = 20 if flags.workers == 1 else 5
    for name, least, most in (('kills', 1, 1000), ('workers', 1, 16), ('steps', 1, 10**6)):
        if not least <= getattr(flags, name) <= most:
            raise ValueError(f'--{name} is {getattr(flags, name)}; it must be {least} to {most}.')
    return flags


def main(arguments: list[str]) -> int:
    """Trains, kills and compares; returns the exit status: 0 if both runs came to the same."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Its processes go with it.
    try:
        return _prove(_flags(arguments))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130


def _prove(flags):
    workdir = pathlib.Path(flags.workdir).resolve()
    if workdir.exists() and (not workdir.is_dir() or any(workdir.iterdir())):
        raise ValueError(f'{workdir} is not empty; give a new folder as --workdir.')
    workdir.mkdir(parents=True, exist_ok=True)

    schedule = functools.cache(lambda: _schedule(workdir / 'whole'))

    def start(name):
        command = [sys.executable, '-m', 'wss.train', '--workdir', str(workdir / name)]
        command += _settings(flags)
        return Attempt(workdir / name, command, workdir / f'{name}.log', schedule, flags.workers)

    with start('whole') as attempt:
        durations = attempt.follow(_LIMIT)
        _check_finished(attempt)
        spent = ', '.join(f'{name} {seconds:.2f}' for name, seconds in durations.items())
        print(f'A run that is not killed takes {attempt.age:.1f} s. Seconds each: {spent}.')
    kills = _kill(flags, lambda: start('killed'), schedule(), durations)
    return _verdict(workdir, kills, flags)


def _settings(flags):
    """Returns the flags of both runs but for the workdir."""
    params = [f'run.{line}' for line in (f'steps = {flags.steps}', *_SETTINGS)]
    files = [pathlib.Path(file) for file in flags.gin_file or [ROOT / _GIN_FILE]]
    files = [str(file.resolve() if file.exists() else file) for file in files]
    words = [word for file in files for word in ('--gin_file', file)]
    return words + [w for line in [*params, *flags.gin_param] for w in ('--gin_param', line)]


def _schedule(workdir):
    """Reads from the configuration of a run what it does how often."""
    found = run_folder.bindings((workdir / run_folder.CONFIG_FILE).read_text())
    names = [field.name for field in dataclasses.fields(moments.Schedule)]
    return moments.Schedule(*(int(found[f'experiment.run.{name}']) for name in names))


def _check_finished(attempt):
    statuses = [process.wait() for process in attempt.processes]
    if any(statuses):
        worker = next(i for i, status in enumerate(statuses) if status)
        raise ValueError(
            f'Training ended with status {statuses[worker]}: {attempt.last_words(worker)}\n'
            f'The log is {attempt.logs[worker]}.'
        )


def _kill(flags, start, schedule, durations):
    """Ends the run as often as it is to be, and lets it finish; returns the kills."""
    number = _SIGNALS[flags.signal]
    draw = random.Random(f'victims {flags.seed}')
    waiting = moments.plan(flags.kills, schedule, flags.seed)
    found, is_shown = [], True
    print(kills.HEADER, flush=True)
    while True:
        with start() as attempt:
            view = attempt.wait_for(waiting[0], durations) if waiting else None
            if view is None:
                attempt.follow(_LIMIT)
                _check_finished(attempt)
            else:
                age, victim = attempt.age, draw.randrange(flags.workers)
                statuses, seconds = attempt.end(victim, number, _LIMIT_OF_OTHERS)
        if not is_shown:
            found[-1].resumed, is_shown = attempt.resumed, True
            print(found[-1].row(), flush=True)
        if view is not None:
            waiting.pop(0)
            is_shown = False
            left = attempt.half_written()
            words = [attempt.last_words(i) for i in range(flags.workers) if i != victim]
            found.append(
                kills.Kill(
                    number=len(found) + 1,
                    age=age,
                    doing=moments.CHECKPOINT if left else attempt.doing(view),
                    step=view.step,
                    victim=victim,
                    statuses=statuses,
                    seconds=seconds,
                    words=words,
                    left=left,
                    saved=attempt.look().saved,
                    saved_at=attempt.saved_at,
                )
            )
        elif not waiting:
            return found
        else:  # It has finished before the moment came.
            waiting = [moments.again(moment) for moment in waiting]


def _verdict(workdir, found, flags):
    """Compares both runs and prints what there is to say; returns the exit status."""
    number = _SIGNALS[flags.signal]
    half = sum(bool(kill.left) for kill in found)
    print(f'\n{len(found)} times ended by {number.name}; {half} left a checkpoint half written.')
    for words in sorted({words for kill in found for words in kill.words}):
        print(f'Another process ended with: {words}')
    checks = {'every end and every start as it must be': kills.faults(found, number)}
    checks |= compare.differences(workdir / 'whole', workdir / 'killed')
    for name, faults in checks.items():
        print(f'{"differs" if faults else "equal":<7}  {name}')
        for fault in faults:
            print(f'         - {fault}')
    if any(checks.values()):
        print('The run that was killed is NOT the same.')
        return 1
    print('The run that was killed is the same as the one that was not.')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
