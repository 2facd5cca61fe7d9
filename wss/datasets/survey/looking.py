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
        high: The `depth.high_value` of an image of 16 bits; None for others.
        values: Pixels of the mask by value: an index, or an RGB triple; None without a mask.
        palette: Colours of the indices of the mask; None without a palette.
        is_turned: Whether the EXIF orientation of the mask is another than that of the image.
    """

    size: tuple[int, int]
    deep: bool
    high: int | None = None
    values: dict | None = None
    palette: tuple | None = None
    is_turned: bool = False

    def colours(self) -> dict:
        """Returns the pixels of the mask by colour: of its palette, or grey."""
        found = collections.Counter()
        for value, pixels in self.values.items():
            found[self.colour(value)] += pixels
        return found

    def colour(self, value) -> tuple[int, int, int]:
        """Returns the colour of a value of the mask."""
        if isinstance(value, tuple):
            return value
        palette = self.palette or ()
        return palette[value] if value < len(palette) else (value,) * 3


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

    @property
    def turned(self) -> tuple[str, ...]:
        """Ids of the images whose mask has another EXIF orientation."""
        return tuple(name for name, one in self.seen.items() if one.is_turned)

    def sizes(self) -> np.ndarray:
        """Returns int `[n, 2]`: height and width of the images."""
        return np.array([one.size for one in self.seen.values()], int).reshape(-1, 2)

    def totals(self) -> dict:
        """Returns `(pixels, images)` by value of the masks, the values in their order.

        Values are RGB triples where masks are to be read by their colours, else indices.
        """
        pixels, images = collections.Counter(), collections.Counter()
        by_colour = self.kind() == COLOURS
        for name in self.masked:
            one = self.seen[name]
            values = one.colours() if by_colour else one.values
            pixels.update(values)
            images.update(dict.fromkeys(values, 1))
        return {value: (pixels[value], images[value]) for value in sorted(pixels)}

    def kind(self) -> str | None:
        """Returns how masks are to be read; None without masks.

        `colours` where one has colours, or palettes are of different orders; `binary` where all
        have 0 and 255 and nothing else, which read as indices would leave one class, unless masks
        name their classes; else `indices`.
        """
        if not self.masked:
            return None
        masks = [self.seen[name] for name in self.masked]
        values = {value for one in masks for value in one.values}
        if any(isinstance(value, tuple) for value in values) or _disagree(masks):
            return COLOURS
        is_binary = self.class_names is None and 255 in values and values <= {0, 255}
        return BINARY if is_binary else INDICES


def _disagree(masks):
    """Whether an index has different colours in the palettes of masks, or a colour indices."""
    pairs = {(value, one.colour(value)) for one in masks if one.palette for value in one.values}
    indices, colours = ({pair[side] for pair in pairs} for side in (0, 1))
    return len(indices) < len(pairs) or len(colours) < len(pairs)


def look(
    images: str,
    masks: str | None = None,
    image_endings: Sequence[str] = decoding.ENDINGS,
    mask_endings: Sequence[str] = decoding.ENDINGS,
) -> Survey:
    """Reads every image and mask of two folders.

    Args:
        images: Folder of the images.
        masks: Folder of the masks, whose names are those of the images, or an annotation
            file of COCO or CVAT; None without masks.
        image_endings: Endings of the names of images.
        mask_endings: Endings of the names of masks.

    Raises:
        FileNotFoundError: If a folder does not exist, or holds no image or no mask.
        ValueError: If two images or masks have one id.
    """
    annotated = masks is not None and masks.lower().endswith(drawn.ANNOTATIONS)
    folder = None if annotated else masks
    files = FilesById('Folder', 'folder', images, folder, None, image_endings, mask_endings)
    found_images, drawn_masks = files.images(), files.masks()
    photos = {name: found_images[name] for name in files.ids('all', found_images)}
    sources = [masks] if annotated else list(drawn_masks.values())
    names = _class_names(
        [source for source in sources if source.lower().endswith(drawn.ANNOTATIONS)]
    )
    shown = names or ('background', 'object')
    info = own_classes.dataset_info('Folder', 'folder', shown, None, True, 255)
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
    facts = stored.upright.shape[:2], decoding.read_header(image, name).is_deep, stored.high
    if mask is None:
        return Seen(*facts)
    mask_name = finding.shown(mask)
    read, values = _read_mask(mask, info, mask_name)
    is_turned, size = read.orientation != stored.orientation, facts[0]
    # Training asks what a mask fits whose orientation differs; here either will do.
    sizes = {orientation.turned_size(read.pixels.shape[:2], turn) for turn in (1, 6)}
    if not is_turned or size not in sizes:
        checks.check_size(size, read.upright.shape[:2], name, mask_name)
    return Seen(*facts, values, read.palette, is_turned)


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
