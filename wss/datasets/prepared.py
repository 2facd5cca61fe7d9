"""The datasets that `wss.prepare` builds: PASCAL VOC 2012, COCO, Cityscapes and a user's own."""

import dataclasses
import functools
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from wss.datasets import classes
from wss.datasets.examples import Examples
from wss.datasets.files import checks, reasons, whole
from wss.datasets.info import OF_HOST, DatasetInfo
from wss.datasets.lists import ids as id_lists
from wss.datasets.records import description, pixels
from wss.datasets.records import index as record_index
from wss.datasets.records import reading as record_reading
from wss.settings import ranges

_IMAGE_LABELS = ('masks', 'annotations')


@dataclasses.dataclass(frozen=True)
class Prepared:
    """One prepared dataset, with random access to its records.

    Nothing is decoded in advance: the records were checked when they were built. Reading compares
    them with their checksums.

    Attributes:
        name: Dataset and configuration, such as `voc_seg/2012`, `coco_seg/2017` and
            `cityscapes_seg/fine`; for a builder of your own, as `wss.prepare` reports it.
        data_dir: The folder of `wss.prepare --data_dir`, local or `gs://`.
        splits: From new names of splits to stored ones: `SPLIT` of `name`, or
            `DATASET/CONFIGURATION:SPLIT` of another dataset with the same classes. None for the
            splits of `name` under their own names.
        image_labels: Source of image-level labels. `masks`: the views take them from the masks.
            `annotations`: the records have them (from VOC's annotation files or COCO's
            categories), and images need no masks.

    Raises:
        FileNotFoundError: If an unknown dataset is not built.
        ValueError: If an attribute has another value than above.
    """

    name: str
    data_dir: str = dataclasses.field(metadata=OF_HOST)
    splits: Mapping[str, str] | None = None
    image_labels: str = 'masks'

    def __post_init__(self):
        ranges.text('Prepared.name', self.name)
        ranges.path('Prepared.data_dir', self.data_dir)
        if self.splits is not None:
            ranges.mapping('Prepared.splits', self.splits)
            for split, place in self.splits.items():
                ranges.text(f'Prepared.splits[{split!r}]', place)
        if not re.fullmatch('[^/]+/[^/]+', self.name):
            raise ValueError(
                f'Prepared.name = {self.name!r}: it must be DATASET/CONFIGURATION, such as '
                'voc_seg/2012.'
            )
        ranges.choice('Prepared.image_labels', self.image_labels, _IMAGE_LABELS)
        data_dir = whole.expanded(self.data_dir)
        object.__setattr__(self, 'data_dir', data_dir)
        for place in (self.splits or {}).values():
            other, _, _ = place.rpartition(':')
            if other and self._info(other) != self.info:
                raise ValueError(
                    f'Prepared.splits: {place!r} has other classes than {self.name!r}.'
                )

    @functools.cached_property
    def info(self) -> DatasetInfo:
        """Classes of the dataset; those of the paper's datasets are known before the build."""
        return self._info(self.name)

    def examples(
        self, split: str, labels: str = 'required', ids: Sequence[str] | None = None
    ) -> Examples:
        """Gives access to the examples of a split.

        Args:
            split: Name of a split.
            labels: `required`: every example must have a mask; `available`: an example without a
                mask is ignored everywhere; `none`: masks are not decoded.
            ids: Ids to narrow the split to, in this order; None for all.

        Returns:
            The examples, in the order of the records or of `ids`.

        Raises:
            FileNotFoundError: If the dataset is not built.
            SelectionError: If `ids` do not fit the split (a ValueError).
            ValueError: If the split is unknown, masks or image-level labels are missing, or files
                are damaged.
        """
        folder, stored = self._place(split)
        annotated = self.image_labels == 'annotations'
        checks.check_labels(labels)
        index = record_index.read(folder, stored)
        what = f'split {split!r} of dataset {self.name!r} in {folder}'
        _refuse_repeated(index, what)
        if ids is not None:
            index = index.take(id_lists.narrow(ids, index.ids.tolist()))
        if labels == 'required':
            instead = 'name another split'
            if index.has_image_label.all() and not annotated:
                instead += ", or set Prepared.image_labels = 'annotations' for image-level labels"
            _require(index, index.has_label, what, 'mask', instead)
        elif annotated:
            instead = "set Prepared.image_labels = 'masks', or name another split"
            _require(index, index.has_image_label, what, 'image-level label', instead)
        has_label = labels != 'none' and bool(index.has_label.any())
        has_image_label = annotated and bool(index.has_image_label.all())
        return Examples(
            ids=tuple(index.ids.tolist()),
            load=_loader(index, has_label, has_image_label, self.info),
            has_label=has_label,
            max_size=tuple(index.size.max(axis=0).tolist()),
            sizes=index.size,
            info=self.info,
            has_image_label=has_image_label,
            mask_classes=index.mask_classes[:, : self.info.num_classes] if has_label else None,
        )

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits."""
        if self.splits is not None:
            return tuple(self.splits)
        return tuple(record_index.splits(_build_folder(self.data_dir, self.name)))

    def split_ids(self, split: str) -> tuple[str, ...]:
        """Returns the ids of a split; reads its index alone."""
        return tuple(record_index.read(*self._place(split)).ids.tolist())

    def _info(self, name) -> DatasetInfo:
        """Returns the classes of a build, or of a dataset of the package."""
        packaged = classes.BY_NAME.get(name.partition('/')[0])
        try:
            folder = _build_folder(self.data_dir, name)
        except FileNotFoundError:
            if packaged is None:
                raise
            return packaged
        info = description.read(folder) or packaged
        if info is None:
            raise ValueError(
                f'{folder} does not hold classes.json, the classes of its dataset. Run wss.prepare '
                'with its builder again: it adds the file and keeps the records.'
            )
        return info

    def _place(self, split) -> tuple[str, str]:
        """Returns the folder of the build with a split, and the stored name of the split."""
        if self.splits is not None and split not in self.splits:
            raise ValueError(
                f'Dataset {self.name!r} has no split {split!r}; Prepared.splits names '
                f'{", ".join(self.splits)}.'
            )
        other, _, stored = (self.splits or {}).get(split, split).rpartition(':')
        return _build_folder(self.data_dir, other or self.name), stored


def _build_folder(data_dir, name):
    """Returns the folder of the newest finished version of a build."""
    parent = os.path.join(data_dir, name)
    found = {}
    if tf.io.gfile.isdir(parent):
        for entry in tf.io.gfile.listdir(parent):
            match = re.fullmatch(r'(\d+)\.(\d+)\.(\d+)/?', entry)
            folder = os.path.join(parent, entry.rstrip('/'))
            if match and tf.io.gfile.exists(os.path.join(folder, 'dataset_info.json')):
                found[tuple(map(int, match.groups()))] = folder
    if not found:
        raise FileNotFoundError(
            f'{parent} holds no prepared dataset. Build it: python -m wss.prepare --dataset '
            f'{_builder_of(name)} --data_dir {data_dir}; or set Prepared.data_dir to the folder '
            'that has it.'
        )
    return found[max(found)]


def _builder_of(name):
    """Returns what to give `wss.prepare` to build a dataset."""
    return name if name.partition('/')[0] in classes.BY_NAME else 'FILE.py:CLASS'


def _require(index, present, what, thing, instead):
    without = index.ids[~present]
    if without.size:
        raise ValueError(
            f'{len(without)} examples of {what} have no {thing}: {reasons.list_some(without)}; '
            f'{instead}.'
        )


def _refuse_repeated(index, what):
    names, counts = np.unique(index.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f'Ids have more than one record in {what}: {reasons.list_some(names[counts > 1])}; '
            'delete the folder and build the dataset again with wss.prepare.'
        )


def _loader(index, with_label, with_image_label, info):
    """Returns a function from a position to an example, which decodes only what it must have."""
    names = tf.constant(index.ids)
    has_label = tf.constant(index.has_label)
    if with_image_label:
        image_labels = index.image_classes[:, int(info.has_background) : info.num_classes]
        image_labels = tf.constant(image_labels, tf.float32)
    read = record_reading.reader(index)
    folder = os.path.dirname(index.files[0])

    def load(position):
        record = read(position)
        image = pixels.decode_named(record['image'], names[position], folder)
        example = {'image': image, 'id': names[position]}
        if with_label:
            example['label'] = tf.cond(
                has_label[position],
                lambda: tf.cast(tf.io.decode_png(record['label'], 1)[..., 0], tf.int32),
                lambda: tf.fill(tf.shape(image)[:2], info.ignore_value),
            )
        if with_image_label:
            example['image_label'] = image_labels[position]
        return example

    return load
