"""The classes of a prepared dataset, in the file `classes.json` beside its records."""

import dataclasses
import os

import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.info import DatasetInfo, parse_info

_FILE = 'classes.json'


def write(folder: str, info: DatasetInfo) -> None:
    """Writes the classes to the folder of a build."""
    whole.write_json(os.path.join(folder, _FILE), dataclasses.asdict(info))


def read(folder: str) -> DatasetInfo | None:
    """Returns the classes of a build, None if it has no `classes.json`.

    Raises:
        ValueError: If the file is damaged.
    """
    path = os.path.join(folder, _FILE)
    if not tf.io.gfile.exists(path):
        return None
    advice = 'delete the file and run wss.prepare again, which writes it'
    content = whole.load_json(path, advice)
    try:
        return parse_info(content)
    except ValueError as error:
        raise whole.damaged(path, error, advice) from error
