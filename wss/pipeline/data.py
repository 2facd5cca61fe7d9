"""The data of a run: a dataset, its views, and three choices of examples."""

import dataclasses
import functools
import os
import pathlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from wss.datasets.examples import Examples, request
from wss.datasets.info import MAY_CHANGE, OF_HOST
from wss.datasets.lists import held_out, selection, validation_masks
from wss.networks import network as networks
from wss.pipeline import batches, evaluation, frame
from wss.pipeline.frame import Frame
from wss.settings import callables, ranges
from wss.settings.missing import Missing
from wss.views.views import Views

ListFile = str | Callable[[], str] | None
# A crop that shows a smaller part of a typical image is warned about.
_SMALL_PART = 1 / 8
_MOST_PIXELS_A_SIDE = 2**16


@dataclasses.dataclass(frozen=True)
class Labelled:
    """The labelled images: all of them have masks.

    Attributes:
        split: Name of the split.
        list_file: File of ids, one a line (or as in `Folder.splits`), to which the split is
            narrowed; or a function that returns its path when the run starts (`OfficialList`). Only
            these images are read. None for all.
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
    list_file: ListFile = dataclasses.field(default=None, metadata=OF_HOST)
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
        exclude_held_out: Whether images of validation and tests are left out: those of
            `Validation.split`, and of every split of the dataset with a word in its name that
            begins with `val`, `eval` or `test`, unless it is `Unlabelled.split` or
            `Labelled.split`. Images are the same if their ids are.
        batch_size: Images a step, of all replicas together.
    """

    split: str = 'train'
    list_file: ListFile = dataclasses.field(default=None, metadata=OF_HOST)
    masks: bool = True
    exclude_labelled: bool = False
    exclude_held_out: bool = True
    batch_size: int = 8

    def __post_init__(self):
        _check_stream('Unlabelled', self)
        ranges.switch('Unlabelled.masks', self.masks)
        ranges.switch('Unlabelled.exclude_labelled', self.exclude_labelled)
        ranges.switch('Unlabelled.exclude_held_out', self.exclude_held_out)

    def choice(self) -> selection.Choice:
        """Returns the choice of examples, the list found."""
        return selection.Choice(self.split, _path('Unlabelled.list_file', self.list_file))


@dataclasses.dataclass(frozen=True)
class Validation:
    """The images on which weights are scored, and the best ones chosen.

    Attributes:
        split: Name of the split; None for no evaluation.
        batch_size: Images a batch, of all replicas together; rounded up to a multiple of the
            replicas. A batch has images of one padded size. Where `size` does not fix it, a batch
            has fewer images if they are large: at most 4 million pixels, or one image.
        size: Height and width to which whole images are padded, in evaluation, prediction and
            export alike, such as the paper's (513, 513). None, or an image that is larger, means
            the image's own size, rounded up to a multiple of the output stride plus 1. A TPU needs
            a size that holds all images, unless these are equally large.
    """

    split: str | None = 'val'
    batch_size: int = dataclasses.field(default=8, metadata=MAY_CHANGE)
    size: tuple[int, int] | None = None

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
        long_side: Pixels of the longer side to which larger images are scaled down: in training,
            evaluation, prediction and export alike. Predictions have the image's own size, and
            scores compare them with masks of that size. None for no scaling.
    """

    make_dataset: Callable[[], Any]
    make_views: Callable[[], Any]
    labelled: Labelled = dataclasses.field(default_factory=Labelled)
    unlabelled: Unlabelled = dataclasses.field(default_factory=Unlabelled)
    validation: Validation = dataclasses.field(default_factory=Validation)
    long_side: int | None = None

    def frame(self, backbone) -> Frame:
        """Returns how whole images are brought before a network.

        Raises:
            ValueError: If `Validation.size` or `long_side` is no size that the backbone takes.
        """
        smallest, size = networks.smallest_crop(backbone)[0], self.validation.size
        if self.long_side is not None:
            ranges.whole('Data.long_side', self.long_side, smallest, _MOST_PIXELS_A_SIDE)
        if size is not None:
            if not isinstance(size, tuple | list) or len(size) != 2:
                raise ValueError(
                    f'Validation.size is {size!r}; it must be (height, width) or None.'
                )
            for side in size:
                ranges.whole('Validation.size', side, smallest, _MOST_PIXELS_A_SIDE)
            size = tuple(size)
        return frame.for_backbone(backbone, size, self.long_side)

    def __post_init__(self):
        ranges.part('Data.labelled', self.labelled, Labelled)
        ranges.part('Data.unlabelled', self.unlabelled, Unlabelled)
        ranges.part('Data.validation', self.validation, Validation)

    def choices(self) -> dict[str, selection.Choice]:
        """Returns the choices of both streams; finds, or fetches, their lists."""
        return {'labelled': self.labelled.choice(), 'unlabelled': self.unlabelled.choice()}

    def select(
        self, dataset, method, choices: Mapping[str, selection.Choice]
    ) -> tuple[dict[str, Examples], Examples | None]:
        """Selects the examples of the streams and of validation, and checks them.

        Warns of labelled images that are held out for validation or tests.

        Args:
            dataset: What `make_dataset` made.
            method: A `Method`, with `needs_unlabelled` and `needs_image_labels`.
            choices: From `choices`.

        Returns:
            Examples by stream: `labelled`, and `unlabelled` if the method needs it; scaled down
            as `long_side` says. And the examples of the validation split, not scaled; None without
            one.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a choice does not fit the dataset, or masks do not fit its classes.
        """
        missing, labelled, unlabelled = Missing(), None, None
        validation = held = None
        with missing.noted():
            labelled = selection.labelled_examples(dataset, choices['labelled'])
            selection.check_classes(labelled, dataset.info)
        with missing.noted():
            validation = self._validation(dataset)
            held = self._held_out(dataset, method, validation)
        if labelled and held:
            held_out.warn_of_labelled(labelled.ids, held)
        left_out = labelled.ids if labelled and self.unlabelled.exclude_labelled else ()
        with missing.noted():
            unlabelled = selection.unlabelled_examples(
                dataset,
                method,
                choices['unlabelled'],
                left_out,
                self.unlabelled.masks,
                held if self.unlabelled.exclude_held_out else None,
            )
        missing.refuse()
        streams = {'labelled': labelled, 'unlabelled': unlabelled}
        scaled = {
            name: frame.scaled_examples(examples, self.long_side)
            for name, examples in streams.items()
            if examples is not None
        }
        return scaled, validation

    def _validation(self, dataset):
        """Returns the validation examples, checked; None without a split."""
        split = self.validation.split
        if not split:
            return None
        examples = request(dataset, split)
        validation_masks.check(examples, dataset.info, split)
        return examples

    def _held_out(self, dataset, method, validation):
        """Returns the ids that are held out, by split."""
        used = {self.labelled.split}
        if method.needs_unlabelled:
            used.add(self.unlabelled.split)
        return held_out.find(dataset, self.validation.split, validation, used)

    def warn_of_small_crops(self, labelled: Examples, crop_size: tuple[int, int]) -> None:
        """Warns where crops are less than an eighth of the area of a typical labelled image.

        Args:
            labelled: The labelled examples, from `select`.
            crop_size: Height and width of the crops.
        """
        typical = frame.typical_size(labelled)
        if typical is None:
            return
        part = crop_size[0] * crop_size[1] / (typical[0] * typical[1])
        if part < _SMALL_PART:
            long_side = 2 * max(crop_size)  # A crop then shows a quarter or more.
            warnings.warn(
                f'The crops of training, {crop_size[1]} x {crop_size[0]} pixels (width x height), '
                f'show {100 * part:.2g} % of a typical labelled image ({typical[1]} x '
                f'{typical[0]}): what is larger than a crop cannot be learnt. Set Data.long_side '
                f'(such as {long_side}), which scales images down everywhere, or a larger '
                'Views.crop_size.',
                stacklevel=2,
            )

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
        self, examples: Examples, frame: Frame, replicas: int, fill: bool = False
    ) -> evaluation.WholeImages:
        """Returns what makes the batches of whole images.

        Args:
            examples: The examples to score, not scaled.
            frame: How images are scaled and padded.
            replicas: How many replicas share a batch.
            fill: Whether all batches must have one size, as on a TPU.
        """
        batch_size = self.validation.rounded_batch_size(replicas)
        return evaluation.WholeImages(examples, frame, batch_size, replicas, fill)

    def batch_sizes(self, streams: Iterable[str]) -> dict[str, int]:
        """Returns how many images of each of these streams a step learns from."""
        return {name: getattr(self, name).batch_size for name in streams}


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
