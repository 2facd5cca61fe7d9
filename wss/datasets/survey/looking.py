"""Looks at folders of images and masks before there is a configuration for them."""

import collections
import contextlib
import dataclasses
from collections.abc import Sequence

import numpy as np

from wss.datasets import own_classes
from wss.datasets.files import checks, decoding, drawn, finding, meaning, orientation
from wss.datasets.lists.files_by_id import FilesById

MOST_COLOURS = 256  # A mask with more is a picture.
INDICES, BINARY, COLOURS = 'indices', 'binary', 'colours'


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was seen in an image and its mask.

    Attributes:
        size: Height and width of the image, upright.
        deep: Whether the image has 16 bits.
        values: Pixels of the mask by value: an index, or an RGB triple; None without a mask.
        palette: Colours of the indices of the mask; None without a palette.
    """

    size: tuple[int, int]
    deep: bool
    values: dict | None = None
    palette: tuple | None = None


@dataclasses.dataclass(frozen=True)
class Survey:
    """What is in folders of images and masks.

    Attributes:
        seen: What was seen, by id: every image that can be read, and its mask if there is one.
        problems: A sentence about each file that cannot be used, by id.
        without_image: Ids of masks without an image.
        class_names: Names of the classes where masks name them, the background first; or None.
        mask_endings: Endings of the names of masks, where they are not those of images; or None.
    """

    seen: dict[str, Seen]
    problems: dict[str, str]
    without_image: tuple[str, ...]
    class_names: tuple[str, ...] | None = None
    mask_endings: tuple[str, ...] | None = None

    @property
    def masked(self) -> tuple[str, ...]:
        """Ids of the images that have a mask."""
        return tuple(name for name, one in self.seen.items() if one.values is not None)

    def sizes(self) -> np.ndarray:
        """Returns int `[n, 2]`: height and width of the images."""
        return np.array([one.size for one in self.seen.values()], int).reshape(-1, 2)

    def totals(self) -> dict:
        """Returns `(pixels, images)` by value of the masks, the values in their order."""
        pixels, images = collections.Counter(), collections.Counter()
        for name in self.masked:
            values = self.seen[name].values
            pixels.update(values)
            images.update(dict.fromkeys(values, 1))
        order = sorted(pixels, key=lambda value: value if isinstance(value, tuple) else (value,))
        return {value: (pixels[value], images[value]) for value in order}

    def kind(self) -> str | None:
        """Returns how masks are to be read; None without masks.

        `colours` where one has colours, `binary` where all have 0 and 255 and nothing else, which
        read as indices would leave one class; else `indices`.
        """
        values = set(self.totals())
        if not values:
            return None
        if any(isinstance(value, tuple) for value in values):
            return COLOURS
        return BINARY if 255 in values and values <= {0, 255} else INDICES


def look(
    images: str,
    masks: str | None = None,
    image_endings: Sequence[str] = decoding.ENDINGS,
    mask_endings: Sequence[str] = decoding.ENDINGS,
) -> Survey:
    """Reads every image and mask of two folders.

    Args:
        images: Folder of the images.
        masks: Folder of the masks, whose names are those of the images, or a COCO annotation file;
            None without masks.
        image_endings: Endings of the names of images.
        mask_endings: Endings of the names of masks.

    Raises:
        FileNotFoundError: If a folder does not exist, or holds no image or no mask.
        ValueError: If two images or masks have one id.
    """
    annotated = masks is not None and masks.lower().endswith('.json')
    folder = None if annotated else masks
    files = FilesById('Folder', 'folder', images, folder, None, image_endings, mask_endings)
    photos = {name: files.images()[name] for name in files.ids('all', files.images())}
    sources = [masks] if annotated else list(files.masks().values())
    names = _class_names([source for source in sources if source.lower().endswith('.json')])
    named = names or ('background', 'object')
    info = own_classes.dataset_info('Folder', 'folder', named, None, True, 255)
    drawn_masks = files.masks()
    if annotated:
        drawn_masks = files.of_names(drawn.in_annotations(masks, info))
    pairs = [(path, drawn_masks.get(name), info) for name, path in photos.items()]
    results = checks.check_all(_see, pairs, f'the images of {finding.shown(images)}', len(pairs))
    found = dict(zip(photos, results, strict=True))
    return Survey(
        seen={name: one for name, one in found.items() if isinstance(one, Seen)},
        problems={name: str(one) for name, one in found.items() if not isinstance(one, Seen)},
        without_image=tuple(name for name in drawn_masks if name not in photos),
        class_names=names,
        mask_endings=None if tuple(mask_endings) == decoding.ENDINGS else tuple(mask_endings),
    )


def _class_names(sources):
    """Returns the labels of all masks that name them, after the background; None if none does."""
    labels = set()
    for source in sources:
        with contextlib.suppress(ValueError):  # Named when the mask is read.
            labels |= drawn.labels_of(source, finding.shown(source))
    return ('background', *sorted(labels - {'background'})) if labels else None


def _see(pair):
    """Reads an image and its mask (or None); ValueError about what cannot be used."""
    image, mask, info = pair
    name = finding.shown(image)
    stored = decoding.read_image(image, name)
    size, deep = stored.upright.shape[:2], decoding.read_header(image, name).is_deep
    if mask is None:
        return Seen(size, deep)
    mask_name = finding.shown(mask)
    read, values = _read_mask(mask, info, mask_name)
    same = read.orientation == stored.orientation
    # Training asks what a mask fits whose orientation differs; here either will do.
    sizes = {orientation.turned_size(read.pixels.shape[:2], turn) for turn in (1, 6)}
    if same or size not in sizes:
        checks.check_size(size, read.upright.shape[:2], name, mask_name)
    return Seen(size, deep, values, read.palette)


def _read_mask(mask, info, name):
    """Returns a mask as it is stored, and its pixels by value."""
    try:
        stored = meaning.Meaning().read_mask(mask, info, name)
        values, counts = np.unique(stored.pixels, return_counts=True)
        return stored, dict(zip(values.tolist(), counts.tolist(), strict=True))
    except decoding.BrokenFileError:
        raise
    except ValueError:
        if drawn.is_drawn(mask):
            raise
        stored = decoding.read_colours(mask, name)  # Refuses what is lossy.
    codes, counts = np.unique(meaning.colour_codes(stored.pixels), return_counts=True)
    if len(codes) > MOST_COLOURS:
        raise ValueError(
            f'{name} has {len(codes)} colours: it is a picture, or was drawn with smooth edges, '
            'and no mask of classes.'
        )
    return stored, {meaning.colour_of(code): int(n) for code, n in zip(codes, counts, strict=True)}
