"""The files that a prediction of an image is written to."""

import dataclasses
import io
import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from wss.datasets.info import DatasetInfo
from wss.inference import coco_polygons, label_next, marks
from wss.results import pictures
from wss.settings import ranges

_LONGEST = 40  # Letters of the name of a class in that of a file.


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What is written besides the mask and the overlay of each image.

    Attributes:
        probabilities: `npz` for `NAME_probabilities.npz`, which holds `probabilities`, float16
            `[H, W, C]`, and `classes`, their names; `png16` for a grey PNG file of each class,
            `NAME_probabilities_3_cat.png`, whose 65535 is 1; None for neither.
        polygons: `coco` for one `annotations.json` of all images in the format of COCO; see
            `coco_polygons`. None for none.
        skip_existing: Whether an image is skipped whose files are there already.
        confidence: Whether `NAME_confidence.png` is written, the probability of the likeliest
            class, grey, whose 255 is 1; and `label_next.csv` for all images (`label_next`).

    Raises:
        ValueError: If there is no such format.
    """

    probabilities: str | None = None
    polygons: str | None = None
    skip_existing: bool = False
    confidence: bool = False

    def __post_init__(self):
        ranges.choice('probabilities', self.probabilities, (None, 'npz', 'png16'))
        ranges.choice('polygons', self.polygons, (None, 'coco'))
        ranges.switch('skip_existing', self.skip_existing)
        ranges.switch('confidence', self.confidence)

    @property
    def keeps_probabilities(self) -> bool:
        """Whether what is written follows from them."""
        return self.probabilities is not None or self.confidence

    def files(self, target: str, info) -> dict[str, str]:
        """Returns the path of each file of an image, by what it is.

        Args:
            target: Their path without what tells them apart.
            info: The `DatasetInfo`.
        """
        paths = {'mask': f'{target}.png', 'overlay': f'{target}_overlay.jpg'}
        if self.confidence:
            paths['confidence'] = f'{target}_confidence.png'
        if self.probabilities == 'npz':
            paths['probabilities'] = f'{target}_probabilities.npz'
        if self.probabilities == 'png16':
            for index, name in enumerate(info.class_names):
                plain = re.sub(r'\W+', '_', name)[:_LONGEST]
                paths[_of_class(name)] = f'{target}_probabilities_{index}_{plain}.png'
        return paths

    def summaries(self) -> dict[str, Callable[[str, Mapping[str, str], DatasetInfo], None]]:
        """Returns the files that are written once for all images, and what writes them.

        By the name of the file a function of its path, of the targets of the images (`files`) by
        their paths, and of the classes.
        """
        found = {}
        if self.polygons:
            found['annotations.json'] = coco_polygons.write
        if self.confidence:
            found['label_next.csv'] = label_next.write
        return found

    def are_whole(self, target: str, info) -> bool:
        """Whether all files of an image are there, as they were written."""
        return all(marks.is_whole(path) for path in self.files(target, info).values())

    def contents(
        self, image: np.ndarray, labels: np.ndarray, probabilities: np.ndarray | None, info
    ) -> Iterator[tuple[str, bytes, str | None]]:
        """Yields what each of `files` is, its content, and a sentence for the user or None.

        A sentence has `{}` in the place of the name of the image.

        Args:
            image: uint8 or float `[H, W, 3]` in 0..255.
            labels: Integers `[H, W]`.
            probabilities: float `[H, W, C]` in [0, 1]; None where they are not written.
            info: The `DatasetInfo`.
        """
        mask = pictures.encode_mask(labels, info.colours, info.ignore_value)
        yield 'mask', marks.mark_png(mask), None
        overlay, size = pictures.encode_jpeg(pictures.overlay(image, labels, info), marks.COMMENT)
        scaled = (
            f'The overlay of {{}} is scaled to {size[0]}x{size[1]} pixels (width x height): a JPEG '
            'file has no longer sides.'
        )
        yield 'overlay', overlay, None if size == image.shape[1::-1] else scaled
        if self.confidence:
            yield 'confidence', marks.mark_png(_grey(probabilities.max(axis=-1), np.uint8)), None
        if self.probabilities == 'npz':
            yield 'probabilities', marks.mark_npz(_npz(probabilities, info.class_names)), None
        if self.probabilities == 'png16':
            for index, name in enumerate(info.class_names):
                yield _of_class(name), marks.mark_png(_grey(probabilities[..., index])), None


def _of_class(name):
    return f'map of the probability of {name!r}'


def _npz(probabilities, class_names):
    file = io.BytesIO()
    np.savez_compressed(
        file, probabilities=probabilities.astype(np.float16), classes=np.array(class_names)
    )
    return file.getvalue()


def _grey(values, kind=np.uint16):
    """Returns values in [0, 1] as a grey PNG file of 8 or 16 bits."""
    return pictures.encode_png(np.rint(values * np.iinfo(kind).max).astype(kind))
