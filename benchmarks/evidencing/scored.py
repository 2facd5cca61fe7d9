"""What the runs of a folder scored and cost."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence

from evidencing import quality, rows, runs
from evidencing.row import MOST_SEEDS, Row


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores and cost of one run.

    Attributes:
        val: mIoU of the last weights on the validation split, in 0..1.
        test: The same on the test split; None for a trial, which is not scored there.
        steps: Steps that it was trained for.
        cpu_minutes: CPU time of training; None if a process of it was killed.
        step_seconds: Mean time of a step.
        git: Commit of the code, with a `+` if files differed.
        quality: What `quality.read` returned.
    """

    val: float
    test: float | None
    steps: int
    cpu_minutes: float | None = None
    step_seconds: float | None = None
    git: str | None = None
    quality: dict[str, float] | None = None


def read(
    home: str | os.PathLike, steps: int | None = None, chosen: Sequence[Row] = rows.ROWS
) -> dict[str, dict[int, Scored]]:
    """Reads all runs of a folder that are scored and have the settings of their rows.

    Args:
        home: Folder of the runs.
        steps: Steps of the recipe; None for those of the gin files.
        chosen: The rows.

    Returns:
        By name of the row and seed; {} for a row of which there is no run.
    """
    found = {}
    for row in chosen:
        seeds = [s for s in range(MOST_SEEDS) if os.path.isdir(f'{home}/{row.name}/seed_{s}')]
        planned = [runs.planned(row, seed, str(home), steps) for seed in seeds]
        found[row.name] = {
            run.seed: read_run(run.workdir, row.is_trial)
            for run in planned
            if run.state == 'finished'
        }
    return found


def read_run(workdir: str | os.PathLike, is_trial: bool = False) -> Scored:
    """Reads one finished run.

    Args:
        workdir: Its folder.
        is_trial: Whether it has no score on the test split.

    Raises:
        ValueError: If a file is missing or damaged.
    """

    def content(name):
        path = pathlib.Path(workdir, name)
        try:
            return json.loads(path.read_text('utf-8'))
        except (OSError, ValueError) as error:
            raise ValueError(
                f'{path} is missing or damaged; delete the folder to train this run again.'
            ) from error

    test = None if is_trial else content(runs.SCORE_FILE)['miou']
    result, record = content(runs.RESULT_FILE), content('run.json')
    cpu = [session.get('cpu_seconds') for session in record['sessions']]
    return Scored(
        val=result['last']['miou'],
        test=test,
        steps=result['steps'],
        cpu_minutes=None if None in cpu else sum(cpu) / 60,
        step_seconds=content('progress.json')['seconds_per_step'],
        git=record['git'],
        quality=quality.read(workdir, result),
    )
