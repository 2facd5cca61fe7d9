"""Reads files, and writes them whole or not at all; local or `gs://`."""

import hashlib
import json
import os

import tensorflow as tf

_LONGEST_NAME = 255  # Bytes, of most file systems.


def read(path: str | os.PathLike) -> bytes:
    """Returns the content of a file."""
    with tf.io.gfile.GFile(path, 'rb') as file:
        return file.read()


def write(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes a file whole or not at all: a file that exists survives a failure.

    Args:
        path: File to write; its folder must exist.
        content: Bytes, or text to be encoded as UTF-8.

    Raises:
        tf.errors.OpError: If the file cannot be written. Nothing is left of the attempt.
    """
    content = content.encode() if isinstance(content, str) else content
    if '://' not in str(path):
        path = os.path.realpath(path)  # A link stays a link.
        if os.path.exists(path) and not os.path.isfile(path):  # Such as /dev/stdout.
            with tf.io.gfile.GFile(_encoded(path), 'wb') as file:
                file.write(content)
            return
    part = _part(path)
    try:
        with tf.io.gfile.GFile(_encoded(part), 'wb') as file:
            file.write(content)
        tf.io.gfile.rename(_encoded(part), _encoded(path), overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(_encoded(part)):
            tf.io.gfile.remove(_encoded(part))
        raise


def _part(path):
    """Returns where a file is written before it gets its name: in its folder.

    Each process has its own, so that two processes that write the same file do not mix.
    """
    folder, name = os.path.split(path)
    ending = f'.{os.getpid()}.part'
    if len(os.fsencode(name + ending)) > _LONGEST_NAME:
        name = sha256(os.fsencode(name))[:32]
    return os.path.join(folder, name + ending)


def _encoded(path):
    """Returns a path for TensorFlow, which takes names that are not UTF-8 as bytes alone."""
    return os.fsencode(path)


def read_json(path: str | os.PathLike):
    """Reads what `write_json` wrote; None if the file is missing or damaged."""
    try:
        return json.loads(read(path))
    except (tf.errors.OpError, ValueError):
        return None


def write_json(path: str | os.PathLike, value) -> None:
    """Writes a value as JSON, for people and programs."""
    write(path, json.dumps(value, indent=2) + '\n')


def sha256(content: bytes) -> str:
    """Returns the SHA-256 of the content of a file, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
