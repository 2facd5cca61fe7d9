import os
import struct

import pytest
import tensorflow as tf

from wss.datasets.files.decoding import BrokenFileError
from wss.datasets.records import frames as record_frames

DATA = [b'', b'a', b'bc' * 500, b'last']


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / 'some.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for data in DATA:
            writer.write(data)
    return path


def masked(crc):
    """Turned to the right by 15 of its 32 bits, and a constant added: the format of TFRecord."""
    bits = f'{crc:032b}'
    return (int(bits[-15:] + bits[:-15], 2) + 0xA282EAD8) % 2**32


def change(path, position):
    with open(path, 'r+b') as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (b'', 0),
        (b'123456789', 0xE3069283),  # The check value of CRC-32C.
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4, as the next three.
        (b'\xff' * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksum_of_published_examples(data, expected):
    assert record_frames.checksum(data) == masked(expected)


@pytest.mark.parametrize('length', [59, 60, 61, 124, 125, 1000])
def test_checksum_agrees_with_the_bitwise_definition(length):
    data = bytes(i * i % 251 for i in range(length))
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    assert record_frames.checksum(data) == masked(register ^ 0xFFFFFFFF)


def test_walk_finds_every_record_and_read_gives_it_back(path):
    frames, data = zip(*record_frames.walk(path), strict=True)
    assert list(data) == DATA
    # Each record has 12 bytes before its data and 4 after it.
    assert [frame.offset for frame in frames] == [12, 28, 45, 1061]
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert [record_frames.read(frame) for frame in frames] == DATA


def test_read_refuses_what_was_cut_off_or_removed_meanwhile(path):
    frames, _ = zip(*record_frames.walk(path), strict=True)
    with open(path, 'r+b') as file:
        file.truncate(1065)
    assert record_frames.read(frames[2]) == DATA[2]
    with pytest.raises(BrokenFileError, match=f'{path} is cut off'):
        record_frames.read(frames[3])
    os.remove(path)
    with pytest.raises(ValueError, match=f'{path} cannot be read'):
        record_frames.read(frames[0])


def test_a_damaged_record_does_not_hide_the_next(path):
    change(path, 50)
    found = list(record_frames.walk(path))
    assert isinstance(found[2], BrokenFileError)
    assert 'record 2 (from 0) of ' + path in str(found[2])
    assert [item[1] for item in found[:2] + found[3:]] == [b'', b'a', b'last']


def test_a_damaged_length_ends_the_file(path):
    change(path, 34)  # In the length of record 2, which begins at 33.
    found = list(record_frames.walk(path))
    assert len(found) == 3
    assert 'from record 2' in str(found[2]) and 'is damaged' in str(found[2])


@pytest.mark.parametrize('left', [5, 14, 18])
def test_a_cut_file_is_noticed(path, left):
    with open(path, 'r+b') as file:
        file.truncate(1049 + left)  # Record 3 begins at 1049 and has 20 bytes.
    found = list(record_frames.walk(path))
    assert [item[1] for item in found[:3]] == DATA[:3]
    assert len(found) == 4
    assert f'{path} is lost from record 3' in str(found[3]) and 'cut off' in str(found[3])


def test_another_kind_of_file_is_noticed(tmp_path):
    path = tmp_path / 'text'
    path.write_text('a file of quite another kind')
    (found,) = record_frames.walk(str(path))
    assert 'not a TFRecord file' in str(found)


def test_a_length_beyond_the_file_is_noticed(tmp_path):
    head = struct.pack('<Q', 1 << 40)
    path = tmp_path / 'huge'
    path.write_bytes(head + struct.pack('<I', record_frames.checksum(head)))
    (found,) = record_frames.walk(str(path))
    assert 'cut off' in str(found)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match='nowhere'):
        list(record_frames.walk(str(tmp_path / 'nowhere')))
