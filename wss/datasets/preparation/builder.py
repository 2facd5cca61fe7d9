"""The contract of a dataset that `wss.prepare` builds: one class, in a file of its own.

The file lies in `wss/datasets/preparation/builders`, or anywhere else:

    python -m wss.prepare --dataset lakes.py --data_dir D --manual_dir M

The class derives from `SegmentationBuilder` and defines three things: the classes, the archives,
and the records of each split. `records.example` makes and checks a record.

    class Lakes(SegmentationBuilder):
        \"\"\"Photos of lakes with masks of the water.\"\"\"

        CLASSES = DatasetInfo('lakes', ('land', 'water'), ((0, 0, 0), (0, 0, 255)))
        archives = (Archive('lakes.zip', shows=('lakes/images', 'lakes/masks')),)

        def splits(self, sources):
            source = sources['lakes.zip']
            return {'train': photos(source, 'train.txt'), 'val': photos(source, 'val.txt')}

The build has the name of the class and of the configuration: `lakes/all` here, `my_lakes/all` for a
class `MyLakes`. Training reads it with `Prepared.name = 'lakes/all'`. The build holds the classes
too, so that no other file of the package needs to know them.
"""

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import tensorflow_datasets as tfds

from wss.datasets.files import reasons
from wss.datasets.info import DatasetInfo
from wss.datasets.preparation import archives as archive_files
from wss.datasets.preparation import records
from wss.datasets.preparation.archives import Archive, Source
from wss.datasets.preparation.cost import Records


class SegmentationBuilder(tfds.core.GeneratorBasedBuilder):
    """Base class of the builders. The docstring of a builder describes its dataset.

    Attributes:
        CLASSES: Classes of the masks.
        archives: The archives that `self.builder_config` needs; an attribute or a property.
        optional_archives: Archives that are used if the user has them.
        VERSION: Raise it when the records change: training reads the newest version.
        BUILDER_CONFIGS: The configurations; `all` unless a builder names its own.
        COST: By configuration, estimates for the message before a preparation. Optional.
        HOMEPAGE: Address of a page about the dataset. Optional, as are the next two.
        CITATION: BibTeX.
        LICENCE: Terms of use.
    """

    CLASSES: ClassVar[DatasetInfo]
    VERSION: ClassVar = tfds.core.Version('1.0.0')
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name='all', description='The whole dataset.')
    ]
    COST: ClassVar[Mapping[str, Records]] = {}
    HOMEPAGE: ClassVar[str] = ''
    CITATION: ClassVar[str] = ''
    LICENCE: ClassVar[str] = ''
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        'Archives in manual_dir, or folders unpacked from them, are used as they are. The others '
        'are downloaded.'
    )
    optional_archives: Sequence[Archive] = ()

    @property
    @abc.abstractmethod
    def archives(self) -> Sequence[Archive]:
        """The archives that `self.builder_config` needs."""

    @abc.abstractmethod
    def splits(self, sources: Mapping[str, Source]) -> Mapping[str, Iterable[dict]]:
        """Returns the records of each split.

        Args:
            sources: By the name of an archive, its unpacked files: of `archives`, and of the
                `optional_archives` that the user has.

        Returns:
            From the name of a split (letters, digits and `_`) to its records, which
            `records.example` makes. Use generators: records hold whole images. Check here that
            files exist, before the first record is written.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is damaged or does not fit.
        """

    @property
    def url_infos(self):
        """Checksums for the downloads of tensorflow-datasets."""
        return archive_files.url_infos(self.archives)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__ or type(self).__name__,
            features=records.features(),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            license=self.LICENCE,
        )

    def _split_generators(self, dl_manager):
        folder = archive_files.manual_dir(dl_manager)
        there = [item for item in self.optional_archives if archive_files.find(item, folder)]
        needed = [*self.archives, *there]
        sources = archive_files.fetch_all(needed, dl_manager)
        names = [item.name for item in needed]
        splits = self.splits(dict(zip(names, sources, strict=True)))
        check_splits(type(self), splits)
        return {split: self._keyed(split, made) for split, made in splits.items()}

    def _generate_examples(self):
        """Not used: `_split_generators` returns the records."""

    def _keyed(self, split, made) -> Iterator[tuple[str, dict]]:
        """Checks records and yields each with its id as key."""
        what = f'Split {split} of {type(self).__name__}'
        seen = set()
        for record in made:
            check_record(record, self.CLASSES, what)
            if record['id'] in seen:
                raise ValueError(f'{what} has two records of the id {record["id"]!r}.')
            seen.add(record['id'])
            yield record['id'], record
        if not seen:
            raise ValueError(f'{what} has no records.')


def check_class(builder: type) -> None:
    """Refuses a class that does not define what a builder must (ValueError)."""
    name = builder.__name__
    lacking = [
        part
        for part in ('CLASSES', 'archives', 'splits')
        if part in builder.__abstractmethods__ or not hasattr(builder, part)
    ]
    if lacking:
        raise ValueError(
            f'{name} does not define {" and ".join(lacking)}; a builder needs CLASSES, archives '
            f'and splits (see {__name__}).'
        )
    if not isinstance(builder.CLASSES, DatasetInfo):
        raise ValueError(f'{name}.CLASSES must be a DatasetInfo, not {builder.CLASSES!r}.')
    if not builder.BUILDER_CONFIGS:
        raise ValueError(f'{name}.BUILDER_CONFIGS is empty; omit it for a single configuration.')


def check_builder(builder: tfds.core.DatasetBuilder) -> None:
    """Refuses a builder with wrong archives or features (ValueError)."""
    name = type(builder).__name__
    for part in ('archives', 'optional_archives'):
        value = getattr(builder, part)
        if not isinstance(value, Sequence) or not all(isinstance(v, Archive) for v in value):
            raise ValueError(f'{name}.{part} must be a sequence of Archive, not {value!r}.')
    if builder.info.features.get_tensor_info() != records.features().get_tensor_info():
        raise ValueError(
            f'{name} has other features than records.features(); do not override _info.'
        )


def check_splits(builder: type, splits) -> None:
    """Refuses a result of `splits` that does not map names to records (ValueError)."""
    name = builder.__name__
    if not isinstance(splits, Mapping) or not splits:
        raise ValueError(
            f'{name}.splits must return a dict from names of splits to records, not {splits!r}.'
        )
    for split, made in splits.items():
        if not isinstance(split, str) or not split.isidentifier() or not split.isascii():
            raise ValueError(
                f'{name}.splits names a split {split!r}; a name has letters, digits and _ only.'
            )
        if not isinstance(made, Iterable):
            raise ValueError(f'{name}.splits must give records for {split!r}, not {made!r}.')


def check_record(record, info: DatasetInfo, what: str) -> None:
    """Refuses a record that `records.example` did not make, or not for `info` (ValueError)."""
    expected = set(records.features())
    if not isinstance(record, dict) or set(record) != expected:
        kind = f'a dict with {", ".join(record)}' if isinstance(record, dict) else repr(record)[:80]
        raise ValueError(
            f'{what} gives {kind}, which is not a record; make records with records.example.'
        )
    shown = {*record['mask_classes'], *record['image_classes']}
    outside = sorted(index for index in shown if index >= info.num_classes)
    if outside:
        raise ValueError(
            f'{what}: the record {record["id"]!r} shows class '
            f'{reasons.list_some(map(str, outside))}, but the last of CLASSES is '
            f'{info.num_classes - 1}; pass CLASSES to records.example.'
        )
