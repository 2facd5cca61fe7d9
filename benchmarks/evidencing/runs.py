"""The runs of the tables: which there are, and which are still to be trained."""

import ast
import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence

from sweeping.grid import Run

from evidencing.row import DATA, Row
from wss.configuration import gin_files
from wss.datasets.files import whole
from wss.runs import configuration
from wss.runs import folder as run_folder

RESULT_FILE = 'result.json'  # What `wss.train` writes at its end, with the score on `val`.
SCORE_FILE = 'evaluation-last-test.json'  # What `wss.evaluate` writes.
_ROW_FILE = 'row.json'
_THREADS = ('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS', 'OMP_NUM_THREADS')
# A signal reaches the program that runs; the shell waits until it has saved and ended.
_TRAIN = 'trap : INT TERM HUP; python=$1; shift; "$python" -m wss.train "$@"'
_SCORE = ' && "$python" -m wss.evaluate --workdir "$2" --checkpoint last --split test'


@dataclasses.dataclass
class Training(Run):
    """One run of a row.

    Attributes:
        settings: Its settings that decide what it learns.
    """

    settings: dict[str, str] = dataclasses.field(default_factory=dict)


def command(python: str, trials: bool = False) -> list[str]:
    """Returns the words of a command that trains with one thread and scores once on `test`.

    `{flags}` stands for the flags of `wss.train`, of which the first is --workdir. Trials are not
    scored on `test`; training ends with a score on `val`.
    """
    threads = [f'{name}=1' for name in _THREADS]
    line = _TRAIN if trials else _TRAIN + _SCORE
    return ['env', *threads, 'sh', '-c', line, 'sh', python, '{flags}']


def read_settings(files: Sequence[str], params: Sequence[str]) -> dict[str, str]:
    """Returns the settings of gin files and lines that decide what a run learns, by name.

    Raises:
        ValueError: If they cannot be read.
        FileNotFoundError: If a file is missing.
    """
    gin_files.parse(files, params)
    given = gin_files.given()
    return _deciding(configuration.settings(given.text), given.may_change)


def _deciding(settings, may_change=()):
    """Leaves out what a resumed run may change, and the places of lists and weights."""
    found = {n: value for n, value in settings.items() if n not in may_change}
    for name, value in settings.items():
        if name.endswith('Labelled.list_file'):
            found[name] = pathlib.PurePath(ast.literal_eval(value)).name
        elif name.endswith('load_backbone.weights'):
            del found[name]
    return found


def plan(
    chosen: Sequence[Row],
    home: str,
    seeds: int | None = None,
    steps: int | None = None,
    data: str = DATA,
    weights: str | None = None,
) -> list[Training]:
    """Returns the runs of some rows, the first seed of all main rows first.

    A run whose row cannot be read is `failed`, one whose folder holds a run of other settings
    `refused`, with the reason; one that is scored is `finished`, all others are `waiting`.

    Args:
        chosen: The rows.
        home: Folder of the runs.
        seeds: How many seeds every row has; None for as many as the rows say.
        steps: Steps of the recipe; None for those of the gin files.
        data: Folder of the data.
        weights: File of ImageNet weights of the backbone; None for the download.
    """
    found = []
    for row in chosen:
        for seed in range(seeds or row.seeds):
            found.append(planned(row, seed, home, steps, data, weights))
    is_main = {row.name: row.table == 'main' for row in chosen}
    return sorted(found, key=lambda run: (not is_main[run.values['row']], run.seed))


def planned(
    row: Row,
    seed: int,
    home: str,
    steps: int | None = None,
    data: str = DATA,
    weights: str | None = None,
) -> Training:
    """Returns one run in the state that its folder shows; see `plan`."""
    name = f'{row.name}/seed_{seed}'
    run = Training(name, {'row': row.name}, seed, row.files(), workdir=f'{home}/{name}')
    try:
        run.settings = wanted(row, seed, steps)
    except (ValueError, OSError) as error:
        run.state, run.reason = 'failed', str(error)
        return run
    lines = row.settings(seed, data, weights)
    run.params = (*lines, f'Schedule.steps = {_steps(run.settings)}')
    difference = _difference(run.workdir, run.settings)
    if difference:
        run.state, run.reason = 'refused', difference
    elif os.path.exists(os.path.join(run.workdir, RESULT_FILE if row.is_trial else SCORE_FILE)):
        run.state = 'finished'
    return run


def wanted(row: Row, seed: int, steps: int | None = None) -> dict[str, str]:
    """Returns the settings of a run that decide what it learns; see `plan`."""
    lines = row.settings(seed)
    steps = steps or _steps(read_settings(row.files(), lines))
    return read_settings(row.files(), [*lines, f'Schedule.steps = {row.steps_for(steps)}'])


def _steps(settings):
    return next(int(value) for name, value in settings.items() if configuration.is_steps(name))


def _difference(workdir, wanted):
    """Describes how the run in a folder differs from what is wanted; '' if it does not."""
    if not run_folder.holds_checkpoints(workdir):  # Nothing is trained yet.
        return ''
    try:
        noted = json.loads(pathlib.Path(workdir, _ROW_FILE).read_text('utf-8'))
        # A gin file may have changed between the plan and the start of the run.
        text = pathlib.Path(workdir, run_folder.CONFIG_FILE).read_text('utf-8')
    except (OSError, ValueError) as error:
        return f'{workdir} cannot be read ({error}); delete it to train this run again'
    trained = _deciding(configuration.settings(text))
    there = noted | {n: value for n, value in trained.items() if n in noted or n in wanted}
    names = [n for n in {**there, **wanted} if there.get(n) != wanted.get(n)]
    if not names:
        return ''
    unset = 'not set'
    first = '; '.join(
        f'{n} was {there.get(n, unset)} and is {wanted.get(n, unset)}' for n in names[:3]
    )
    more = f'; and {len(names) - 3} more' if len(names) > 3 else ''
    return (
        f'{workdir} holds a run of other settings: {first}{more}. Give another --workdir, the '
        'settings of that run, or delete its folder'
    )


def note(run: Training) -> None:
    """Writes the settings of a run into its folder, before it starts."""
    os.makedirs(run.workdir, exist_ok=True)
    whole.write_json(os.path.join(run.workdir, _ROW_FILE), run.settings)
