"""The datasets that `wss.prepare` builds: PASCAL VOC 2012, COCO and Cityscapes."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from wss.datasets import classes
from wss.datasets.examples import Examples
from wss.datasets.files import checks
from wss.datasets.info import DatasetInfo
from wss.datasets.lists import ids as id_lists
from wss.datasets.records import index as record_index
from wss.datasets.records import reading as record_reading

_IMAGE_LABELS = ('masks', 'annotations')


@dataclasses.dataclass(frozen=True)
class Prepared:
    """One prepared dataset, with random access to its records.

    Nothing is decoded before it is needed: the records were checked when they were built. What is
    read for the first time is compared with its checksum.

    Attributes:
        name: Dataset and configuration, such as `voc_seg/2012`, `coco_seg/2017` and
            `cityscapes_seg/fine`.
        data_dir: Folder that `wss.prepare --data_dir` named, local or `gs://`.
        splits: From the names of splits here to where they are: a split of `name`, or
            `DATASET/CONFIGURATION:SPLIT` for one of another dataset of the same classes. None for
            the splits of `name` under their own names.
        image_labels: Where image-level labels come from. `masks`: from the masks, as the views
            take them. `annotations`: from what the dataset has besides (VOC's annotation files,
            COCO's categories), so that images need no mask.

    Raises:
        ValueError: If a setting is none of the above.
    """

    name: str
    data_dir: str = dataclasses.field(metadata={'may_change': True})
    splits: Mapping[str, str] | None = None
    image_labels: str = 'masks'

    def __post_init__(self):
        info = self.info
        if self.image_labels not in _IMAGE_LABELS:
            raise ValueError(
                f'Prepared.image_labels is {self.image_labels!r}; it can be one of {_IMAGE_LABELS}.'
            )
        data_dir = os.path.expanduser(os.fspath(self.data_dir))
        if not data_dir:
            raise ValueError('Prepared.data_dir is empty; name the folder that wss.prepare filled.')
        object.__setattr__(self, 'data_dir', data_dir)
        for place in (self.splits or {}).values():
            other, _, _ = place.rpartition(':')
            if other and _info(other) != info:
                raise ValueError(
                    f'Prepared.splits: {place!r} has other classes than {self.name!r}.'
                )

    @property
    def info(self) -> DatasetInfo:
        """Classes of the dataset."""
        return _info(self.name)

    def examples(
        self, split: str, labels: str = 'required', ids: Sequence[str] | None = None
    ) -> Examples:
        """Gives access to the examples of a split.

        Args:
            split: Name of a split.
            labels: `required`: every example must have a mask; `available`: a mask where there is
                one, everything ignored where not; `none`: masks are not decoded.
            ids: Names of the examples to narrow the split to, in this order; None for all.

        Returns:
            The examples, in the order of the records or of `ids`.

        Raises:
            FileNotFoundError: If the dataset was not built.
            SelectionError: If `ids` do not fit the split (a ValueError).
            ValueError: If the split is unknown, masks or image-level labels are missing, or the
                files are damaged.
        """
        folder, stored = self._place(split)
        annotated = self.image_labels == 'annotations'
        checks.check_labels(labels)
        index = record_index.read(folder, stored)
        what = f'split {split!r} of dataset {self.name!r} in {folder}'
        _refuse_twofold(index, what)
        if ids is not None:
            index = index.take(id_lists.narrow(ids, index.ids.tolist()))
        if labels == 'required':
            instead = 'name another split'
            if index.has_image_label.all() and not annotated:
                instead += (
                    ", or, for their image-level labels, take Prepared.image_labels = 'annotations'"
                )
            _require(index, index.has_label, what, 'mask', instead)
        elif annotated:
            instead = "take Prepared.image_labels = 'masks', or name another split"
            _require(index, index.has_image_label, what, 'image-level label', instead)
        has_label = labels != 'none' and bool(index.has_label.any())
        has_image_label = annotated and bool(index.has_image_label.all())
        return Examples(
            ids=tuple(index.ids.tolist()),
            load=_loader(index, has_label, has_image_label, self.info),
            has_label=has_label,
            max_size=tuple(index.size.max(axis=0).tolist()),
            info=self.info,
            has_image_label=has_image_label,
            mask_classes=index.mask_classes[:, : self.info.num_classes] if has_label else None,
        )

    def _place(self, split) -> tuple[str, str]:
        """Returns the folder of the build that has a split, and the name of the split in it."""
        if self.splits is not None and split not in self.splits:
            raise ValueError(
                f'Dataset {self.name!r} has no split {split!r}; Prepared.splits names '
                f'{", ".join(self.splits)}.'
            )
        other, _, stored = (self.splits or {}).get(split, split).rpartition(':')
        return _build_folder(self.data_dir, other or self.name), stored


def _info(name):
    """Returns the classes of `DATASET/CONFIGURATION`."""
    dataset, _, configuration = name.partition('/')
    if dataset not in classes.BY_NAME or not configuration:
        raise ValueError(
            f'Prepared.name = {name!r}: it must be DATASET/CONFIGURATION, such as voc_seg/2012, '
            f'where the dataset is one of {", ".join(classes.BY_NAME)}.'
        )
    return classes.BY_NAME[dataset]


def _build_folder(data_dir, name):
    """Returns the folder of the newest version of a build; only whole ones have a description."""
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
            f'{parent} holds no prepared dataset. Build it: python -m wss.prepare --dataset {name} '
            f'--data_dir {data_dir}; or name the folder that has it (Prepared.data_dir).'
        )
    return found[max(found)]


def _require(index, present, what, thing, instead):
    without = index.ids[~present]
    if without.size:
        raise ValueError(
            f'{len(without)} examples of {what} have no {thing}: {checks.list_some(without)}; '
            f'{instead}.'
        )


def _refuse_twofold(index, what):
    names, counts = np.unique(index.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f'Ids stand on more than one record of {what}: {checks.list_some(names[counts > 1])}; '
            'delete the folder and build the dataset again with wss.prepare.'
        )


def _loader(index, with_label, with_image_label, info):
    """Returns a function from a position to an example that reads only what is asked for."""
    names = tf.constant(index.ids)
    has_label = tf.constant(index.has_label)
    if with_image_label:
        image_labels = index.image_classes[:, int(info.has_background) : info.num_classes]
        image_labels = tf.constant(image_labels, tf.float32)
    read = record_reading.reader(index)

    def load(position):
        record = read(position)
        # Reads PNG files too. Its default is a faster, rougher way than that of other decoders.
        image = tf.io.decode_jpeg(record['image'], 3, dct_method='INTEGER_ACCURATE')
        example = {'image': tf.ensure_shape(image, [None, None, 3]), 'id': names[position]}
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
