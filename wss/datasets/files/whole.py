"""Reads files, and writes them whole or not at all; local or `gs://`."""

import errno
import hashlib
import json
import os

import tensorflow as tf


def expanded(path: str | os.PathLike) -> str:
    """Returns a path of a user's as text, a leading `~` replaced by the home folder."""
    return os.path.expanduser(os.fspath(path))


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
            with tf.io.gfile.GFile(path, 'wb') as file:
                file.write(content)
            return
    # Each process has its own, so that two processes that write the same file do not mix.
    part = f'{path}.{os.getpid()}.part'
    try:
        with tf.io.gfile.GFile(part, 'wb') as file:
            file.write(content)
        sync(part)
        tf.io.gfile.rename(part, path, overwrite=True)
        sync(os.path.dirname(path))
    except BaseException:
        if tf.io.gfile.exists(part):
            tf.io.gfile.remove(part)
        raise


def sync(path: str | os.PathLike) -> None:
    """Makes a local file, or the names in a folder, survive a loss of power."""
    path = os.fspath(path)
    if '://' in path:  # What is closed there is kept.
        return
    try:
        number = os.open(path or '.', os.O_RDONLY)
    except OSError:  # Some systems do not open folders.
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise
    finally:
        os.close(number)


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
