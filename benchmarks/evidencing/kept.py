"""Scores that outlive the folders of their runs, in a file that can be under version control."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping

from evidencing import quality, rows, runs
from evidencing.scored import Scored
from wss.datasets.files import whole

# By name of the row and seed, as text: the fields of `Scored`, and `settings`, a digest.
Kept = dict[str, dict[str, dict]]


def digest(settings: Mapping[str, str]) -> str:
    """Returns 16 hexadecimal digits that stand for the settings of a run."""
    text = json.dumps(dict(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(path: str | os.PathLike | None) -> Kept:
    """Reads such a file; {} for None or a file that is not there yet.

    Raises:
        ValueError: If it is damaged.
    """
    if path is None or not os.path.exists(path):
        return {}
    fields = {field.name for field in dataclasses.fields(Scored)} | {'settings'}
    needed = fields - {'quality'}  # Older files lack it.
    try:
        content = json.loads(pathlib.Path(path).read_text('utf-8'))
        for seeds in content.values():
            for seed, one in seeds.items():
                int(seed)
                if not needed <= set(one) <= fields:
                    raise ValueError(f'seed {seed} has {", ".join(sorted(one))}')
                if one.get('quality') is not None and set(one['quality']) != set(quality.NAMES):
                    raise ValueError(f'the quality of seed {seed} is incomplete')
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f'--scores {path} is damaged ({error}); restore or delete it.') from error
    return content


def has(kept: Kept, run: runs.Training, is_trial: bool = False) -> bool:
    """Whether the scores of a run are kept, with the settings that it has now.

    A trial has none on the test split. If it has become a row of a table since, they are missing.
    """
    one = kept.get(run.values['row'], {}).get(str(run.seed))
    if one is None or one['settings'] != digest(run.settings):
        return False
    return is_trial or one['test'] is not None


def merge(
    kept: Kept, found: Mapping[str, Mapping[int, Scored]], home: str, steps: int | None = None
) -> dict[str, dict[int, Scored]]:
    """Adds kept scores of the settings of today to those of the runs of a folder, which win.

    Args:
        kept: What `read` returned.
        found: What `scored.read` returned.
        home: Folder of the runs.
        steps: Steps of the recipe; None for those of the gin files.
    """
    merged = {name: dict(scores) for name, scores in found.items()}
    for row in rows.ROWS:
        for seed, one in kept.get(row.name, {}).items():
            if int(seed) in merged[row.name]:
                continue
            if has(kept, runs.planned(row, int(seed), home, steps), row.is_trial):
                fields = {name: value for name, value in one.items() if name != 'settings'}
                merged[row.name][int(seed)] = Scored(**fields)
    return merged


def write(
    path: str | os.PathLike,
    kept: Kept,
    found: Mapping[str, Mapping[int, Scored]],
    steps: int | None = None,
) -> None:
    """Adds what `scored.read` found; what is kept stays until a run replaces it."""
    content = {name: dict(seeds) for name, seeds in kept.items()}
    for row in rows.ROWS:
        for seed, one in found.get(row.name, {}).items():
            fields = {'settings': digest(runs.wanted(row, seed, steps)), **dataclasses.asdict(one)}
            before = content.get(row.name, {}).get(str(seed), {})
            if one.quality is None and before.get('settings') == fields['settings']:
                fields['quality'] = before.get('quality')  # Its events may be deleted by now.
            content.setdefault(row.name, {})[str(seed)] = fields
    whole.write_json(path, {name: dict(sorted(content[name].items())) for name in sorted(content)})
