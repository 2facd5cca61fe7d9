"""The tables of a sweep: what came of every run, and mean and spread over seeds."""

import csv
import io
import os
import statistics
from collections.abc import Sequence

from sweeping.schedule import Run

_WEIGHTS = ('last', 'best')
_SCORES = ('miou', 'pixel_accuracy')


def score(run: Run, weights: str, name: str) -> float | None:
    """Returns a score of the `last` or `best` weights of a run, in [0, 1]; None if it has none."""
    value = ((run.result or {}).get(weights) or {}).get(name)
    return value if isinstance(value, int | float) else None


def spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Returns mean and sample standard deviation; None for what so few values do not have."""
    mean = statistics.fmean(values) if values else None
    return mean, statistics.stdev(values) if len(values) > 1 else None


def by_configuration(runs: Sequence[Run]) -> list[list[Run]]:
    """Groups runs that differ in the seed alone, in the order of the first of each."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run.planned.values.items()), []).append(run)
    return [sorted(group, key=lambda run: run.planned.seed) for group in groups.values()]


def markdown(runs: Sequence[Run], axes: Sequence[str]) -> str:
    """Lays out the configurations as a Markdown table, scores in percent, and what is missing."""
    heads = [*axes, 'runs', 'mIoU %, last weights', 'mIoU %, best weights']
    rows = []
    for group in by_configuration(runs):
        scores = [
            _percent(*spread(_values(group, weights, 'miou')), len(_values(group, weights, 'miou')))
            for weights in _WEIGHTS
        ]
        values = [f'`{group[0].planned.values[axis]}`'.replace('|', '\\|') for axis in axes]
        rows.append([*values, _states(group), *scores])
    lines = ['| ' + ' | '.join(row) + ' |' for row in [heads, ['---'] * len(heads), *rows]]
    lines += [
        '',
        'Validation mIoU: mean ± sample standard deviation over seeds (n runs that are scored).',
    ]
    missing = [run for run in runs if run.state != 'finished']
    if missing:
        lines += ['', 'Without a result:', '']
        lines += [
            f'- `{run.planned.name}`: {run.state}{": " + run.reason if run.reason else ""}'
            for run in missing
        ]
    return '\n'.join(lines) + '\n'


def configurations_csv(runs: Sequence[Run], axes: Sequence[str]) -> str:
    """Lays out the configurations as CSV, scores in [0, 1]."""
    names = [(weights, name) for weights in _WEIGHTS for name in _SCORES]
    heads = [*axes, 'runs', 'finished']
    heads += [f'{w}_{name}_{what}' for w, name in names for what in ('mean', 'sd', 'n')]
    rows = []
    for group in by_configuration(runs):
        row = [group[0].planned.values[axis] for axis in axes]
        row += [len(group), sum(run.state == 'finished' for run in group)]
        for weights, name in names:
            values = _values(group, weights, name)
            row += [*spread(values), len(values)]
        rows.append(row)
    return _csv([heads, *rows])


def runs_csv(runs: Sequence[Run], axes: Sequence[str]) -> str:
    """Lays out all runs as CSV, scores in [0, 1]."""
    names = [(weights, name) for weights in _WEIGHTS for name in ('step', *_SCORES)]
    heads = ['name', *axes, 'seed', 'state', *(f'{w}_{name}' for w, name in names)]
    rows = [
        [
            run.planned.name,
            *(run.planned.values[axis] for axis in axes),
            run.planned.seed,
            run.state,
            *(score(run, weights, name) for weights, name in names),
            run.reason,
            run.workdir,
        ]
        for group in by_configuration(runs)
        for run in group
    ]
    return _csv([[*heads, 'reason', 'workdir'], *rows])


def write(home: str, runs: Sequence[Run], axes: Sequence[str]) -> None:
    """Writes `table.md`, `table.csv` and `runs.csv` into the folder of a sweep."""
    for name, layout in (
        ('table.md', markdown),
        ('table.csv', configurations_csv),
        ('runs.csv', runs_csv),
    ):
        with open(os.path.join(home, name), 'w', encoding='utf-8', newline='') as file:
            file.write(layout(runs, axes))


def _values(group, weights, name):
    return [value for run in group if (value := score(run, weights, name)) is not None]


def _percent(mean, deviation, count):
    if mean is None:
        return '-'
    around = '' if deviation is None else f' ± {100 * deviation:.2f}'
    return f'{100 * mean:.2f}{around} (n = {count})'


def _states(group):
    states = [run.state for run in group]
    finished = states.count('finished')
    if finished == len(group):
        return str(finished)
    others = [state for state in dict.fromkeys(states) if state != 'finished']
    return f'{finished} of {len(group)} ({", ".join(f"{states.count(s)} {s}" for s in others)})'


def _csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()
