"""What a check accepts, the reader reads: on files that are damaged in many ways."""

import io
import random

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.files import decoding
from wss.datasets.folder import Folder
from wss.datasets.info import DatasetInfo
from wss.datasets.preparation import records as builder_records
from wss.datasets.records import pixels

HEIGHT, WIDTH = 24, 32
INFO = DatasetInfo('two', ('background', 'a'), ((0, 0, 0), (1, 1, 1)))
KINDS = ('png', 'rgba', 'palette', 'grey', 'bilevel', 'png16', 'jpeg', 'grey_jpeg', 'progressive')
TIMES = 12


def whole(kind):
    blocks = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    image = Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8)))
    mode = {'rgba': 'RGBA', 'palette': 'P', 'bilevel': '1', 'grey': 'L', 'grey_jpeg': 'L'}
    image = image.convert(mode.get(kind, 'RGB'))
    if kind == 'png16':
        image = Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 257)
    file = io.BytesIO()
    is_jpeg = kind in ('jpeg', 'grey_jpeg', 'progressive')
    image.save(file, 'JPEG' if is_jpeg else 'PNG', progressive=kind == 'progressive')
    return file.getvalue()


def damaged(content, chance):
    """Changes bits, or cuts, drops, repeats or blanks a part of a file."""
    content = bytearray(content)
    start, length = chance.randrange(len(content)), chance.randrange(1, 30)
    how = chance.choice(['bits', 'cut', 'end', 'drop', 'repeat', 'blank'])
    if how == 'bits':
        content[start] ^= 1 << chance.randrange(8)
    elif how == 'cut':
        del content[start:]
    elif how == 'end':  # Pillow needs no last checksum.
        del content[-chance.randrange(1, 13) :]
    elif how == 'drop':
        del content[start : start + length]
    elif how == 'repeat':
        content[start:start] = content[start : start + length]
    else:
        content[start : start + length] = bytes(len(content[start : start + length]))
    return bytes(content)


@pytest.mark.parametrize('kind', KINDS)
def test_what_prepare_accepts_training_decodes(kind):
    chance = random.Random(kind)
    for content in [whole(kind), *(damaged(whole(kind), chance) for _ in range(TIMES))]:
        try:
            record = builder_records.example('x', content, 'x.img', INFO)
        except ValueError as error:
            assert 'x.img' in str(error)
            continue
        image = pixels.decode(tf.constant(record['image']))
        assert tuple(image.shape) == (record['height'], record['width'], 3)
    assert builder_records.example('x', whole(kind), 'x.img', INFO)['height'] == HEIGHT


@pytest.mark.parametrize('kind', KINDS)
def test_what_the_check_of_a_folder_accepts_its_reader_reads(tmp_path, kind):
    chance = random.Random(kind)
    (tmp_path / 'whole.img').write_bytes(whole(kind))
    for i in range(TIMES):
        (tmp_path / f'{i}.img').write_bytes(damaged(whole(kind), chance))
    dataset = Folder(str(tmp_path), INFO.class_names, image_endings=['.img'], skip_broken=True)
    try:
        examples = dataset.examples('all', 'none')
    except ValueError as error:  # A size of two bytes may have become huge.
        assert '.img is too large' in str(error)
        return
    assert 'whole' in examples.ids
    shapes = [tuple(examples.load(tf.constant(i))['image'].shape) for i in range(len(examples))]
    assert (max(s[0] for s in shapes), max(s[1] for s in shapes)) == examples.max_size


def test_a_file_that_pillow_alone_reads_is_named_by_prepare():
    content = whole('png')[:-2]
    assert decoding.decode_image(content).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(decoding.BrokenFileError, match=r'x\.png is damaged: the decoder of train'):
        builder_records.example('x', content, 'x.png', INFO)


@pytest.mark.parametrize('mode', ['L', 'RGB'])
def test_16_bit_images_are_the_same_in_a_folder_and_a_build(mode):
    values = np.random.default_rng(0).integers(0, 1 << 16, (5, 7, 3), np.uint16)
    values[0, 0] = 65535
    if mode == 'L':
        values[:] = values[..., :1]
    content = tf.io.encode_png(values if mode == 'RGB' else values[..., :1]).numpy()
    record = builder_records.example('x', content, 'x.png', INFO)
    expected = np.round(values / 257)
    np.testing.assert_array_equal(decoding.decode_image(content), expected)
    np.testing.assert_array_equal(pixels.decode(tf.constant(record['image'])), expected)
    dark = tf.io.encode_png(values // 16).numpy()
    with pytest.raises(ValueError, match=r'x\.png has 16 bits, .* to 12 if the images hold 12'):
        builder_records.example('x', dark, 'x.png', INFO)
    np.testing.assert_array_equal(
        decoding.decode_image(dark, bit_depth=12), np.round(values // 16 / 4095 * 255)
    )
