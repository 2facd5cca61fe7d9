"""Scores runs, writes the scores into their folders, and compares them."""

import os
from collections.abc import Callable, Sequence

from wss.datasets.files import whole
from wss.inference import evaluation
from wss.inference.averaging import Averaging
from wss.results import by_image, scores


def report(workdir: str, found: dict, averaging: Averaging) -> str:
    """Prints the scores of a run and writes them into its folder.

    Args:
        workdir: Folder of the run.
        found: From `Experiment.evaluate`.
        averaging: What was averaged.

    Returns:
        The path of the file without `.json`.
    """
    weights = f'{found["checkpoint"]} weights (step {found["step"]}) of {workdir}'
    print(f'Split {found["split"]}, {weights}:\n{scores.table(found)}')
    copies = '' if averaging.is_plain else f'-{averaging}'
    name = f'evaluation-{found["checkpoint"]}-{found["split"]}{copies}'
    path = os.path.join(workdir, name)
    whole.write_json(f'{path}.json', found)
    return path


def by_image_of(
    runs: Sequence[str],
    evaluate_images: Callable[[str], evaluation.Evaluation],
    averaging: Averaging,
    details: bool,
) -> None:
    """Scores runs image by image, and compares each with the first.

    Args:
        runs: Folders of the runs.
        evaluate_images: Scores the run in a folder (`Experiment.evaluate_images`).
        averaging: What is averaged.
        details: Whether `Evaluation.write` is called for each.

    Raises:
        ValueError: If runs have other classes, images or masks than the first.
    """
    first = None
    for workdir in runs:
        found = evaluate_images(workdir)
        path = report(workdir, found.scores, averaging)
        if details:
            found.write(path)
            print(f'Details: {path}')
        if first is not None:
            _compare(runs[0], first, workdir, found, path)
        first = first or found


def _compare(first_workdir, first, workdir, found, path):
    """Prints and writes the comparison of a run with the first."""
    compared = evaluation.compare(first, found)
    print(f'First: {first_workdir}; second: {workdir}\n{by_image.table(compared)}')
    what = {
        name: {'workdir': place, **{key: one.scores[key] for key in ('checkpoint', 'step')}}
        for name, place, one in (('first', first_workdir, first), ('second', workdir, found))
    }
    # Runs of a sweep are called after their seeds, in folders called after their settings.
    parts = [part for part in first_workdir.split('/') if part not in ('', '.', '..')]
    against = '_'.join(parts[-2:])
    whole.write_json(f'{path}-against-{against}.json', {**what, **compared})
