"""Which of the images without masks to label next."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence

import numpy as np

from wss.datasets.files import decoding, finding
from wss.inference import marks
from wss.inference.progress import Progress


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An image that could be labelled next.

    Attributes:
        image: Its path.
        confidence: Mean probability of the likeliest class over its pixels, 0 to 1.
        classes: Names of the classes that its label shows, the largest first, no background.
    """

    image: str
    confidence: float
    classes: tuple[str, ...]


def order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sorts images: the least confident first, and no class before the others have had a turn.

    The largest class of an image decides whose turn it takes; images without a class have one of
    their own. Classes take turns in the order of their least confident images.

    Args:
        candidates: The images.

    Example:
        >>> from wss.inference.label_next import Candidate, order
        >>> cats = Candidate('a', 0.5, ('cat',)), Candidate('b', 0.6, ('cat', 'dog'))
        >>> [one.image for one in order([*cats, Candidate('c', 0.7, ())])]
        ['a', 'c', 'b']
    """
    groups = {}
    for one in sorted(candidates, key=lambda one: (one.confidence, one.image)):
        groups.setdefault(one.classes[:1], []).append(one)
    turns = max(map(len, groups.values()), default=0)
    return [group[turn] for turn in range(turns) for group in groups.values() if turn < len(group)]


def write(path: str, targets: Mapping[str, str], info) -> None:
    """Writes the images, sorted by `order`, as CSV.

    Args:
        path: The file.
        targets: By the path of an image that of its label and confidence, without `.png` and
            `_confidence.png`. An image without these is left out.
        info: The `DatasetInfo`.

    Raises:
        tf.errors.OpError: If it cannot be written.
    """
    found, progress = [], Progress('sorted', len(targets))
    for number, (image, target) in enumerate(targets.items(), start=1):
        mask, confidence = f'{target}.png', f'{target}_confidence.png'
        if marks.is_whole(mask) and marks.is_whole(confidence):
            found.append(_candidate(image, mask, confidence, info))
        progress.show(number)
    progress.clear()
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['image', 'confidence', 'classes'])
    for one in order(found):
        writer.writerow([finding.shown(one.image), f'{one.confidence:.4f}', '; '.join(one.classes)])
    marks.write_noted(path, file.getvalue())


def _candidate(image, mask, confidence, info):
    counts = np.bincount(decoding.decode_mask(mask).ravel(), minlength=256)[: info.num_classes]
    counts[: int(info.has_background)] = 0
    shown = [i for i in np.argsort(-counts, kind='stable') if counts[i]]
    mean = float(decoding.decode_mask(confidence).mean() / 255)
    return Candidate(image, mean, tuple(info.class_names[i] for i in shown))
