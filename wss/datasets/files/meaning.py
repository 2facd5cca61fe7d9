"""What images and masks mean where their files leave it open: orientation, values and colours."""

import dataclasses

import numpy as np

from wss.datasets.files import decoding, drawn
from wss.datasets.info import DatasetInfo
from wss.settings import ranges

_NAMED = 5  # Values of one mask that are named.


class DriftError(ValueError):
    """EXIF turns an image and its mask differently.

    Attributes:
        fact: The sentence about the two files.
        advice: The sentence about the settings, which holds for all such files.
    """

    def __init__(self, fact: str, advice: str):
        super().__init__(f'{fact} {advice}')
        self.fact, self.advice = fact, advice


@dataclasses.dataclass(frozen=True)
class Meaning:
    """How the images and masks of a dataset are read.

    Attributes:
        owner: Class of the dataset, whose settings messages name.
        upright: Whether EXIF orientations count.
        masks_drawn_on: `turned`: a mask fits its image as viewers show it. `stored`: a mask fits
            the pixels as they are stored, and is turned with its image. None: the orientations of
            both must be the same.
        mask_values: `indices` or `colours` of the pixels of a mask count, or `binary`: 0 is class 0
            and 255 is class 1. None: indices, whose colours must be the same in all masks.
        colours: The RGB triples of the classes if the user gave them, else None.
        ignore_colour: RGB triple of the pixels that are ignored, where colours count; or None.
        knows_colours: Whether the dataset can read masks by their colours.

    Raises:
        ValueError: If an attribute has another value than above.
    """

    owner: str = 'Folder'
    upright: bool = True
    masks_drawn_on: str | None = None
    mask_values: str | None = None
    colours: tuple | None = None
    ignore_colour: tuple | None = None
    knows_colours: bool = True

    def __post_init__(self):
        drawn, values = self.masks_drawn_on, self.mask_values
        ranges.choice(f'{self.owner}.masks_drawn_on', drawn, (None, 'turned', 'stored'))
        ranges.choice(f'{self.owner}.mask_values', values, (None, 'indices', 'colours', 'binary'))
        if self.mask_values != 'colours':
            if self.ignore_colour is not None:
                raise ValueError(
                    f"{self.owner}.ignore_colour needs {self.owner}.mask_values = 'colours'."
                )
            return
        if self.colours is None:
            raise ValueError(
                f"{self.owner}.mask_values = 'colours' needs the colour of each class: set "
                f'{self.owner}.colours.'
            )
        colours = [*self.colours, *([] if self.ignore_colour is None else [self.ignore_colour])]
        if any(np.shape(colour) != (3,) for colour in colours) or len(set(colours)) < len(colours):
            raise ValueError(
                f'{self.owner}.colours and {self.owner}.ignore_colour must be RGB triples that '
                'differ, since the colours of masks count.'
            )

    @property
    def mask_kind(self) -> str:
        """What `decoding.read_header` must accept as a mask."""
        return 'colours' if self.mask_values == 'colours' else 'mask'

    def read_mask(self, source, info: DatasetInfo, name: str) -> decoding.Stored:
        """Decodes a mask to class indices, its pixels as they are stored.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or refused, or shows a colour of no class.
        """
        if drawn.is_drawn(source):
            stored = decoding.Stored(drawn.read(source, info, name, self.owner), 1)
        elif self.mask_values == 'colours':
            stored = decoding.read_colours(source, name)
            return dataclasses.replace(stored, pixels=self._indices(stored.pixels, info, name))
        else:
            stored = decoding.read_mask(source, name)
        if self.mask_values == 'binary':
            return dataclasses.replace(stored, pixels=_of_binary(stored.pixels, name))
        return stored

    def read_mask_header(self, source, info: DatasetInfo, name: str) -> decoding.Header:
        """Reads the header of a mask; see `read_mask`."""
        if drawn.is_drawn(source):
            return decoding.Header(drawn.size(source, info, name), 1, None, False)
        return decoding.read_header(source, name, self.mask_kind)

    def _indices(self, pixels, info, name):
        """Returns the class of each colour of `[H, W, 3]` as int32 `[H, W]`."""
        colours, values = list(self.colours), list(range(info.num_classes))
        if self.ignore_colour is not None:
            colours.append(self.ignore_colour)
            values.append(info.ignore_value)
        known = colour_codes(np.array(colours))
        order = np.argsort(known)
        found = colour_codes(pixels)
        place = np.minimum(np.searchsorted(known[order], found), len(known) - 1)
        strange = found[known[order][place] != found]
        if strange.size:
            codes, counts = np.unique(strange, return_counts=True)
            order = np.argsort(-counts, kind='stable')[:_NAMED]
            named = ', '.join(f'{colour_of(codes[i])} on {counts[i]} pixels' for i in order)
            more = f' and {len(codes) - _NAMED} more' if len(codes) > _NAMED else ''
            raise ValueError(
                f'Mask {name} shows colours that are not in {self.owner}.colours: {named}{more}. '
                f'Add them there, or set {self.owner}.ignore_colour to the one whose pixels do not '
                'count.'
            )
        return np.array(values, np.int32)[order][place]

    def turns(self, image: int, mask: int, image_name: str, mask_name: str) -> tuple[int, int]:
        """Returns the orientations by which an image and its mask are turned.

        Args:
            image: EXIF orientation of the image.
            mask: EXIF orientation of the mask.
            image_name: Name of the image in messages.
            mask_name: Name of the mask in messages.

        Raises:
            DriftError: If they differ and the settings do not tell what that means.
        """
        if not self.upright:
            return 1, 1
        if self.masks_drawn_on == 'stored':
            return image, image
        if image != mask and self.masks_drawn_on is None:
            raise DriftError(
                f'Image {image_name} {_says(image)}, but its mask {mask_name} {_says(mask)}.',
                f"Set {self.owner}.masks_drawn_on = 'turned' if the masks fit the images as "
                "viewers show them, or 'stored' if they fit the pixels as they are stored.",
            )
        return image, mask


def _says(turn):
    return 'has no EXIF orientation' if turn == 1 else f'is turned by its EXIF orientation {turn}'


def _of_binary(pixels, name):
    """Returns 0 and 1 for 0 and 255."""
    strange = np.unique(pixels[(pixels != 0) & (pixels != 255)])
    if strange.size:
        values = ', '.join(map(str, strange[:_NAMED])) + (', ...' if len(strange) > _NAMED else '')
        raise ValueError(f'{name} has pixels of value {values}; a binary mask has 0 and 255.')
    return pixels // 255


def colour_codes(colours: np.ndarray) -> np.ndarray:
    """Returns each colour of `[..., 3]` as one number, int32 `[...]`."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def colour_of(code: int) -> tuple[int, int, int]:
    """Returns the colour of a number from `colour_codes`."""
    code = int(code)
    return code >> 16, code >> 8 & 255, code & 255


def used_colours(mask: decoding.Stored) -> tuple[tuple[int, tuple[int, int, int]], ...] | None:
    """Returns the indices that a palette mask shows, each with its colour; None without palette."""
    if mask.palette is None:
        return None
    shown = np.flatnonzero(np.bincount(mask.pixels.ravel(), minlength=1)).tolist()
    return tuple((i, mask.palette[i]) for i in shown if i < len(mask.palette))
