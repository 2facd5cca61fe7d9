"""Trains and scores every run of the tables of docs/evidence.md, and writes the tables.

    python benchmarks/evidence.py --workdir runs/evidence --data data/voc_small --jobs 2

The same command resumes what was interrupted and starts what is missing. Each run is a process of
its own with one thread, set by the variables TF_NUM_INTRAOP_THREADS, TF_NUM_INTEROP_THREADS and
OMP_NUM_THREADS. At its end its last weights are scored once on the split `test`. With --trials it
trains the trials instead, by which settings are chosen: they are scored on `val` alone. What is
trained is in rows.py and rivals.py of benchmarks/evidencing. A run whose settings have changed
since is refused. A run of which --scores has the scores, by the same settings, is not trained
again; delete its entry there if it should be.
"""

import argparse
import functools
import os
import pathlib
import shlex
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'launch')]  # The package of this checkout.

from evidencing import kept, page, row, rows, runs, scored  # noqa: E402
from sweeping import folder, jobs, report  # noqa: E402


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(f'{message[:1].upper()}{message[1:]}; --help lists the flags.')


def _flags(arguments):
    parser = _Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add, path = parser.add_argument, os.path.expanduser
    add('--workdir', type=path, required=True, help='folder of the runs and the tables')
    add('--data', type=path, default=row.DATA, help=f'folder of the data (default: {row.DATA})')
    add('--weights', type=path, help='.h5 file of ImageNet weights (default: a download)')
    add('--only', type=lambda text: text.split(','), help='names of rows, divided by commas')
    add('--trials', action='store_true', help='train the trials, which are scored on val alone')
    add('--seeds', type=int, help='seeds of every row (default: 3 of main rows, 1 of others)')
    add('--jobs', type=int, default=1, help='runs at a time (default: 1)')
    add('--steps', type=int, help='steps of the recipe (default: those of the gin files)')
    add('--retries', type=int, default=5, help='how often an interrupted run is resumed')
    add('--tables', action='store_true', help='write the tables of what is there; train nothing')
    add('--scores', type=path, help='a file that keeps scores without the folders of their runs')
    add('--page', type=path, action='append', help='a page whose places for tables are filled')
    add('--figures', type=path, help='a folder for the figures of the page, docs')
    add('--dry_run', action='store_true', help='print what would be trained, and stop')
    flags = parser.parse_args(arguments)
    if not 1 <= (flags.seeds or 1) <= row.MOST_SEEDS:
        raise ValueError(f'--seeds is {flags.seeds}; it must be 1 to {row.MOST_SEEDS}.')
    if flags.jobs < 1:
        raise ValueError(f'--jobs is {flags.jobs}; it must be 1 or more.')
    if flags.steps is not None and flags.steps < 1:
        raise ValueError(f'--steps is {flags.steps}; it must be 1 or more.')
    return flags


def main(arguments: list[str]) -> int:
    """Trains what is missing; returns the exit status: 0 if no run is missing."""
    report.show_any_name()
    try:
        return _work(_flags(arguments))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130


def _work(flags):
    home = flags.workdir.rstrip('/')
    if flags.tables:
        _write(home, flags)
        return 0
    planned = runs.plan(
        rows.choose(flags.only, flags.trials),
        home,
        flags.seeds,
        flags.steps,
        flags.data,
        flags.weights,
    )
    earlier = kept.read(flags.scores)
    for run in planned:
        if run.state == 'waiting' and kept.has(earlier, run, flags.trials):
            run.state = 'finished'
    waiting = [run for run in planned if run.state == 'waiting']
    for line in dict.fromkeys(
        f'{run.name}: {run.reason.rstrip(".")}.' for run in planned if run.reason
    ):
        print(line, file=sys.stderr)
    words = runs.command(sys.executable, flags.trials)
    slots = [jobs.Slot('local', words) for _ in range(flags.jobs)]
    if flags.dry_run:
        for run in waiting:
            print(shlex.join(jobs.command(slots[0], run)))
        return 0
    if waiting:
        _check_places(flags)
    with folder.locked(home) as lock:
        status = _train(planned, slots, home, lock, flags)
    _write(home, flags)
    return status


def _check_places(flags):
    """Refuses places that are missing, in which every run would fail."""
    if not os.path.isdir(flags.data):
        raise ValueError(f'--data is {flags.data}, which is no folder.')
    if flags.weights is not None and not os.path.isfile(flags.weights):
        raise ValueError(f'--weights is {flags.weights}, which is no file.')


def _train(planned, slots, home, lock, flags):
    for run in planned:
        if run.state == 'waiting':
            runs.note(run)
    display = report.Display(sys.stdout)
    work = jobs.Jobs(
        planned,
        slots,
        home,
        lock,
        flags.retries,
        display,
        save=functools.partial(_write_in_between, home, flags),
        halts_early=False,
    )
    work.work()
    missing = [run for run in planned if run.state != 'finished']
    display.print(f'{len(planned) - len(missing)} of {len(planned)} runs are finished and scored.')
    for run in missing:
        display.print(f'{run.name}: {run.state}{report.outcome(run)}')
    return 128 + work.signals[0] if work.signals else int(bool(missing))


def _write_in_between(home, flags):
    """Writes the tables while runs are at work, which do not end with an error of a table."""
    try:
        _write(home, flags, is_shown=False)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr, flush=True)


def _write(home, flags, is_shown=True):
    """Writes the tables of what is there."""
    earlier = kept.read(flags.scores)
    trained = scored.read(home, flags.steps)
    if flags.scores is not None:
        kept.write(flags.scores, earlier, trained, flags.steps)
    found = kept.merge(earlier, trained, home, flags.steps)
    page.write_tables(home, found)
    if flags.page:
        page.fill_pages(flags.page, page.parts(found))
    if is_shown:
        places = [f'{home}/tables.md', f'{home}/scores.json']
        places += filter(None, [flags.scores, *(flags.page or ())])
        if flags.figures is not None:
            from evidencing import figures  # Builds networks.

            places += figures.draw(home, flags.figures)
        print(f'Wrote {", ".join(places)}.')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
