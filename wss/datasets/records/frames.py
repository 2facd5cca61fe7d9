"""The frames of TFRecord files: positions for random access, with their checksums verified.

A record is its length (uint64), a masked CRC-32C of the length, the data and a masked CRC-32C of
the data, little-endian throughout.
"""

import dataclasses
import struct
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from wss.datasets.files.decoding import BrokenFileError

_HEAD, _FOOT = 12, 4
_ROW = 64  # Bytes that `crc32c` takes one after another; rows are taken side by side.
_BITS = np.arange(32, dtype=np.uint32)


@dataclasses.dataclass(frozen=True)
class Frame:
    """One record of a file: its number (from 0), and where its data begins and how long it is."""

    path: str
    number: int
    offset: int
    length: int

    def __str__(self):
        return f'record {self.number} (from 0) of {self.path}'


def walk(path: str, verify: bool = True) -> Iterator[tuple[Frame, bytes] | BrokenFileError]:
    """Goes through the records of a file.

    Args:
        path: File, local or `gs://`.
        verify: Whether data is compared with its checksum; the frames always are.

    Yields:
        Frame and data of each record, or an error where data does not fit its checksum. Where the
        frames themselves are damaged or cut off, an error is the last thing.

    Raises:
        ValueError: If the file cannot be read.
    """
    try:
        size = tf.io.gfile.stat(path).length
        with tf.io.gfile.GFile(path, 'rb') as file:
            yield from _walk(file, path, size, verify)
    except tf.errors.OpError as error:
        raise ValueError(f'TFRecord file {path} cannot be read: {error.message}.') from error


def read(frame: Frame) -> bytes:
    """Returns the data of one record, which `walk` compared with its checksum before.

    Raises:
        BrokenFileError: If the data is cut off.
        ValueError: If the file cannot be read.
    """
    try:
        with tf.io.gfile.GFile(frame.path, 'rb') as file:
            file.seek(frame.offset)
            content = file.read(frame.length + _FOOT)
    except tf.errors.OpError as error:
        raise ValueError(f'TFRecord file {frame.path} cannot be read: {error.message}.') from error
    data, foot = content[: frame.length], content[frame.length :]
    if len(foot) < _FOOT:
        raise BrokenFileError(f'{frame.path} is cut off: it was longer before.')
    return data


def crc32c(data: bytes) -> int:
    """Computes the CRC-32C (Castagnoli) of `data`, 0..2^32-1.

    The data is laid out in rows whose remainders are computed side by side; the remainder of two
    neighbours is that of the left one, moved past a row of zeros, plus (exclusive or) the right.
    """
    # Zeros in front leave the register at 0; `_START` then brings it to its initial value.
    front = -(len(data) + len(_START)) % _ROW
    columns = np.frombuffer(bytes(front) + _START + data, np.uint8).reshape(-1, _ROW).T
    register = np.zeros(columns.shape[1], np.uint32)
    for column in columns:
        register = _step(register, column)
    past_zeros = _PAST_ROW
    while len(register) > 1:
        if len(register) % 2:
            register = np.concatenate([np.zeros(1, np.uint32), register])
        register = _apply(past_zeros, register[0::2]) ^ register[1::2]
        past_zeros = _apply(past_zeros, past_zeros)
    return int(register[0]) ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Returns a checksum as TFRecord files store it."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _walk(file, path, size, verify):
    position, number = 0, 0
    while position < size:
        head = file.read(_HEAD)
        lost = f'The rest of {path} from record {number} (from 0) on is lost'
        if len(head) < _HEAD:
            yield BrokenFileError(f'{lost}: the file is cut off.')
            return
        length, checksum = struct.unpack('<QI', head)
        if masked(crc32c(head[:8])) != checksum:
            yield BrokenFileError(f'{lost}: the file is damaged there, or no TFRecord file.')
            return
        if position + _HEAD + length + _FOOT > size:
            yield BrokenFileError(f'{lost}: the file is cut off.')
            return
        frame = Frame(path, number, position + _HEAD, length)
        data = file.read(length)
        (checksum,) = struct.unpack('<I', file.read(_FOOT))
        if not verify or masked(crc32c(data)) == checksum:
            yield frame, data
        else:
            yield BrokenFileError(f'The data of {frame} is damaged (wrong checksum).')
        position += _HEAD + length + _FOOT
        number += 1


def _table():
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = (values >> 1) ^ np.where(values & 1, np.uint32(0x82F63B78), np.uint32(0))
    return values


def _step(register, column):
    return _TABLE[(register ^ column) & 0xFF] ^ (register >> 8)


def _apply(matrix, registers):
    """Multiplies registers by a matrix over the field of two elements, given by its columns."""
    bits = (registers[:, None] >> _BITS) & 1
    return np.bitwise_xor.reduce(np.where(bits, matrix, np.uint32(0)), axis=1)


def _past_row():
    """Returns the matrix that moves a register past a row of zeros."""
    matrix = np.uint32(1) << _BITS
    for _ in range(_ROW):
        matrix = _step(matrix, np.uint8(0))
    return matrix


def _start():
    """Returns the four bytes that bring a register from 0 to all ones."""
    high = {int(value) >> 24: index for index, value in enumerate(_TABLE)}
    register, indices = 0xFFFFFFFF, []
    for _ in range(4):  # Backwards: the high byte tells which entry of the table was last.
        index = high[register >> 24]
        indices.append(index)
        register = ((register ^ int(_TABLE[index])) << 8) & 0xFFFFFFFF
    register, start = 0, []
    for index in reversed(indices):
        start.append((register ^ index) & 0xFF)
        register = int(_TABLE[index]) ^ (register >> 8)
    return bytes(start)


_TABLE = _table()
_PAST_ROW = _past_row()
_START = _start()
