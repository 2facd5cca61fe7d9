"""Scenes generated from a seed: patterned objects of uneven outline on textured ground.

Nothing is downloaded. The pattern of an object is its class, whatever its colour, size, pose,
outline and light. Objects overlap; plain patches without a pattern belong to the background.
"""

import functools
import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.datasets.lists import ids as id_lists
from wss.settings import ranges

_COLOURS = {
    'background': (0, 0, 0),
    'stripes': (230, 60, 60),
    'checks': (60, 160, 230),
    'dots': (250, 200, 50),
    'rings': (70, 190, 90),
    'spokes': (170, 90, 210),
    'waves': (245, 130, 40),
}


def _stripes(x, y, period):
    return np.sin(2 * np.pi * x / period)


def _checks(x, y, period):
    return 1.6 * np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)


def _dots(x, y, period):
    return 4 * (np.cos(2 * np.pi * x / period) + np.cos(2 * np.pi * y / period) - 0.9)


def _rings(x, y, period):
    return np.sin(2 * np.pi * np.hypot(x, y) / period)


def _spokes(x, y, period):
    return np.sin(np.round(34 / period) * np.arctan2(y, x))


def _waves(x, y, period):
    return np.sin(2 * np.pi * (x / period + 0.45 * np.sin(2 * np.pi * y / (2.2 * period))))


# In the order of the classes. Each takes object coordinates in pixels; half of it is above 0.
_PATTERNS = (_stripes, _checks, _dots, _rings, _spokes, _waves)


class Shapes:
    """Generated scenes with a background and six classes of patterned objects.

    Args:
        size: Height and width of a scene in pixels, at most 4096.
        counts: Number of scenes by split. Every split has seeds of its own, so a name such as
            `train-000007` means the same scene for all counts.
        max_objects: Maximum number of objects in a scene, at most 100; the minimum is one.
        seed: Seed of the whole dataset; another seed gives other scenes.

    Raises:
        ValueError: If a number is not positive, the seed is negative, or a split too large.

    Example:
        >>> from wss.datasets.shapes import Shapes
        >>> dataset = Shapes(size=33, counts={'train': 4})
        >>> examples = dataset.examples('train')
        >>> examples.ids[:2]
        ('train-000000', 'train-000001')
        >>> example = examples.load(tf.constant(0, tf.int64))
        >>> tuple(example['image'].shape), example['label'].dtype.name
        ((33, 33, 3), 'int32')
    """

    def __init__(
        self,
        size: int = 97,
        counts: dict[str, int] | None = None,
        max_objects: int = 3,
        seed: int = 0,
    ):
        if counts is None:
            counts = {'pretrain': 20000, 'train': 1000, 'val': 200, 'test': 500}
        ranges.mapping('Shapes.counts', counts)
        for split, count in counts.items():
            ranges.whole(f'Shapes.counts[{split!r}]', count, 1, 10**6)
        ranges.whole('Shapes.size', size, 1, 4096)
        ranges.whole('Shapes.max_objects', max_objects, 1, 100)
        ranges.whole('Shapes.seed', seed, 0, ranges.SEEDS)
        self.counts = dict(counts)
        self.size = size
        self.max_objects = max_objects
        self.seed = seed
        self.info = DatasetInfo('shapes', tuple(_COLOURS), tuple(_COLOURS.values()))

    def examples(
        self, split: str, labels: str = 'required', ids: Sequence[str] | None = None
    ) -> Examples:
        """Returns the scenes of a split, or those that `ids` names.

        With `labels='none'` their masks are left out.

        Raises:
            ValueError: If there is no such split, or `ids` do not fit it.
        """
        if split not in self.counts:
            raise ValueError(f'Shapes has no split {split!r}; it has {", ".join(self.counts)}.')
        has_label = labels != 'none'
        all_ids = self.split_ids(split)
        names = tf.constant(all_ids)
        make = functools.partial(self.scene, split)

        def load(index):
            image, label = tf.numpy_function(
                lambda i: make(int(i)), [index], [tf.uint8, tf.int32], stateful=False
            )
            example = {
                'image': tf.ensure_shape(image, [self.size, self.size, 3]),
                'id': tf.gather(names, index),
            }
            if has_label:
                example['label'] = tf.ensure_shape(label, [self.size, self.size])
            return example

        side = (self.size, self.size)
        sizes = np.tile(side, (len(all_ids), 1))
        examples = Examples(all_ids, load, has_label, side, self.info, sizes=sizes)
        return examples if ids is None else examples.select(id_lists.narrow(ids, all_ids))

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.counts)

    def split_ids(self, split: str) -> tuple[str, ...]:
        """Returns the ids of a split."""
        return tuple(f'{split}-{i:06d}' for i in range(self.counts[split]))

    def scene(self, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Generates one scene: image uint8 `[size, size, 3]` and label int32 `[size, size]`."""
        random = np.random.default_rng([self.seed, zlib.crc32(split.encode()), index])
        image = _ground(random, self.size)
        label = np.zeros((self.size, self.size), np.int32)
        for _ in range(random.integers(1, 4)):
            inside, _, _ = _outline(random, self.size)
            image = _paint(image, inside, _plain(random, self.size, image[inside].mean(0)))
        for _ in range(random.integers(1, self.max_objects + 1)):
            kind = int(random.integers(len(_PATTERNS)))
            inside, x, y = _outline(random, self.size)
            surface = _patterned(random, kind, x, y, image[inside].mean(0))
            image = _paint(image, inside, surface)
            label[inside] = kind + 1
        return _light(random, image), label


def _noise(random, size, cells):
    """Smooth noise `[size, size]` in 0..1 with `cells` bumps a side."""
    at = np.linspace(0, cells, size)
    distance = np.abs(at[:, None] - np.arange(cells + 1)[None, :])
    weight = np.clip(1 - distance, 0, 1)
    weight = weight * weight * (3 - 2 * weight)
    return weight @ random.random((cells + 1, cells + 1)) @ weight.T


def _ground(random, size):
    """Textured background `[size, size, 3]` in 0..1."""
    texture = 0.5 * _noise(random, size, 3) + 0.3 * _noise(random, size, 11)
    texture += 0.35 * _noise(random, size, 32)
    first, second = random.random((2, 3))
    return first + (second - first) * texture[..., None]


def _outline(random, size):
    """An uneven outline: its mask and, for every pixel, object coordinates turned by its pose."""
    radius = random.uniform(0.13, 0.3) * size
    centre = random.uniform(0.08, 0.92, 2) * size
    rows, columns = np.mgrid[:size, :size]
    turn = random.uniform(0, 2 * np.pi)
    dy, dx = rows - centre[0], columns - centre[1]
    x = np.cos(turn) * dx + np.sin(turn) * dy
    y = np.cos(turn) * dy - np.sin(turn) * dx
    y = y * random.uniform(0.7, 1.4)
    angle = np.arctan2(y, x)
    reach = sum(
        random.uniform(0, 0.36 / k) * np.cos(k * angle + random.uniform(0, 2 * np.pi))
        for k in range(2, 7)
    )
    inside = np.hypot(x, y) < radius * (1 + reach)
    inside[int(np.clip(centre[0], 0, size - 1)), int(np.clip(centre[1], 0, size - 1))] = True
    return inside, x, y


def _plain(random, size, around):
    """A surface without a pattern, in a colour near that of the pixels it covers."""
    colour = 0.5 * around + 0.5 * random.random(3)
    return colour + 0.3 * (_noise(random, size, 6)[..., None] - 0.5)


def _patterned(random, kind, x, y, around):
    """The surface of an object of class `kind + 1`, in two colours; the first is camouflage."""
    size = x.shape[0]
    x = x + 4 * (_noise(random, size, 5) - 0.5)
    y = y + 4 * (_noise(random, size, 5) - 0.5)
    wave = _PATTERNS[kind](x, y, random.uniform(6, 10))
    share = 1 / (1 + np.exp(-4 * wave))
    first = 0.6 * around + 0.4 * random.random(3)
    contrast = random.uniform(0.18, 0.5) * random.choice([-1, 1])
    second = first + contrast * random.uniform(0.6, 1.4, 3)
    return first + (second - first) * share[..., None]


def _paint(image, inside, surface):
    return np.where(inside[..., None], surface, image)


def _light(random, image):
    """Uneven, coloured light, contrast and sensor noise; returns uint8 in 0..255."""
    size = image.shape[0]
    light = random.uniform(0.5, 1.2) + 0.7 * (_noise(random, size, 2) - 0.5)
    cast = random.uniform(0.8, 1.2, 3)
    image = np.clip(image, 0, 1.2) * light[..., None] * cast
    image = image + random.normal(0, random.uniform(0.01, 0.04), image.shape)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
