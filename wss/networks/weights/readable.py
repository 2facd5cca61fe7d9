"""Checkpoints in a folder of any name: which there are, and how TensorFlow can read them."""

import atexit
import functools
import os
import re
import shutil
import tempfile

import tensorflow as tf

_PATTERN = frozenset('[]{}*?\\')


def readable(prefix: str | os.PathLike) -> str:
    """Returns a prefix by which TensorFlow reads a checkpoint.

    Its readers take `runs/lr[0.1]/ckpt-1` for a pattern, which fits other files than this one.
    Then the prefix is that of a link to the folder, or of a copy; it holds until Python ends.

    Args:
        prefix: Prefix of the files of a checkpoint, local or `gs://`.
    """
    prefix = os.fspath(prefix)
    if not _PATTERN & set(prefix):
        return prefix
    folder, name = os.path.split(prefix)
    if '://' not in prefix and not _PATTERN & set(name):
        return os.path.join(_linked(os.path.abspath(folder)), name)
    return _copied(folder, name)


def whole_steps(folder: str | os.PathLike) -> list[int]:
    """Returns the steps of the whole checkpoints in a folder, ascending."""
    found = (re.fullmatch(r'ckpt-(\d+)\.index', name) for name in names_in(folder))
    return sorted(int(match[1]) for match in found if match)


def names_in(folder: str | os.PathLike) -> list[str]:
    """Lists the names in a folder; [] if there is none. A pattern would misread a `[` in it."""
    if not tf.io.gfile.isdir(folder):
        return []
    return [name.rstrip('/') for name in tf.io.gfile.listdir(folder)]


@functools.cache
def _linked(folder):
    link = os.path.join(_temporary(), 'folder')
    os.symlink(folder, link, target_is_directory=True)
    return link


def _copied(folder, name):
    there = _temporary()
    for other in tf.io.gfile.listdir(folder or '.'):
        if other == name or other.startswith(f'{name}.'):
            copy = os.path.join(there, f'checkpoint{other[len(name) :]}')
            tf.io.gfile.copy(os.path.join(folder, other), copy)
    return os.path.join(there, 'checkpoint')


def _temporary():
    folder = tempfile.mkdtemp(prefix='wss-checkpoint-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
