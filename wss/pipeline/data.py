"""The data of a run: a dataset, its views, and three choices of examples."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.lists import selection
from wss.pipeline import batches, evaluation
from wss.settings import callables, ranges
from wss.settings.missing import Missing
from wss.views.views import Views

# Metadata of the settings that a resumed run may change: they do not change the weights.
MAY_CHANGE = {'may_change': True}
ListFile = str | Callable[[], str] | None


@dataclasses.dataclass(frozen=True)
class Labelled:
    """The labelled images: all of them have masks.

    Attributes:
        split: Name of the split.
        list_file: File of ids, one a line, to which the split is narrowed; or a function that
            returns its path when the run starts (`OfficialList`). Only these images are read. None
            for all.
        amount: How many (int) or which share (float) of these is sampled; None for all.
        seed: Seed of the sample.
        every_class: Whether every class that one of these shows must be in the sample.
        batch_size: Images a step, of all replicas together.

    Example:
        >>> from wss.pipeline.data import Labelled
        >>> Labelled(split='train', amount=0.125, seed=1).choice().amount
        0.125
    """

    split: str = 'train'
    list_file: ListFile = None
    amount: int | float | None = None
    seed: int = 0
    every_class: bool = False
    batch_size: int = 8

    def __post_init__(self):
        _check_stream('Labelled', self)
        ranges.whole('Labelled.seed', self.seed, 0, ranges.SEEDS)
        ranges.switch('Labelled.every_class', self.every_class)
        if isinstance(self.amount, float):
            ranges.number('Labelled.amount', self.amount, 1e-9, 1, 'a share, above 0.0 and to 1.0')
        elif self.amount is not None:
            most, described = 10**9, 'a count, such as 46, or a share, such as 0.125'
            ranges.whole('Labelled.amount', self.amount, 1, most, described)

    def choice(self) -> selection.Choice:
        """Returns the choice of examples, the list found."""
        path = _path('Labelled.list_file', self.list_file)
        return selection.Choice(self.split, path, self.amount, self.seed, self.every_class)


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """The unlabelled images, of methods that learn from some.

    Attributes:
        split: Name of the split.
        list_file: As in `Labelled`.
        masks: Whether masks are read where there are some: they measure the pseudo labels, and
            image-level labels come from them in weak mode. False saves time; in weak mode the
            dataset must then give image-level labels itself.
        exclude_labelled: Whether the labelled images are left out; the paper keeps them in.
        batch_size: Images a step, of all replicas together.
    """

    split: str = 'train'
    list_file: ListFile = None
    masks: bool = True
    exclude_labelled: bool = False
    batch_size: int = 8

    def __post_init__(self):
        _check_stream('Unlabelled', self)
        ranges.switch('Unlabelled.masks', self.masks)
        ranges.switch('Unlabelled.exclude_labelled', self.exclude_labelled)

    def choice(self) -> selection.Choice:
        """Returns the choice of examples, the list found."""
        return selection.Choice(self.split, _path('Unlabelled.list_file', self.list_file))


@dataclasses.dataclass(frozen=True)
class Validation:
    """The images on which weights are scored, and the best ones chosen.

    Attributes:
        split: Name of the split; None for no evaluation.
        batch_size: Images a batch, of all replicas together; rounded up to a multiple of the
            replicas. What fills the last batch does not count.
    """

    split: str | None = 'val'
    batch_size: int = dataclasses.field(default=8, metadata=MAY_CHANGE)

    def __post_init__(self):
        if self.split is not None:
            ranges.text('Validation.split', self.split)
        ranges.whole('Validation.batch_size', self.batch_size, 1, ranges.MOST_IN_BATCH)

    def rounded_batch_size(self, replicas: int) -> int:
        """Returns the batch size, rounded up to a multiple of the replicas."""
        return -(-self.batch_size // replicas) * replicas


@dataclasses.dataclass(frozen=True)
class Data:
    """Dataset, views, and which examples a run takes.

    Attributes:
        make_dataset: Makes the dataset, with `info` and `examples(split, labels, ids)`.
        make_views: Makes the `Views`.
        labelled: The labelled images.
        unlabelled: The unlabelled images.
        validation: The images to score.
    """

    make_dataset: Callable[[], Any]
    make_views: Callable[[], Any]
    labelled: Labelled = dataclasses.field(default_factory=Labelled)
    unlabelled: Unlabelled = dataclasses.field(default_factory=Unlabelled)
    validation: Validation = dataclasses.field(default_factory=Validation)

    def __post_init__(self):
        ranges.part('Data.labelled', self.labelled, Labelled)
        ranges.part('Data.unlabelled', self.unlabelled, Unlabelled)
        ranges.part('Data.validation', self.validation, Validation)

    def choices(self) -> dict[str, selection.Choice]:
        """Returns the choices of both streams; finds, or fetches, their lists."""
        return {'labelled': self.labelled.choice(), 'unlabelled': self.unlabelled.choice()}

    def select(
        self, dataset, method, choices: Mapping[str, selection.Choice]
    ) -> dict[str, Examples]:
        """Selects the examples of the streams, and checks them.

        Args:
            dataset: What `make_dataset` made.
            method: A `Method`, with `needs_unlabelled` and `needs_image_labels`.
            choices: From `choices`.

        Returns:
            Examples by stream: `labelled`, and `unlabelled` if the method needs it.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a choice does not fit the dataset.
        """
        missing, labelled, unlabelled, left_out = Missing(), None, None, ()
        with missing.noted():
            labelled = selection.labelled_examples(dataset, choices['labelled'])
            selection.check_classes(labelled, dataset.info)
            left_out = labelled.ids if self.unlabelled.exclude_labelled else ()
        with missing.noted():
            unlabelled = selection.unlabelled_examples(
                dataset, method, choices['unlabelled'], left_out, self.unlabelled.masks
            )
        missing.refuse()
        streams = {'labelled': labelled, 'unlabelled': unlabelled}
        return {name: examples for name, examples in streams.items() if examples is not None}

    def training_batches(
        self,
        streams: Mapping[str, Examples],
        views: Views,
        padding_value: tuple[float, float, float],
        seed: int,
        workers: int | None = None,
    ) -> Callable[..., tf.data.Dataset]:
        """Returns what makes the batches from a step on; see `batches.training_batches`.

        Args:
            streams: What `select` returned.
            views: What `make_views` made.
            padding_value: Three floats in 0..255, the RGB outside the image.
            seed: Seed of the run.
            workers: Threads that make views; None for one a core.
        """
        sized = {
            name: batches.Stream(examples, getattr(self, name).batch_size)
            for name, examples in streams.items()
        }
        return functools.partial(
            batches.training_batches, sized, views, padding_value, seed, workers=workers
        )

    def validation_batches(
        self,
        examples: Examples,
        size: tuple[int, int],
        padding_value: tuple[float, float, float],
        replicas: int,
    ) -> Callable[[tf.distribute.InputContext | None], tf.data.Dataset]:
        """Returns what makes the batches of whole images; see `evaluation.evaluation_batches`.

        Args:
            examples: The examples to score.
            size: Height and width to pad to.
            padding_value: Three floats in 0..255, the RGB outside the image.
            replicas: How many replicas share a batch.
        """
        batch_size = self.validation.rounded_batch_size(replicas)
        return lambda context: evaluation.evaluation_batches(
            examples, size, padding_value, batch_size, context=context
        )

    def images_per_step(self, streams: Mapping[str, Examples]) -> int:
        """Returns how many images of these streams a step learns from."""
        return sum(getattr(self, name).batch_size for name in streams)


def _check_stream(name, stream):
    ranges.text(f'{name}.split', stream.split)
    ranges.whole(f'{name}.batch_size', stream.batch_size, 1, ranges.MOST_IN_BATCH)
    if stream.list_file is not None and not callable(stream.list_file):
        ranges.path(f'{name}.list_file', stream.list_file)


def _of_package(path: str) -> str:
    """Returns a path; that of the package if it is in `gin_configs` and missing here."""
    if path.startswith(f'gin_configs{os.sep}') and not os.path.exists(path):
        package = pathlib.Path(__file__).resolve().parents[1]
        for home in (package.parent, package):  # In the repository, and installed.
            if (home / path).is_file():
                return str(home / path)
    return path


def _path(setting: str, list_file: ListFile) -> str | None:
    """Returns the path of a list, which a function may have to find."""
    if not callable(list_file):
        return list_file if list_file is None else _of_package(os.fspath(list_file))
    callables.check(setting, list_file, 'a function that returns the path of a list')
    found = list_file()
    if not isinstance(found, str | os.PathLike):
        raise ValueError(
            f'{setting} is {ranges.shown(list_file)}, which returned {ranges.shown(found)}; it '
            'must return the path of a list.'
        )
    return found
