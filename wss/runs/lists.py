"""Which images a run learns from: recorded beside its checkpoints, compared when it resumes."""

import os

import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import official as official_lists
from wss.datasets.lists.selection import Choice
from wss.runs import folder as run_folder

RECORD_FILE = 'lists.json'


def describe(choice: Choice, ids, held_out=None) -> dict:
    """Describes where the ids of a stream come from, for `lists.json`.

    Args:
        choice: How they were chosen.
        ids: The ids, in order.
        held_out: How many images of validation and test splits were left out, by split; None if
            that was not looked for.

    Returns:
        `split`; `list` (None or `path`, `sha256` of the file, and `official`, the name and the
        address of the published list that it is a copy of, or None); `sample` (None or `amount`,
        `seed` and `every_class`); `count` of the ids and `sha256` of the file with them in the
        folder of the run. Also `held_out`, unless it is None.
    """
    source = sample = None
    if choice.list_file is not None:
        sha256 = whole.sha256(whole.read(whole.expanded(choice.list_file)))
        name = official_lists.name_of(sha256)
        official = name and {'name': name, 'url': official_lists.LISTS[name].url}
        source = {'path': str(choice.list_file), 'sha256': sha256, 'official': official}
    if choice.amount is not None:
        sample = {
            'amount': choice.amount,
            'seed': choice.seed,
            'every_class': choice.every_class,
        }
    described = {
        'split': choice.split,
        'list': source,
        'sample': sample,
        'count': len(ids),
        'sha256': whole.sha256(id_lists.content(ids)),
    }
    return described if held_out is None else {**described, 'held_out': dict(held_out)}


def fingerprints(streams: dict) -> dict[str, str]:
    """Returns what tells whether two workers have the same images, for `workers.compare`.

    Args:
        streams: From `labelled`, `unlabelled` and `validation` to what `describe` takes.
    """
    return {
        f'the list of {stream} images': (
            f'{len(ids)} ids with SHA-256 {whole.sha256(id_lists.content(ids))[:12]}'
        )
        for stream, (_, ids, *_) in streams.items()
    }


def check(workdir: str | os.PathLike, streams: dict) -> None:
    """Refuses a folder whose checkpoints come from other images. Changes nothing.

    Args:
        workdir: Folder of the run; need not exist.
        streams: From `labelled`, `unlabelled` and `validation` to what `describe` takes.

    Raises:
        ValueError: If the folder holds checkpoints of a run that learned from other ids, or in
            another order; or its record is damaged.
    """
    if not run_folder.holds_checkpoints(workdir):
        return
    recorded = _recorded(workdir)
    for stream, (choice, ids, *_) in streams.items():
        path = _ids_file(workdir, stream)
        before = recorded.get(stream, {}).get('sha256')
        if before is None and tf.io.gfile.exists(path):  # The record is missing.
            before = whole.sha256(whole.read(path))
        if before not in (None, whole.sha256(id_lists.content(ids))):
            place = choice.list_file or f'split {choice.split!r}'
            raise ValueError(
                f'{workdir} holds a run of other {stream} images than {place} gives now'
                f'{_difference(path, ids)}. Give another --workdir, or restore the list to resume '
                'that run.'
            )


def write(workdir: str | os.PathLike, streams: dict) -> None:
    """Writes the ids of each stream (`labelled.txt`) and where they come from (`lists.json`).

    Args:
        workdir: Folder of the run.
        streams: From `labelled`, `unlabelled` and `validation` to what `describe` takes.
    """
    for stream, (_, ids, *_) in streams.items():
        id_lists.write_ids(_ids_file(workdir, stream), ids)
    record = {stream: describe(*chosen) for stream, chosen in streams.items()}
    whole.write_json(os.path.join(workdir, RECORD_FILE), record)


def _recorded(workdir):
    path = os.path.join(workdir, RECORD_FILE)
    if not tf.io.gfile.exists(path):
        return {}
    advice = 'restore it, or give another --workdir'
    recorded = whole.load_json(path, advice)
    try:
        if all(isinstance(stream['sha256'], str) for stream in recorded.values()):
            return recorded
    except (AttributeError, TypeError, KeyError):
        pass
    raise whole.damaged(path, 'it does not hold the sha256 of each list', advice)


def _difference(path, ids):
    """Describes how ids differ from those of a run; '' if its file of them is missing."""
    try:
        before = id_lists.read_ids(path)
    except (FileNotFoundError, ValueError):
        return ''
    new, missing = sorted(set(ids) - set(before)), sorted(set(before) - set(ids))
    if not new and not missing:
        return ' (the same in another order)'
    first = f', such as {(new or missing)[0]}'
    return f' ({len(new)} ids are new and {len(missing)} are missing{first})'


def _ids_file(workdir, stream):
    return os.path.join(workdir, f'{stream}.txt')
