#!/usr/bin/env python3
"""Trains every configuration of a grid with several seeds; reports mean and spread of the scores.

    python launch/sweep.py --workdir runs/sweep --seeds 3 --jobs 2 \\
        --gin_file gin_configs/experiments/shapes_pseudoseg.gin \\
        --grid 'PseudoSeg.temperature = [0.5, 0.7, 1.0]'

The same command resumes a sweep. See docs/sweeps.md.
"""

import argparse
import functools
import os
import shlex
import sys

from sweeping import check, folder, grid, jobs, report


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(f'{message[:1].upper()}{message[1:]}; --help lists the flags.')


def _flags(arguments):
    parser = _Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    path = os.path.expanduser  # Shells leave a ~ as it is in --workdir=~/runs.
    add(
        '--workdir',
        type=path,
        required=True,
        help='folder of the sweep; it holds a folder for each run',
    )
    add('--gin_file', type=path, action='append', default=[], help='configuration of all runs')
    add('--gin_param', action='append', default=[], help='a setting of all runs')
    add(
        '--grid',
        action='append',
        default=[],
        help="a setting and its values, 'name = [value, value]'; several give every combination. "
        'The name gin_file takes gin files',
    )
    add('--seeds', type=int, default=1, help='how many seeds, from 0 (default: 1)')
    add(
        '--seed_settings',
        type=lambda text: [name.strip() for name in text.split(',')],
        default=['Experiment.seed'],
        help='settings that are set to the seed, with commas (default: Experiment.seed)',
    )
    add('--jobs', type=int, help='runs at a time on this machine (default: 1; 0 with --slot)')
    add(
        '--slot',
        action='append',
        default=[],
        help='a place for one run at a time: local, gpu=NUMBER, tpu=NAME, or a command with '
        '{flags} in it, such as "ssh host \'cd wss && python -m wss.train {flags}\'"',
    )
    add('--retries', type=int, default=5, help='how often an interrupted run is resumed')
    add('--skip_check', action='store_true', help='start without reading the configurations')
    add('--dry_run', action='store_true', help='print the commands and stop')
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs a sweep; returns its exit status."""
    report.show_any_name()
    try:
        return _sweep(_flags(arguments))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130


def _sweep(flags):
    local = (0 if flags.slot else 1) if flags.jobs is None else flags.jobs
    if flags.seeds < 1 or local < 0 or local + len(flags.slot) < 1:
        raise ValueError('--seeds and --jobs must be 1 or more.')
    workdir = flags.workdir.rstrip('/')
    if not workdir or workdir.endswith(':'):
        raise ValueError(f'--workdir is {flags.workdir!r}; name a folder for the sweep.')
    # Table and logs of a sweep on gs:// are local.
    home = os.path.join('runs', os.path.basename(workdir)) if '://' in workdir else workdir
    axes = dict(grid.parse_axis(line) for line in flags.grid)
    if len(axes) < len(flags.grid):
        raise ValueError('A setting has two --grid; give all its values in one.')
    planned = grid.make_runs(
        flags.gin_file, flags.gin_param, axes, flags.seeds, flags.seed_settings
    )
    slots = [jobs.make_slot(kind) for kind in [*flags.slot, *['local'] * local]]
    shared = {
        'flags': {
            '--workdir': workdir if home != workdir else None,  # A local folder may be moved.
            '--gin_file': flags.gin_file,
            '--gin_param': flags.gin_param,
            '--grid': list(axes),
            '--seed_settings': flags.seed_settings,
        },
        'files': folder.hash_files(dict.fromkeys(path for run in planned for path in run.files)),
    }
    runs = _with_earlier(planned, shared, workdir, home)
    waiting = [run for run in runs if run.state == 'waiting']
    if flags.dry_run:
        for index, run in enumerate(waiting):
            print(shlex.join(jobs.command(slots[index % len(slots)], run)))
    if not flags.skip_check and waiting:
        check.check(waiting)
    if flags.dry_run:
        return 0
    with folder.locked(home) as lock:
        return _train(runs, shared, slots, home, lock, flags.retries)


def _with_earlier(planned, shared, workdir, home):
    """Returns the runs of this command and those of earlier ones, with their results."""
    names = {run.name for run in planned}
    earlier = [run for run in folder.read(home, shared) if run.name not in names]
    for run in [*planned, *earlier]:
        run.workdir = f'{workdir}/{run.name}'
        run.result = folder.read_result(run.workdir)
        if run.result is not None:
            run.state = 'finished'
        elif run.name not in names:
            run.state = 'left out'
    return [*planned, *earlier]


def _train(runs, shared, slots, home, lock, retries):
    """Trains the waiting runs and writes the tables; returns the exit status."""
    display = report.Display(sys.stdout)
    save = functools.partial(report.write, home, runs, shared)
    save()
    work = jobs.Jobs(runs, slots, home, lock, retries, display, save)
    work.work()
    display.print('\n' + report.markdown(runs))
    display.print(f'Wrote {home}/table.md and {home}/sweep.json.')
    if work.halted:
        display.print(f'No further run was started: {work.halted}.')
    is_complete = all(run.state in ('finished', 'left out') for run in runs)
    if not is_complete:
        display.print('The same command starts or resumes the unfinished runs.')
    return 128 + work.signals[0] if work.signals else int(not is_complete)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
