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
        path = os.path.realpath(os.fsencode(path))  # A link stays a link.
        if os.path.exists(path) and not os.path.isfile(path):  # Such as /dev/stdout.
            with tf.io.gfile.GFile(path, 'wb') as file:
                file.write(content)
            return
    part = _part(path)
    try:
        with tf.io.gfile.GFile(part, 'wb') as file:
            file.write(content)
        tf.io.gfile.rename(part, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(part):
            tf.io.gfile.remove(part)
        raise


def _part(path):
    """Returns where a file is written before it gets its name: in its folder.

    Each process has its own, so that two processes that write the same file do not mix.
    """
    ending = f'.{os.getpid()}.part'
    if isinstance(path, str):
        return path + ending
    # Bytes, because names need not be UTF-8.
    folder, name = os.path.split(path)
    if len(name) + len(ending) > _LONGEST_NAME:
        name = sha256(name)[:32].encode()
    return os.path.join(folder, name + ending.encode())


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
