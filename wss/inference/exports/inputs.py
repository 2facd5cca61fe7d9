"""What an exported network takes: images of any size, or of one, and how photos become these."""

import dataclasses

import numpy as np
import tensorflow as tf

from wss.pipeline import frame
from wss.pipeline.frame import Frame, Size

Fitted = tuple[np.ndarray, Size]
_LONG_SIDE = 1024  # Where no size is set. The probabilities of 12 million pixels take a gigabyte.
_MOST_SIDE = 8192  # Of 67 million pixels already the images to compare take gigabytes.


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What an exported network takes.

    Attributes:
        frame: How its graph scales and pads images.
        size: Height and width that images have; None for any size.
        long_side: Pixels of the longer side to which larger photos are scaled down before they
            come to the graph; None where the graph scales them, or nobody does.

    Example:
        >>> from wss.inference.exports.inputs import Inputs
        >>> from wss.pipeline.frame import Frame
        >>> inputs = Inputs(Frame(16, (127.5, 127.5, 127.5)), size=(65, 97))
        >>> image, seen = inputs.fitted(np.zeros([90, 60, 3], np.uint8))
        >>> image.shape, seen, image[0, -1].tolist()
        ((65, 97, 3), (65, 43), [128, 128, 128])
    """

    frame: Frame
    size: Size | None = None
    long_side: int | None = None

    @property
    def padding(self) -> tuple[int, int, int]:
        """RGB beside a photo that is smaller than `size`."""
        return tuple(int(value + 0.5) for value in self.frame.padding_value)

    @property
    def fit(self) -> Size | None:
        """Height and width into which photos are scaled down; None if they are not."""
        if self.size is None:
            return self.long_side and (self.long_side, self.long_side)
        longest = self.long_side or max(self.size)
        return min(self.size[0], longest), min(self.size[1], longest)

    def fitted(self, image: np.ndarray) -> Fitted:
        """Scales a photo down, and pads it at the bottom and on the right, as this is needed.

        Args:
            image: uint8 `[H, W, 3]`.

        Returns:
            uint8 `[H', W', 3]`, and which height and width of it are the photo.
        """
        size = np.array(image.shape[:2])
        if self.fit is not None:
            factor = min(1.0, *(np.array(self.fit) / size))
            size = np.maximum(np.round(size * factor).astype(np.int32), 1)
        if tuple(size) != image.shape[:2]:
            image = frame.resized(tf.constant(image[np.newaxis]), size)[0].numpy()
        height, width = map(int, size)
        if self.size is None:
            return image, (height, width)
        padded = np.empty([*self.size, 3], np.uint8)
        padded[:] = self.padding
        padded[:height, :width] = image
        return padded, (height, width)

    def bounded(self, image: np.ndarray) -> np.ndarray:
        """Scales a photo down to 1,024 pixels, where nothing else bounds its size."""
        if self.fit is not None:
            return image
        return frame.scaled_images(tf.constant(image[np.newaxis]), _LONG_SIDE)[0].numpy()


def choose(rule: Frame, size: Size | None, scales: bool, any_size: bool) -> Inputs:
    """Returns what an export takes.

    Args:
        rule: How the run scales and pads images.
        size: Height and width that images shall have; None for the default.
        scales: Whether a graph can scale images.
        any_size: Whether a graph can take images of any size, which is then the default. Otherwise
            the default is the size of the run's evaluation.

    Raises:
        ValueError: If a size is needed, or the network cannot take it.
    """
    if size is None and any_size:
        if scales:
            return Inputs(rule)
        return Inputs(dataclasses.replace(rule, long_side=None), None, rule.long_side)
    if size is None:
        size = rule.size or (rule.long_side and (rule.long_side, rule.long_side))
        if size is None:
            raise ValueError(
                'This format takes images of one size, and the run has none (no Validation.size '
                'and no Data.long_side); give --size HEIGHT,WIDTH.'
            )
    own = dataclasses.replace(rule, size=None, long_side=None)
    smallest = own.padded_size((1, 1)).numpy()[0]
    if min(size) < smallest or max(size) > _MOST_SIDE:
        raise ValueError(
            f'--size is {size[0]},{size[1]}; both sides must be {smallest} to {_MOST_SIDE} for '
            'this network.'
        )
    return Inputs(own, tuple(size), rule.long_side)
