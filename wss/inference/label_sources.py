"""The pseudo labels of whole images, by what they come from, and how good these are."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.inference import memory
from wss.inference.averaging import PLAIN, Averaging
from wss.networks import resize
from wss.pipeline.frame import Frame, original_grid, scaled_images
from wss.results import metrics, reliability
from wss.views.image_label import classes_present

MOST = 500  # Images that are measured.


def for_images(method, rule: Frame) -> Callable[..., dict[str, np.ndarray]]:
    """Returns a function from an image to the distributions of its sources.

    Args:
        method: A `Method` with its weights.
        rule: How images are scaled and padded.

    Returns:
        From uint8 `[H, W, 3]` and image-level labels, float32 `[K]` or None, to float32
        `[H, W, C]` by name (`Segmenter.label_sources`).
    """
    graphs, strategy = {}, method.distribute_strategy

    def on_one_replica(*given):
        # Outside of replicas, moving statistics would be summed over all workers.
        found = strategy.run(compute, given)
        return {name: strategy.experimental_local_results(v)[0] for name, v in found.items()}

    def compute(images, image_label=None):
        size = tf.shape(images)[1:3]
        scaled = scaled_images(images, rule.long_side)
        seen = tf.shape(scaled)[1:3]
        padded = rule.padded_size(seen)
        room = [[0, 0], [0, padded[0] - seen[0]], [0, padded[1] - seen[1]]]
        valid = tf.pad(tf.ones([1, seen[0], seen[1]]), room)
        sources = method.label_sources(rule.padded(scaled, padded), valid, image_label)
        grid = original_grid(seen, size)
        return {name: resize.sample(maps, padded, grid) for name, maps in sources.items()}

    def of_image(image, image_label=None):
        given = [image[np.newaxis].astype(np.float32)]
        if image_label is not None:
            given.append(np.asarray(image_label, np.float32)[np.newaxis])
        if len(given) not in graphs:
            shapes = [[1, None, None, 3], [1, method.info.num_image_classes]][: len(given)]
            specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
            graphs[len(given)] = tf.function(on_one_replica, specs, autograph=False)
        found = graphs[len(given)](*given)
        return {name: maps[0].numpy() for name, maps in found.items()}

    return of_image


def needed(method, rule: Frame, how: Averaging = PLAIN) -> memory.Needed:
    """Returns the memory that the sources of an image need; attention grows with its square.

    Args:
        method: The `Method`.
        rule: How images are scaled and padded.
        how: Its windows; other copies have no sources.
    """
    classes, sources = method.info.num_classes, max(1, len(method.label_settings))

    def arrays(size):
        height, width = how.seen(size)
        of_sources = sources * 4 * classes * height * width
        return memory.ARRAYS * size[0] * size[1] + of_sources + how.bytes_of_sums(size, classes)

    def predict(images):
        return list(method.label_sources(images, tf.ones(images.shape[:3]), None).values())

    def seen(size):
        height, width = rule.padded_size(rule.scaled_size(how.seen(size))).numpy().tolist()
        return height, width

    return memory.Needed(
        arrays=arrays,
        seen=seen,
        network=memory.network_bytes(method, predict),
    )


@dataclasses.dataclass(frozen=True)
class Quality:
    """How good the sources of pseudo labels are on images with masks.

    Attributes:
        confusion: int64 `[C, C]` by name: pixels by true and likeliest class.
        reliability: float64 `[3, bins]` by name; see `reliability.counts`.
        images: How many images were measured.
        too_large: How many were left out, since the memory would not have sufficed.
    """

    confusion: dict[str, np.ndarray]
    reliability: dict[str, np.ndarray]
    images: int
    too_large: int = 0

    def summary(self) -> dict[str, dict]:
        """Returns by name `miou`, `pixel_accuracy`, `calibration_error` and `confidence`.

        Shares in 0..1. `confidence` is the mean of the likeliest class over all pixels,
        `calibration_error` the expected calibration error.
        """
        found = {}
        for name, counts in self.confusion.items():
            scores = metrics.summarise(counts)
            pixels, _, confidence = self.reliability[name].sum(axis=-1)
            found[name] = {
                'miou': scores['miou'],
                'pixel_accuracy': scores['pixel_accuracy'],
                'calibration_error': reliability.expected_calibration_error(self.reliability[name]),
                'confidence': float(confidence / pixels) if pixels else None,
            }
        return found

    def best(self) -> str:
        """Returns the name of the source with the highest mIoU."""
        summary = self.summary()
        return max(summary, key=lambda name: summary[name]['miou'] or 0.0)

    def sentence(self, settings: Mapping[str, tuple[str, bool]]) -> str:
        """Returns which source is the best on these images, and the setting for it.

        Args:
            settings: `Segmenter.label_settings`.
        """
        best, summary = self.best(), self.summary()
        percent = {name: f'{100 * (scores["miou"] or 0):.1f} %' for name, scores in summary.items()}
        others = ', '.join(f'{name} {value}' for name, value in percent.items() if name != best)
        found = (
            f'The best pseudo labels on {self.images} validation images are {best}: mIoU '
            f'{percent[best]} ({others})'
        )
        if self.too_large:
            found = f'{found} ({self.too_large} images were too large for the memory)'
        if best not in settings:
            return f'{found}.'
        setting, has_it = settings[best]
        return f'{found}; {"the run has" if has_it else "choose them with"} {setting}.'

    def table(self) -> str:
        """Lays out `summary` in percent."""
        heads = ('mIoU %', 'accuracy %', 'confidence %', 'calibration error %')
        lines = [f'{"source":<8}' + ''.join(f'  {head}' for head in heads)]
        for name, scores in self.summary().items():
            order = ('miou', 'pixel_accuracy', 'confidence', 'calibration_error')
            values = ('-' if scores[key] is None else f'{100 * scores[key]:.2f}' for key in order)
            cells = (f'  {v:>{len(head)}}' for v, head in zip(values, heads, strict=True))
            lines.append(f'{name:<8}{"".join(cells)}')
        return '\n'.join(lines)


def measure(
    method, rule: Frame, examples: Examples, on_image: Callable[[int], None] = lambda number: None
) -> Quality | None:
    """Measures the sources of a method on images with masks that it did not learn from.

    At most 500 images are measured, at equal distances in their list, without those that the memory
    does not suffice for. In weak mode the image-level labels are those of the mask, as they are
    known in training.

    Args:
        method: A `Method` with its weights, of which the averages are used.
        rule: How images are scaled and padded.
        examples: The images, with label maps.
        on_image: Called with the number of each image that is done.

    Returns:
        None for a method that has one source only, and where no image can be measured.
    """
    if not method.label_settings:
        return None
    info, of_sources, too_large = examples.info, needed(method, rule), 0
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), MOST)).astype(np.int64))
    of_image = for_images(method, rule)
    confusion, counted = {}, {}
    loaded = tf.data.Dataset.from_tensor_slices(chosen).map(examples.load).prefetch(1)
    with method.averaged():
        for number, example in enumerate(loaded.as_numpy_iterator(), start=1):
            labels, known = example['label'], None
            if not memory.fits(labels.shape, of_sources):
                too_large += 1
                continue
            if method.needs_image_labels:
                known = classes_present(tf.constant(labels), info)
            try:
                sources = of_image(example['image'], known)
            except tf.errors.ResourceExhaustedError:  # The memory of a GPU, which is not estimated.
                too_large += 1
                continue
            for name, maps in sources.items():
                if name not in confusion:
                    confusion[name] = metrics.ConfusionMatrix(info.num_classes, info.ignore_value)
                    counted[name] = 0
                confusion[name].update_state(labels, maps.argmax(axis=-1).astype(np.int32))
                counted[name] = counted[name] + reliability.counts(labels, maps, info.ignore_value)
            on_image(number)
    counts = {name: matrix.result().numpy() for name, matrix in confusion.items()}
    return Quality(counts, counted, len(chosen) - too_large, too_large) if counts else None
