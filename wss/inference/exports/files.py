"""Puts the files of an export in their place, all or none."""

import os
from collections.abc import Mapping

import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.files.reasons import reason

_NEW = '.new'


def check_place(out: str) -> None:
    """Refuses a folder that cannot be written.

    Raises:
        ValueError: If it is a file.
        OSError: If it, or the first folder above it that exists, cannot be written.
    """
    if tf.io.gfile.exists(out) and not tf.io.gfile.isdir(out):
        raise ValueError(f'--out is {out}, which is a file; give a folder.')
    if '://' in out:
        return
    above = os.path.abspath(out)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
        raise OSError(f'--out is {out}, which cannot be written; give another folder.')


def size(folder: str) -> int:
    """Returns the bytes of all files in a folder."""
    return sum(os.path.getsize(os.path.join(folder, name)) for name in _names(folder))


def move(folder: str, out: str, main: str, facts: Mapping) -> None:
    """Copies the files of an export, and writes `MAIN.json` about it.

    All are written beside those that they replace, before the first of these is replaced. The file
    without which nobody loads the export comes last of them.

    Args:
        folder: Folder of the files, on this machine.
        out: Folder to write to, local or `gs://`.
        main: Name of the file that is loaded.
        facts: Content of the JSON file.

    Raises:
        OSError: If `out` cannot be written; what was there is still there.
    """
    names = sorted(_names(folder), key=lambda name: name == main)
    targets = [os.path.join(out, name) for name in names]
    about = os.path.join(out, f'{main}.json')
    try:
        for name, target in zip(names, targets, strict=True):
            tf.io.gfile.makedirs(os.path.dirname(target))
            with open(os.path.join(folder, name), 'rb') as file:
                whole.write(target + _NEW, file.read())
        whole.write_json(about + _NEW, dict(facts))
        for target in (*targets, about):
            tf.io.gfile.rename(target + _NEW, target, overwrite=True)
    except tf.errors.OpError as error:
        raise OSError(f'The export cannot be written to {out}: {reason(error)}.') from error
    finally:
        for target in (*targets, about):
            if tf.io.gfile.exists(target + _NEW):
                tf.io.gfile.remove(target + _NEW)


def _names(folder):
    """Returns the paths of all files in a folder, from there."""
    return [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
    ]
