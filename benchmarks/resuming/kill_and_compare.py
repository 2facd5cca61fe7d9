"""Shows that a run that is killed again and again ends like one that never was.

    python benchmarks/resuming/kill_and_compare.py --workdir runs/killed --kills 20

trains a run in peace, and the same run once more, which is killed at random moments and started
again with the same command. It then compares weights bit for bit, scores and TensorBoard points.
With `--workers 2` the run has two processes, one of which is killed. Everything runs on the CPU.
"""

import argparse
import functools
import os
import pathlib
import random
import signal
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]  # The package of this checkout.

from resuming import compare, kills, moments  # noqa: E402
from resuming.attempt import Attempt  # noqa: E402
from wss.configuration import gin_files  # noqa: E402
from wss.experiment import Experiment  # noqa: E402

_GIN_FILE = 'experiments/shapes_pseudoseg.gin'
# Little work between much that can be interrupted; logs and checkpoints fall on different steps.
_INTERVALS = {'checkpoint': 5, 'evaluate': 15, 'picture': 15, 'log': 3}
_SIGNALS = {'KILL': signal.SIGKILL, 'TERM': signal.SIGTERM}
_LIMIT = 3600.0  # Seconds for a start that is not killed.
_LIMIT_OF_OTHERS = 120.0  # Seconds for the other processes, after one was killed.


def main(arguments: list[str] | None = None) -> int:
    """Trains, kills and compares; returns the exit status: 0 if both runs are the same."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Its processes end with it.
    flags = _flags(arguments)
    try:
        return _train_and_compare(flags)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130


def _flags(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--workdir', required=True, help='new folder for both runs and their logs')
    parser.add_argument('--kills', type=int, help='default: 20; 5 with several workers')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments')
    parser.add_argument('--workers', type=int, default=1, help='processes of a run (default: 1)')
    parser.add_argument('--signal', choices=_SIGNALS, default='KILL')
    parser.add_argument('--steps', type=int, default=60, help='steps of the run (default: 60)')
    parser.add_argument('--gin_file', action='append', help=f'default: {_GIN_FILE}')
    parser.add_argument('--gin_param', action='append', default=[], help='further settings')
    flags = parser.parse_args(arguments)
    if flags.kills is None:
        flags.kills = 20 if flags.workers == 1 else 5
    for name, most in (('kills', 1000), ('workers', 16), ('steps', 10**6)):
        if not 1 <= getattr(flags, name) <= most:
            parser.error(f'--{name} is {getattr(flags, name)}; it must be 1 to {most}')
    return flags


def _train_and_compare(flags):
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
        print(f'A run that is not killed takes {attempt.age:.1f} s. The longest of each: {spent}.')
    found = _kill(flags, lambda: start('killed'), schedule(), durations)
    return _verdict(workdir, found, _SIGNALS[flags.signal])


def _settings(flags):
    """Returns the flags of both runs except the workdir."""
    files = [pathlib.Path(file) for file in flags.gin_file or [_GIN_FILE]]
    words = [f'--gin_file={file.resolve() if file.exists() else file}' for file in files]
    params = [f'Schedule.steps = {flags.steps}']
    params += [f'Schedule.{name}_every = {steps}' for name, steps in _INTERVALS.items()]
    return words + [f'--gin_param={param}' for param in [*params, *flags.gin_param]]


def _schedule(workdir):
    """Reads the schedule of a run from its configuration."""
    gin_files.parse_run(str(workdir))
    experiment = gin_files.build(Experiment)
    return experiment.schedule.for_batch(experiment.data.labelled.batch_size)[0]


def _check_finished(attempt):
    statuses = [process.wait() for process in attempt.processes]
    if any(statuses):
        worker = next(i for i, status in enumerate(statuses) if status)
        raise ValueError(
            f'Training ended with status {statuses[worker]}: {attempt.last_line(worker)}\n'
            f'The log is {attempt.logs[worker]}.'
        )


def _kill(flags, start, schedule, durations):
    """Kills the run at every moment of the plan, then lets it finish; returns the kills."""
    random_victim = random.Random(f'victims {flags.seed}')
    waiting = moments.plan(flags.kills, schedule, flags.seed)
    found, is_printed = [], True
    print(kills.HEADER, flush=True)
    while True:
        with start() as attempt:
            view = attempt.wait_for(waiting[0], durations) if waiting else None
            if view is None:
                attempt.follow(_LIMIT)
                _check_finished(attempt)
            else:
                victim = random_victim.randrange(flags.workers)
                kill = _end(attempt, view, victim, _SIGNALS[flags.signal])
        if not is_printed:  # Only the next start shows where the run resumes.
            found[-1].resumed, is_printed = attempt.resumed, True
            print(found[-1].row(len(found)), flush=True)
        if view is not None:
            waiting.pop(0)
            found.append(kill)
            is_printed = False
        elif not waiting:
            return found
        else:  # The run finished before the moment came.
            waiting = [moments.at_start_up(moment) for moment in waiting]


def _end(attempt, view, victim, number):
    """Sends a signal to one process, waits for the end of all, and returns what happened."""
    age = attempt.age
    statuses, seconds = attempt.end(victim, number, _LIMIT_OF_OTHERS)
    left = attempt.half_written()
    others = [worker for worker in range(len(statuses)) if worker != victim]
    return kills.Kill(
        age=age,
        doing=moments.CHECKPOINT if left else attempt.doing(view),
        step=view.step,
        victim=victim,
        statuses=statuses,
        seconds=seconds,
        last_lines=[attempt.last_line(worker) for worker in others],
        left=left,
        saved=attempt.look().saved,
        saved_at=attempt.saved_at,
    )


def _verdict(workdir, found, number):
    """Compares both runs and prints the result; returns the exit status."""
    half = sum(bool(kill.left) for kill in found)
    print(f'\n{len(found)} kills by {number.name}; {half} left a checkpoint half written.')
    for line in sorted({line for kill in found for line in kill.last_lines}):
        print(f'Another process ended with: {line}')
    checks = {'every end and every start': kills.faults(found, number)}
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
    sys.exit(main())
