"""What a run is, in the lines that it prints before its first step."""

import dataclasses
import textwrap
from collections.abc import Mapping

import numpy as np

from wss.datasets.examples import Examples
from wss.pipeline import frame
from wss.training import log
from wss.training.schedule import Schedule

_SAMPLE = 64  # Masks that are read where the dataset has not counted their pixels.
_WIDTH = 100  # Characters.
_TIED = '\N{NO-BREAK SPACE}'  # Before a unit, while lines are broken.


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the lines are about.

    Attributes:
        workdir: Folder of the run.
        examples: Examples by stream: `labelled`, and, if there are any, `unlabelled` and
            `validation`.
        batch_sizes: Images a step by stream, without validation.
        crop_size: Height and width of the crops in pixels.
        steps: Steps of the whole run.
        devices: As in `run.json` (`record.devices`).
        precision: See `Compute.precision`.
    """

    workdir: str
    examples: Mapping[str, Examples]
    batch_sizes: Mapping[str, int]
    crop_size: tuple[int, int]
    steps: int
    devices: Mapping
    precision: str


def lines(facts: Facts) -> list[str]:
    """Returns the lines; reads up to 64 masks where the dataset has not counted their pixels."""
    labelled = facts.examples['labelled']
    counts = ', '.join(_count(name, part) for name, part in facts.examples.items())
    batch = ' + '.join(f'{size} {name}' for name, size in facts.batch_sizes.items())
    height, width = facts.crop_size
    pixels, read = _class_pixels(labelled)
    return [
        f'Run folder: {facts.workdir}',
        f'Images: {counts}.',
        f'Crops: {width}x{height} of {sizes(labelled)} pixels (width x height).',
        *class_lines(labelled.info.class_names, pixels, read, len(labelled)),
        f'Steps: {facts.steps:,} of {batch} images.',
        f'Device: {device(facts.devices)}; precision {facts.precision}.',
    ]


def batch_rule(asked: Schedule, schedule: Schedule, batch_sizes: Mapping, method) -> str:
    """Returns the sentence about steps and learning rate where they follow the batch.

    Args:
        asked: The schedule for its `reference_batch_size`.
        schedule: The schedule for the batch of the run.
        batch_sizes: See `Facts`.
        method: A compiled `Method`.
    """
    rate = log.current_learning_rate(method.optimizer)
    return (
        f'{schedule.steps} steps of {batch_sizes["labelled"]} labelled images, the learning rate '
        f'{rate:.6g} at first: {asked.steps} steps of {asked.reference_batch_size} by the rule of '
        'the reference batch.'
    )


def _count(stream, examples):
    """Returns how many images a stream has, and how many of them were held out."""
    held_out = ', '.join(
        f'{count:,} of {split}' for split, count in (examples.held_out or {}).items()
    )
    return f'{len(examples):,} {stream}' + (f' ({held_out} left out)' if held_out else '')


def sizes(examples: Examples) -> str:
    """Returns what is known of the size of images, as width x height."""
    if examples.sizes is None or not len(examples.sizes):
        height, width = examples.max_size
        return f'images of up to {width}x{height}'
    height, width = frame.typical_size(examples)
    is_one = (np.asarray(examples.sizes) == (height, width)).all()
    return f'images of {"" if is_one else "typically "}{width}x{height}'


def class_lines(class_names, pixels: np.ndarray, read: int, masks: int) -> list[str]:
    """Returns the lines about the classes, and their shares of the labelled pixels.

    Args:
        class_names: Name of each class.
        pixels: `[C]`, labelled pixels of each class.
        read: Number of masks in which these were counted.
        masks: Number of labelled masks.
    """
    total = max(1, int(np.sum(pixels)))
    named = list(zip(class_names, pixels, strict=True))
    shares = ', '.join(f'{name} {_percent(number / total)}' for name, number in named)
    where = f', counted in {read:,} of {masks:,} masks' if read < masks else ''
    found = _wrapped(f'Shares of the labelled pixels ({len(named)} classes{where}): {shares}.')
    absent = ', '.join(name for name, number in named if not number)
    if absent:
        found += _wrapped(
            f'{"None of these masks" if where else "No labelled mask"} shows: {absent}.'
        )
    return found


def device(devices: Mapping) -> str:
    """Returns what computes, from what `run.json` says of the devices."""
    logical = ' '.join(devices['logical'])
    kind = next((kind for kind in ('TPU', 'GPU') if f':{kind}:' in logical), 'CPU')
    names = f' ({", ".join(devices["gpus"])})' if kind == 'GPU' and devices['gpus'] else ''
    replicas = devices['replicas']
    return f'{kind}{names}' if replicas == 1 else f'{replicas} replicas, each on a {kind}{names}'


def _class_pixels(examples):
    """Returns the pixels of each class `[C]`, and in how many masks they were counted."""
    if examples.class_pixels is not None:
        return examples.class_pixels.sum(axis=0), len(examples)
    count, num_classes = len(examples), examples.info.num_classes
    rows = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).round().astype(np.int64))
    pixels = np.zeros(num_classes, np.int64)
    for label in examples.labels(rows):
        label = label.ravel()
        pixels += np.bincount(label[(label >= 0) & (label < num_classes)], minlength=num_classes)
    return pixels, len(rows)


def _percent(share):
    if not share:
        return f'0{_TIED}%'
    return f'{100 * share:.1f}{_TIED}%' if share >= 0.0005 else f'below 0.1{_TIED}%'


def _wrapped(text):
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_TIED, ' ') for line in lines]
