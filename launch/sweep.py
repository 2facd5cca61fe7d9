#!/usr/bin/env python3
"""Trains every configuration of a grid with several seeds, and tells mean and spread of the scores.

    python launch/sweep.py --workdir runs/sweep --seeds 3 --jobs 2 \\
        --gin_file gin_configs/experiments/shapes_pseudoseg.gin \\
        --grid 'PseudoSeg.temperature = [0.5, 0.7, 1.0]'

The same command again goes on. docs/sweeps.md says more.
"""

import argparse
import os
import sys

try:
    from sweeping import check, display, folder, grid, progress, schedule, slots, tables
except ModuleNotFoundError as missing:
    if missing.name != 'gin':
        raise
    sys.exit(
        'This Python has no gin-config; start the sweep with the one that wss is installed in '
        '(source .venv/bin/activate).'
    )

_MOST = 1000  # Seeds, slots and retries.


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(f'{message[:1].upper()}{message[1:]}; --help lists the flags.')


def _flags(arguments):
    parser = _Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('--workdir', required=True, help='folder of the sweep; a run has one in it')
    parser.add_argument('--gin_file', action='append', default=[], help='configuration of all runs')
    parser.add_argument('--gin_param', action='append', default=[], help='a setting of all runs')
    parser.add_argument(
        '--grid',
        action='append',
        default=[],
        help="a setting and its values, 'name = [value, value]'; of several lines the product. "
        'The name gin_file takes files',
    )
    parser.add_argument('--seeds', type=int, default=1, help='seeds of every configuration, from 0')
    parser.add_argument(
        '--seed_settings',
        default='run.seed',
        help='settings that the seed is given to, separated by commas (default: run.seed)',
    )
    parser.add_argument(
        '--jobs', type=int, help='runs at a time on this machine (default: 1, with --slot 0)'
    )
    parser.add_argument(
        '--slot',
        action='append',
        default=[],
        help='a place for a run: local, gpu=NUMBER, tpu=NAME, or a command with {command} in it, '
        'such as "ssh host \'cd wss && {command}\'"',
    )
    parser.add_argument(
        '--train_command', help='what starts training (default: python -m wss.train)'
    )
    parser.add_argument(
        '--local_folder',
        help='where tables and logs go when --workdir is gs:// (default: runs/ and its last part)',
    )
    parser.add_argument(
        '--retries', type=int, default=5, help='how often an interrupted run is started again'
    )
    parser.add_argument('--retry_failed', action='store_true', help='start failed runs again')
    parser.add_argument('--skip_check', action='store_true', help='start without reading the grid')
    parser.add_argument('--dry_run', action='store_true', help='print the commands and stop')
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs a sweep; returns its exit status."""
    try:
        return _sweep(_flags(arguments))
    except BrokenPipeError:  # As of `| head`: nobody reads what is left.
        sys.stdout = open(os.devnull, 'w')  # noqa: SIM115
        return 1
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130


def _sweep(flags):
    jobs = (0 if flags.slot else 1) if flags.jobs is None else flags.jobs
    for name, value, least in (
        ('seeds', flags.seeds, 1),
        ('jobs', jobs, 0 if flags.slot else 1),
        ('retries', flags.retries, 0),
    ):
        if not least <= value <= _MOST:
            raise ValueError(f'--{name} is {value}; it must be {least} to {_MOST}.')
    workdir, home = _folders(flags)
    axes = [grid.parse_axis(line) for line in flags.grid]
    seed_settings = [name.strip() for name in flags.seed_settings.split(',')]
    planned = grid.make_runs(flags.gin_file, flags.gin_param, axes, flags.seeds, seed_settings)
    here = folder.describe(workdir, flags.gin_file, flags.gin_param, axes, seed_settings, planned)
    places = slots.make_slots(flags.slot, jobs, flags.train_command)
    runs = _runs(planned, folder.merge(home, folder.read(home), here), workdir, home, flags)
    if flags.dry_run:
        _print_commands(runs, places)
    _check([run.planned for run in runs if run.state == 'waiting'], flags)
    if flags.dry_run:
        return 0
    with folder.locked(home) as lock:
        content = folder.merge(home, folder.read(home), here)  # As the lock found it.
        runs = _runs(planned, content, workdir, home, flags)
        return _train(runs, content, home, places, lock, flags)


def _folders(flags):
    """Returns where the workdirs go, and the local folder of the sweep."""
    workdir = flags.workdir.rstrip('/')
    if not workdir or workdir.endswith(':'):
        raise ValueError(f'--workdir is {flags.workdir!r}; name a folder for the sweep.')
    if not folder.is_remote(workdir):
        if flags.local_folder:
            raise ValueError('--local_folder is for a --workdir on gs://; leave it out.')
        return workdir, workdir
    return workdir, flags.local_folder or os.path.join('runs', os.path.basename(workdir))


def _runs(planned, content, workdir, home, flags):
    """Makes the runs that are asked for, and after them those of earlier commands."""
    asked = {run.name: run for run in planned}
    runs = []
    for name, known in content['runs'].items():
        plan = asked.get(name) or grid.Planned(name, (), (), known['values'], known['seed'])
        log = progress.Progress(os.path.join(home, name, 'train.log'))
        run = schedule.Run(plan, f'{workdir}/{name}', log)
        run.result = folder.read_result(run.workdir)
        if run.result is not None:
            run.state = 'finished'
        elif known['failed'] and not (flags.retry_failed and name in asked):
            run.state, run.reason = 'failed', known['failed']['reason']
        elif name not in asked:
            run.state = 'left out'  # Of this command; an earlier one had it.
        runs.append(run)
    order = {name: index for index, name in enumerate(asked)}
    return sorted(runs, key=lambda run: order.get(run.planned.name, len(order)))


def _check(planned, flags):
    """Refuses configurations that cannot be read."""
    if flags.skip_check or not planned:
        return
    found, unable = check.find_errors(planned)
    if unable:
        print(f'The configurations could not be checked here ({unable}); going on.', flush=True)
    if found:
        first = next(iter(found.values()))
        raise ValueError(
            f'{first} So {len(found)} of {len(planned)} runs cannot start; nothing was started.'
        )


def _print_commands(runs, places):
    """Prints the command of every run that is to be started, for every kind of slot."""
    waiting = [run for run in runs if run.state == 'waiting']
    kinds = list({place.kind: place for place in places}.values())
    for place in kinds:
        if len(kinds) > 1:
            print(f'# In the slot {place.kind}:')
        for run in waiting:
            print(slots.command_text(place, run.planned, run.workdir))
    for run in runs:
        if run.state != 'waiting':
            print(f'# {run.planned.name}: {run.state}{": " + run.reason if run.reason else ""}')


def _train(runs, content, home, places, lock, flags):
    """Trains what is to be trained and writes the tables; returns the exit status."""
    axes = content['axes']

    def changed(run=None):
        if run is not None:
            failed = {'status': run.status, 'reason': run.reason}
            content['runs'][run.planned.name]['failed'] = failed if run.state == 'failed' else None
        try:
            folder.write(home, content)
            tables.write(home, runs, axes)
        except OSError as error:
            raise OSError(
                f'{home} cannot be written: {error.strerror}. The runs were told to save and to '
                'end; when there is room again, the same command goes on.'
            ) from error

    def start(slot, run):
        return slots.start(slot, run.planned, run.workdir, run.progress.path, lock)

    changed()
    shown = display.Display(runs, sys.stdout)
    scheduler = schedule.Scheduler(
        runs, places, start, folder.read_result, flags.retries, shown, changed
    )
    try:
        scheduler.work()
    finally:
        shown.close()
    shown.say('\n' + tables.markdown(runs, axes))
    shown.say(f'Wrote {home}/table.md, table.csv and runs.csv.')
    unfinished = [run for run in runs if run.state not in ('finished', 'left out')]
    if scheduler.halted:
        shown.say(f'No further run was started: {scheduler.halted}.')
    if any(run.state == 'failed' for run in unfinished):
        shown.say('The same command with --retry_failed starts the failed runs again.')
    if any(run.state in ('waiting', 'stopped', 'interrupted') for run in unfinished):
        shown.say('The same command goes on with the others.')
    if scheduler.signal is not None:
        return 128 + scheduler.signal
    return 1 if unfinished else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
