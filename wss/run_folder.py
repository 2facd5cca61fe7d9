"""The folder of a run: its configuration, and what prediction must know of the dataset."""

import dataclasses
import json
import os
import re

import tensorflow as tf

from wss.datasets.info import DatasetInfo

CONFIG_FILE = 'config.gin'
CHECKPOINTS = 'checkpoints'
_DATASET_FILE = 'dataset.json'
# Settings that may change when a run goes on: they do not touch the weights.
_FREE = (
    'official_lists.find.folder',
    'official_lists.find.cache_dir',
    'Prepared.data_dir',
    'input_workers',
    'steps_per_execution',
    'jit_compile',
    'log_every',
    'picture_every',
    'checkpoint_every',
    'evaluate_every',
    'evaluation_batch_size',
)


def read_json(path: str | os.PathLike):
    """Reads what `write_json` wrote; None if there is nothing, or nothing that can be read."""
    try:
        return json.loads(_read(path))
    except (tf.errors.OpError, ValueError):
        return None


def write_json(path: str | os.PathLike, value) -> None:
    """Writes a value as JSON, local or `gs://`, for people and programs."""
    _write(path, json.dumps(value, indent=2) + '\n')


def write_description(workdir, info: DatasetInfo, evaluation_size: tuple[int, int]) -> None:
    """Writes what prediction must know of the dataset to `dataset.json`.

    Args:
        workdir: Folder of the run.
        info: The classes.
        evaluation_size: Height and width to which images are padded for evaluation.
    """
    description = {**dataclasses.asdict(info), 'evaluation_size': evaluation_size}
    write_json(os.path.join(workdir, _DATASET_FILE), description)


def read_description(workdir) -> tuple[DatasetInfo, tuple[int, int]]:
    """Reads what `write_description` wrote.

    Raises:
        FileNotFoundError: If the folder is not that of a run.
        ValueError: If the file is damaged.
    """
    path = os.path.join(workdir, _DATASET_FILE)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no {_DATASET_FILE}.')
    try:
        return _description(json.loads(_read(path)))
    except ValueError as error:
        reason = str(error).rstrip('.')
        raise ValueError(
            f'{path} is damaged: {reason}; restore it, or give the folder of another run.'
        ) from error


def _description(content) -> tuple[DatasetInfo, tuple[int, int]]:
    """Turns the content of `dataset.json` into what `read_description` returns; or ValueError."""

    def whole(value, low, high):
        return type(value) is int and low <= value <= high

    def sequence(value, fits, length=None):
        return (
            isinstance(value, list)
            and len(value) == (length or len(value))
            and all(map(fits, value))
        )

    def colour(value):
        return sequence(value, lambda v: whole(v, 0, 255), 3)

    rules = {
        'name': lambda value: isinstance(value, str),
        'class_names': lambda value: sequence(value, lambda v: isinstance(v, str)),
        'colours': lambda value: sequence(value, colour),
        'has_background': lambda value: isinstance(value, bool),
        'ignore_value': lambda value: whole(value, 0, 255),
        'evaluation_size': lambda value: sequence(value, lambda v: whole(v, 1, 10**6), 2),
    }
    if not isinstance(content, dict) or set(content) != set(rules):
        raise ValueError(f'it must hold {", ".join(rules)} and nothing else')
    for name, fits in rules.items():
        if not fits(content[name]):
            raise ValueError(f'{name} is {content[name]!r}')
    size = tuple(content.pop('evaluation_size'))
    content['class_names'] = tuple(content['class_names'])
    content['colours'] = tuple(map(tuple, content['colours']))
    return DatasetInfo(**content), size


def check(workdir: str | os.PathLike, config_text: str) -> None:
    """Refuses a folder whose checkpoints come from another configuration. Changes nothing.

    Args:
        workdir: Folder of the run, there or not.
        config_text: The configuration, lines of `name = value`; may be empty.

    Raises:
        ValueError: If the folder holds a run of another configuration, or is a file.
    """
    if not str(workdir):
        raise ValueError('The workdir is empty; name a folder.')
    if tf.io.gfile.exists(workdir) and not tf.io.gfile.isdir(workdir):
        raise ValueError(f'The workdir {workdir} is a file; name a folder.')
    path = os.path.join(workdir, CONFIG_FILE)
    if not tf.io.gfile.exists(path) or not holds_checkpoints(workdir):
        return
    try:
        there = bindings(_read(path))
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is damaged: it is not UTF-8 text; restore it, or give another --workdir.'
        ) from error
    differences = _differences(there, bindings(config_text))
    if differences:
        raise ValueError(
            f'{workdir} holds a run of another configuration: {"; ".join(differences)}. '
            'Give another --workdir, or the settings of that run to go on with it.'
        )


def holds_checkpoints(workdir: str | os.PathLike) -> bool:
    """Whether a folder is that of a run that began to train."""
    return tf.io.gfile.exists(os.path.join(workdir, CHECKPOINTS))


def claim(workdir: str | os.PathLike, config_text: str) -> None:
    """Makes the folder of a run and writes its configuration to `config.gin`."""
    try:
        tf.io.gfile.makedirs(workdir)
        _write(os.path.join(workdir, CONFIG_FILE), config_text)
    except tf.errors.OpError as error:
        raise OSError(f'The workdir {workdir} cannot be written: {error.message}') from error


def _read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def _write(path, text):
    """Writes a file whole or not at all, so that one that was there survives a failure."""
    part = f'{path}.part'
    with tf.io.gfile.GFile(part, 'w') as file:
        file.write(text)
    tf.io.gfile.rename(part, path, overwrite=True)


def bindings(config_text: str) -> dict[str, str]:
    """Returns `{name: value}` of a configuration, values over several lines joined."""
    joined = re.sub(r'\\\n\s*|\n[ \t]+', ' ', config_text)
    lines = [line for line in joined.splitlines() if ' = ' in line and not line.startswith('#')]
    return {name.strip(): value.strip() for name, value in (line.split(' = ', 1) for line in lines)}


def _differences(there, here):
    """Lists up to five settings that differ, as readers of an error want them."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    names = [name for name in names if not name.endswith(_FREE)]
    unset = 'not set'
    shown = [f'{n} is {there.get(n, unset)} there and {here.get(n, unset)} here' for n in names[:5]]
    return [*shown, f'and {len(names) - 5} more'] if len(names) > 5 else shown
