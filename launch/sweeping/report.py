"""What a sweep reports: lines while it works, and tables of the scores."""

import collections
import json
import math
import os
import shutil
import statistics
import sys
from collections.abc import Sequence

from sweeping.folder import SCORES
from sweeping.grid import Run

PROGRESS = ('step', 'steps', 'seconds_per_step', 'seconds_left')  # Of `progress.json`.
_WEIGHTS = ('last', 'best')


def show_any_name() -> None:
    """Makes output that the console cannot encode appear escaped, where it would end the sweep."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


class Display:
    """Prints what happens and, on a terminal, keeps a line below it about the runs at work."""

    def __init__(self, stream):
        self.stream = stream
        self.erase = '\r\x1b[K' if stream.isatty() and os.environ.get('TERM') != 'dumb' else ''

    def print(self, text: str) -> None:
        """Prints a line that stays."""
        print(f'{self.erase}{text}', file=self.stream, flush=True)

    def event(self, runs: Sequence[Run], run: Run, text: str) -> None:
        """Prints what happened to a run, and how many have ended."""
        ended = sum(other.state not in ('waiting', 'running') for other in runs)
        self.print(f'[{ended}/{len(runs)}] {run.name}: {text}')

    def show(self, runs: Sequence[Run], slots: int) -> None:
        """Draws the line again."""
        if self.erase:
            line = status_line(runs, slots)[: shutil.get_terminal_size().columns - 1]
            print(f'{self.erase}{line}', end='', file=self.stream, flush=True)


def status_line(runs: Sequence[Run], slots: int) -> str:
    """Returns how many runs have finished, the time left, and how far the runs at work are."""
    running = [run for run in runs if run.state == 'running']
    finished = sum(run.state == 'finished' for run in runs)
    parts = [f'{finished} of {len(runs)} finished']
    known = [run.progress for run in running if run.progress.get('seconds_left') is not None]
    if known:
        each = statistics.fmean(one['steps'] * one['seconds_per_step'] for one in known)
        rounds = math.ceil(sum(run.state == 'waiting' for run in runs) / slots)
        left = max(one['seconds_left'] for one in known) + rounds * each
        parts.append(f'about {clock(left)} left')
    for run in running:
        step = '{step}/{steps}'.format(**run.progress) if run.progress else 'starting'
        parts.append(f'{run.name} {step}')
    return '  '.join(parts)


def clock(seconds: float) -> str:
    """Returns a duration like 0:09 or 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


def last_line(log: str) -> str:
    """Returns the last line of a log that is not empty."""
    with open(log, 'rb') as file:
        file.seek(max(os.path.getsize(log) - 10_000, 0))
        lines = file.read().decode('utf-8', 'replace').split('\n')
    return next(line.split('\r')[-1].strip() for line in reversed(lines) if line.strip())


def outcome(run: Run) -> str:
    """Returns the score of a run, or why it has none, to follow its state."""
    if run.reason:
        return f': {run.reason}'
    score = _score(run, 'last', 'miou')
    return '' if score is None else f': mIoU {100 * score:.2f} %'


def configurations(runs: Sequence[Run]) -> list[dict]:
    """Groups runs that differ in the seed alone.

    Returns:
        For each configuration its `values`; `runs`, how many it has by state; and for `last` and
        `best` weights, by name of the score, `n`, `mean` and `sd` (sample standard deviation; None
        for what so few runs do not have), scores in [0, 1].
    """
    groups = collections.defaultdict(list)
    for run in runs:
        groups[tuple(run.values.items())].append(run)
    found = []
    for values, group in groups.items():
        states = dict(collections.Counter(run.state for run in group))
        found.append({'values': dict(values), 'runs': states})
        for weights in _WEIGHTS:
            scores = {name: [_score(run, weights, name) for run in group] for name in SCORES}
            found[-1][weights] = {name: _spread(values) for name, values in scores.items()}
    return found


def _score(run, weights, name):
    return ((run.result or {}).get(weights) or {}).get(name)


def _spread(scores):
    scores = [score for score in scores if score is not None]
    return {
        'n': len(scores),
        'mean': statistics.fmean(scores) if scores else None,
        'sd': statistics.stdev(scores) if len(scores) > 1 else None,
    }


def markdown(runs: Sequence[Run]) -> str:
    """Lays out the configurations as a Markdown table, scores in percent, and what is missing."""
    found = configurations(runs)
    heads = [*found[0]['values'], 'runs', *(f'mIoU %, {weights} weights' for weights in _WEIGHTS)]
    rows = [heads, ['---'] * len(heads)]
    for one in found:
        total, finished = sum(one['runs'].values()), one['runs'].get('finished', 0)
        count = str(total) if total == finished else f'{finished} of {total}'
        values = [f'`{value}`'.replace('|', '\\|') for value in one['values'].values()]
        rows.append([*values, count, *(_percent(**one[weights]['miou']) for weights in _WEIGHTS)])
    lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
    lines += ['', 'Validation mIoU: mean ± sample standard deviation over seeds (n scored runs).']
    missing = [run for run in runs if run.state != 'finished']
    lines += ['', 'Without a result:', ''] if missing else []
    lines += [f'- `{run.name}`: {run.state}{outcome(run)}' for run in missing]
    return '\n'.join(lines) + '\n'


def _percent(n, mean, sd):
    around = '' if sd is None else f' ± {100 * sd:.2f}'
    return f'{100 * mean:.2f}{around} (n = {n})' if n else '-'


def write(home: str, runs: Sequence[Run], shared: dict) -> None:
    """Writes `table.md` and `sweep.json`, each as a whole or not at all.

    Args:
        home: The folder of the sweep.
        runs: Its runs.
        shared: What they have in common.
    """
    keys = ('name', 'values', 'seed', 'workdir', 'state', 'reason', 'result')
    described = [{key: getattr(run, key) for key in keys} for run in runs]
    content = {'shared': shared, 'configurations': configurations(runs), 'runs': described}
    texts = {'table.md': markdown(runs), 'sweep.json': json.dumps(content, indent=1) + '\n'}
    for name, text in texts.items():
        path = os.path.join(home, name)
        with open(f'{path}.part', 'w', encoding='utf-8') as file:
            file.write(text)
        os.replace(f'{path}.part', path)
