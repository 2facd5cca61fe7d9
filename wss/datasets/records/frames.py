"""The frames of TFRecord files: their positions, for random access, and their checksums.

A record is its length (uint64), a masked CRC-32C of the length, the data and a masked CRC-32C of
the data, little-endian throughout.
"""

import dataclasses
import struct
from collections.abc import Iterator

import google_crc32c
import tensorflow as tf

from wss.datasets.files.decoding import BrokenFileError
from wss.datasets.files.reasons import reason

HEAD, FOOT = 12, 4  # Bytes of a record before its data and after it.


@dataclasses.dataclass(frozen=True)
class Frame:
    """One record of a file: its number (from 0), and position and length of its data in bytes."""

    path: str
    number: int
    offset: int
    length: int

    def __str__(self):
        return f'record {self.number} (from 0) of {self.path}'


def walk(path: str, verify: bool = True) -> Iterator[tuple[Frame, bytes] | BrokenFileError]:
    """Reads the records of a file in order.

    Args:
        path: File, local or `gs://`.
        verify: Whether to verify the checksums of the data; those of the lengths always are.

    Yields:
        Frame and data of each record, or an error if its data does not fit its checksum. If the
        frames themselves are damaged or cut off, an error comes last.

    Raises:
        ValueError: If the file cannot be read.
    """
    try:
        size = tf.io.gfile.stat(path).length
        with tf.io.gfile.GFile(path, 'rb') as file:
            yield from _walk(file, path, size, verify)
    except tf.errors.OpError as error:
        raise ValueError(f'TFRecord file {path} cannot be read: {reason(error)}.') from error


def read(frame: Frame) -> bytes:
    """Returns the data of one record. `walk` has verified its checksum.

    Raises:
        BrokenFileError: If the data is cut off.
        ValueError: If the file cannot be read.
    """
    try:
        with tf.io.gfile.GFile(frame.path, 'rb') as file:
            file.seek(frame.offset)
            content = file.read(frame.length + FOOT)
    except tf.errors.OpError as error:
        raise ValueError(f'TFRecord file {frame.path} cannot be read: {reason(error)}.') from error
    data, foot = content[: frame.length], content[frame.length :]
    if len(foot) < FOOT:
        raise BrokenFileError(f'{frame.path} is cut off: it was longer before.')
    return data


def checksum(data: bytes) -> int:
    """Returns the checksum of `data` as TFRecord files store it: a CRC-32C, masked."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _walk(file, path, size, verify):
    position, number = 0, 0
    while position < size:
        head = file.read(HEAD)
        lost = f'{path} is lost from record {number} (from 0) on'
        if len(head) < HEAD:
            yield BrokenFileError(f'{lost}: the file is cut off.')
            return
        length, stored = struct.unpack('<QI', head)
        if checksum(head[:8]) != stored:
            yield BrokenFileError(f'{lost}: the file is damaged there, or not a TFRecord file.')
            return
        if position + HEAD + length + FOOT > size:
            yield BrokenFileError(f'{lost}: the file is cut off.')
            return
        frame = Frame(path, number, position + HEAD, length)
        data = file.read(length)
        (stored,) = struct.unpack('<I', file.read(FOOT))
        if not verify or checksum(data) == stored:
            yield frame, data
        else:
            yield BrokenFileError(f'The data of {frame} is damaged (wrong checksum).')
        position += HEAD + length + FOOT
        number += 1
