"""Scores of a trained method on masks, image by image."""

import csv
import dataclasses
import io
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.files import whole
from wss.results import by_image, confusion, pictures
from wss.results.by_image import ByImage

_WORST = 10


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation image by image found.

    Attributes:
        scores: The scores by class, as `Experiment.evaluate` returns them.
        confusion: Pixels by true (rows) and predicted class, int64 `[C, C]`.
        images: Counts of each image.
        examples: The images and masks.
        predict: From uint8 `[H, W, 3]` to a label map int32 `[H, W]`.
    """

    scores: dict
    confusion: np.ndarray
    images: ByImage
    examples: Examples
    predict: Callable[[np.ndarray], np.ndarray]

    def write(self, folder: str | os.PathLike) -> None:
        """Writes the details into a folder, which is made if it does not exist.

        `confusion.csv` and `confusion.png`; `images.csv` with the mIoU of each image, the worst
        first; and `worst.jpg`: the ten worst images, their masks and predictions.

        Raises:
            tf.errors.OpError: If the folder cannot be written.
        """
        names = self.examples.info.class_names
        tf.io.gfile.makedirs(folder)
        whole.write(os.path.join(folder, 'confusion.csv'), confusion.as_csv(self.confusion, names))
        picture = pictures.encode_png(confusion.picture(self.confusion, names))
        whole.write(os.path.join(folder, 'confusion.png'), picture)
        whole.write(os.path.join(folder, 'images.csv'), self._lines())
        worst = [self._shown(index) for index in self.images.worst(_WORST)]
        sheet, _ = pictures.encode_jpeg(pictures.validation_panel(worst, self.examples.info), b'')
        whole.write(os.path.join(folder, 'worst.jpg'), sheet)

    def _lines(self):
        """Returns a line of CSV for each image with labelled pixels."""
        right, true, _ = np.moveaxis(self.images.counts.sum(axis=-1), -1, 0)
        miou, file = self.images.miou(), io.StringIO()
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['id', 'miou', 'pixel_accuracy', 'pixels'])
        for i in self.images.worst(len(self.images.ids)):
            accuracy = f'{right[i] / true[i]:.6f}'
            writer.writerow([self.images.ids[i], f'{miou[i]:.6f}', accuracy, true[i]])
        return file.getvalue()

    def _shown(self, index):
        example = self.examples.load(tf.constant(index, tf.int64))
        image = example['image'].numpy()
        return image, example['label'].numpy(), self.predict(image)


def compare(first: Evaluation, second: Evaluation) -> dict:
    """Compares two runs on the same images; see `by_image.difference`.

    Returns:
        `iou` by class and `miou`, each `first`, `second`, `difference`, `low` and `high`; None for
        a class that a run neither shows nor predicts.

    Raises:
        ValueError: If the images, the masks or the classes differ.
    """
    names = first.examples.info.class_names
    if names != second.examples.info.class_names:
        raise ValueError(
            f'The runs have other classes: {", ".join(names)}; and '
            f'{", ".join(second.examples.info.class_names)}.'
        )
    found = by_image.difference(first.images, second.images)
    parts = ('first', 'second', 'difference', 'low', 'high')

    def named(row):
        return None if row is None else dict(zip(parts, row, strict=True))

    iou = {name: named(row) for name, row in zip(names, found['iou'], strict=True)}
    return {'iou': iou, 'miou': named(found['miou'])}
