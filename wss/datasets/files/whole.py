"""Reads files, and writes them whole or not at all; local or `gs://`."""

import errno
import hashlib
import json
import os

import tensorflow as tf

from wss.datasets.files.reasons import reason

_MOST_DEPTH = 64  # Of lists and dicts in each other; those of this program have 6.
_DEEP = 'its lists are nested too deeply'
_NUMBER = 'it holds a number that is not finite or too large'
_TEXT = 'it holds text that is not Unicode'

_LONGEST_NAME = 255  # Bytes, of most file systems.


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
            with tf.io.gfile.GFile(_encoded(path), 'wb') as file:
                file.write(content)
            return
    part = _part(path)
    try:
        with tf.io.gfile.GFile(_encoded(part), 'wb') as file:
            file.write(content)
        sync(part)
        tf.io.gfile.rename(_encoded(part), _encoded(path), overwrite=True)
        sync(os.path.dirname(path))
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


def load_json(path: str | os.PathLike, advice: str):
    """Reads what `write_json` wrote, and refuses what it does not write.

    Args:
        path: File.
        advice: What to do if it is damaged, without a full stop.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read.
        ValueError: If it is not JSON in UTF-8; holds a number that is not finite or an integer of
            more than 64 bits, text that UTF-8 cannot hold, or lists in lists without end.
    """
    try:
        content = read(path)
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f'{path} does not exist.') from error
    except tf.errors.OpError as error:
        raise OSError(f'{path} cannot be read: {reason(error)}.') from error
    try:
        value = json.loads(content.decode())
        _check_json(value)
        return value
    except UnicodeDecodeError as error:
        raise damaged(path, 'it is not text in UTF-8', advice) from error
    except RecursionError as error:
        raise damaged(path, _DEEP, advice) from error
    except json.JSONDecodeError as error:
        where = f'line {error.lineno}, column {error.colno}'
        raise damaged(path, f'it is not JSON from {where} on', advice) from error
    except ValueError as error:  # Among them an integer of too many digits.
        known = str(error) in (_DEEP, _NUMBER, _TEXT)
        raise damaged(path, error if known else _NUMBER, advice) from error


def damaged(path: str | os.PathLike, error: Exception | str, advice: str) -> ValueError:
    """Returns the error about a file that is damaged.

    Args:
        path: File.
        error: Why.
        advice: What to do, without a full stop.
    """
    return ValueError(f'{path} is damaged: {reason(error)}; {advice}.')


def sync(path: str | os.PathLike) -> None:
    """Makes a local file, or the names in a folder, survive a loss of power."""
    path = os.fsdecode(path)
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
        return load_json(path, '')
    except (OSError, ValueError):
        return None


def _check_json(value):
    """Refuses what no file of this program holds (ValueError)."""
    left = [(value, 1)]
    while left:
        one, depth = left.pop()
        if depth > _MOST_DEPTH:
            raise ValueError(_DEEP)
        if isinstance(one, dict):
            left += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            left += [(part, depth + 1) for part in one]
        elif isinstance(one, str):
            try:
                one.encode()
            except UnicodeEncodeError as error:
                raise ValueError(_TEXT) from error
        elif isinstance(one, (int, float)) and not -(2**63) <= one < 2**63:  # NaN is not.
            raise ValueError(_NUMBER)


def write_json(path: str | os.PathLike, value) -> None:
    """Writes a value as JSON, for people and programs."""
    write(path, json.dumps(value, indent=2) + '\n')


def sha256(content: bytes) -> str:
    """Returns the SHA-256 of the content of a file, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
