"""Damaged photos and masks in a folder: what the check accepts, training must be able to read."""

import io
import pathlib
import random
import shutil

import numpy as np
from PIL import Image

from attack import mutations, outcomes
from wss.datasets.folder import Folder

_CLASSES = ('background', 'leaf', 'stem')
SIZE = (21, 34)
_TRIES = 600


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""
    good_photos, good_masks = photos(), _masks()

    def attempt(number):
        chance = random.Random(f'images {seed} {number}')
        sources = good_masks if number % 2 else good_photos
        ending, content = sources[number // 2 % len(sources)]
        damaged = mutations.mutated(content, chance)
        check = 'headers' if chance.random() < 0.25 else 'full'
        _write(folder, good_photos[0][1], good_masks[0][1])
        kind = 'masks' if number % 2 else 'photos'
        for old in (folder / kind).glob('b.*'):
            old.unlink()
        (folder / kind / f'b.{ending}').write_bytes(damaged)
        return _attempt(folder, check)

    return _TRIES, attempt


def _attempt(folder, check):
    dataset = Folder(str(folder / 'photos'), _CLASSES, str(folder / 'masks'), check=check)
    examples, sentence = outcomes.result_or_sentence(lambda: dataset.examples('all'))
    if sentence:
        outcomes.require('/b.' in sentence, f'The file is not named: {sentence}')
        return 'refused'
    for position in range(len(examples)):
        example, sentence = outcomes.result_or_sentence(lambda i=position: load(examples, i))
        if sentence:
            outcomes.require(check == 'headers', f'The check accepted what fails later: {sentence}')
            outcomes.require('/b.' in sentence, f'The file is not named: {sentence}')
            return 'refused while it was read'
        height, width, _ = example['image'].shape
        outcomes.require(
            example['label'].shape == (height, width), 'Image and mask differ in size.'
        )
        inside = (height, width) <= examples.max_size
        outcomes.require(inside, 'An image is larger than the check found.')
        values = set(np.unique(example['label'])) - {0, 1, 2, 255}
        outcomes.require(not values, f'A mask with values {values} is accepted.')
    return 'read'


def load(examples, position):
    """Reads an example as training does, inside of `tf.data`."""
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensors(tf.constant(position, tf.int64)).map(examples.load)
    return next(iter(dataset.as_numpy_iterator()))


def _write(folder, photo, mask):
    """Writes a set of two good examples, a and b."""
    for kind, ending, content in (('photos', 'png', photo), ('masks', 'png', mask)):
        shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / kind).mkdir(parents=True)
        for name in 'ab':
            (folder / kind / f'{name}.{ending}').write_bytes(content)


def photos():
    """Returns endings and contents of good photos of many formats."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    pixels[5:15] = pixels[5:15].mean(axis=1, keepdims=True)
    colour = Image.fromarray(pixels)
    grey = pixels[..., 0]
    alpha = Image.fromarray(np.concatenate([pixels, grey[..., None]], axis=-1))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    sources = [
        ('png', colour, {}),
        ('jpg', colour, {}),
        ('png', alpha, {}),
        ('jpg', colour, {'progressive': True}),
        ('png', colour.convert('P'), {}),
        ('png', deep, {}),
        ('png', Image.fromarray(grey), {}),
        ('webp', colour, {}),
        ('bmp', colour, {}),
        ('gif', colour.convert('P'), {}),
        ('tif', colour, {}),
        ('tif', colour, {'compression': 'tiff_lzw'}),
        ('jpg', colour.convert('CMYK'), {}),
    ]
    return [(ending, _encoded(image, ending, **options)) for ending, image, options in sources]


def _masks():
    """Returns endings and contents of good masks of many formats."""
    label = np.zeros(SIZE, np.uint8)
    label[4:9, 3:12], label[12:18, 8:30], label[-1] = 1, 2, 255
    grey = Image.fromarray(label)
    palette = Image.fromarray(label, 'P')
    palette.putpalette([7 * i % 256 for i in range(768)])
    sources = [
        ('png', grey, {}),
        ('png', palette, {}),
        ('png', Image.fromarray(label.astype(np.uint16)), {}),
        ('tif', grey, {}),
        ('bmp', grey, {}),
        ('gif', palette, {}),
    ]
    return [(ending, _encoded(image, ending, **options)) for ending, image, options in sources]


def _encoded(image, ending, **options):
    file = io.BytesIO()
    kind = {'jpg': 'JPEG', 'tif': 'TIFF'}.get(ending, ending.upper())
    image.save(file, kind, **options)
    return file.getvalue()
