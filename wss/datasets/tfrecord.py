"""Images and masks in the TFRecord format of the DeepLab tools."""

import collections
import contextlib
import dataclasses
import fnmatch
import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from wss.datasets import classes, own_classes
from wss.datasets.examples import Examples
from wss.datasets.files import agreement, checks, decoding, loading, reasons, whole
from wss.datasets.files.meaning import Meaning
from wss.datasets.lists import ids as id_lists
from wss.datasets.records import frames as record_frames
from wss.settings import ranges

_BYTES, _NUMBER = 'bytes_list', 'int64_list'
_KINDS = {_BYTES: 'type bytes', _NUMBER: 'type int64', 'float_list': 'type float'}


@dataclasses.dataclass(frozen=True)
class _Record:
    """The result of the checks of a record; `found` is None if it was not checked."""

    frame: record_frames.Frame
    id: str
    has_mask: bool
    found: checks.Checked | None


class TFRecord:
    """TFRecord files of the DeepLab tools, with random access to their records.

    A record has an image in `image/encoded`, its id in `image/filename` (the image ending is
    dropped), and perhaps a mask in `image/segmentation/class/encoded`. `image/height` and
    `image/width` must fit if they are given. EXIF orientation is not applied, as in the tools that
    write the format. Only `examples` reads the files, once from end to end.

    Attributes:
        info: Classes of the dataset.

    Args:
        splits: From the name of a split to the pattern of its files (`voc/train-*`), or to several.
        class_names: Name of each class, in the order of the indices; PASCAL VOC 2012 by default.
        colours: RGB triple of each class in 0..255; the PASCAL VOC colours if None.
        has_background: Whether class 0 is "none of the others". None means True, with a warning if
            the name of class 0 does not say so.
        ignore_value: Value of mask pixels that belong to no class.
        skip_broken: Whether to leave damaged records out, with a warning, instead of refusing them.
        check: `full` decodes every record before training, `headers` compares sizes only.
        name: Name of the dataset.
        bit_depth: As in `Folder`.
        mask_values: `indices` if masks with palettes whose colours differ are right by their
            indices. None: the colours must be the same in all masks. Colours themselves are not
            read here.

    Raises:
        ValueError: If an argument has another value than above.
    """

    # The ids of a run are recorded, so they cannot change with the places.
    of_host = ('splits',)

    def __init__(
        self,
        splits: Mapping[str, str | Sequence[str]],
        class_names: Sequence[str] = classes.VOC.class_names,
        colours: Sequence[Sequence[int]] | None = None,
        has_background: bool | None = None,
        ignore_value: int = 255,
        skip_broken: bool = False,
        check: str = 'full',
        name: str = 'tfrecord',
        bit_depth: int | None = None,
        mask_values: str | None = None,
    ):
        self.info = own_classes.dataset_info(
            'TFRecord', name, class_names, colours, has_background, ignore_value, bit_depth
        )
        ranges.choice('TFRecord.mask_values', mask_values, (None, 'indices'))
        self._rules = Meaning(
            'TFRecord', upright=False, mask_values=mask_values, knows_colours=False
        )
        checks.check_modes('TFRecord', check, skip_broken)
        ranges.mapping('TFRecord.splits', splits)
        for split, patterns in splits.items():
            setting = f'TFRecord.splits[{split!r}]'
            if isinstance(patterns, tuple | list):
                ranges.several(setting, patterns, range(1, 10**6), ranges.path)
            else:
                ranges.path(setting, patterns)
        self._splits = dict(splits)
        self._skip_broken = skip_broken
        self._full = check == 'full'
        # (split, whether masks are read, ids or None) -> results of the checks.
        self._scans = {}
        self._ids = {}  # Split -> its ids.

    def examples(
        self, split: str, labels: str = 'required', ids: Sequence[str] | None = None
    ) -> Examples:
        """Checks the records of a split, or of some of its ids, and gives access to them.

        Args:
            split: Name of a split.
            labels: `required`: every record must have a mask; `available`: a record without a mask
                is ignored everywhere; `none`: masks are not read.
            ids: Ids of the split (with or without ending); only their records are decoded. None
                for all.

        Returns:
            The examples in the order of `ids`, else of the sorted files and their records.

        Raises:
            FileNotFoundError: If no file fits a pattern, or masks are missing.
            ValueError: If the split is unknown, a file or record is damaged or has no example, an
                id has two records, or a mask does not fit its image or the classes. One error holds
                all problems. A `SelectionError` if `ids` do not fit the split.
        """
        checks.check_request(self.info.name, split, self._splits, labels)
        what = f'split {split!r} of dataset {self.info.name!r}'
        with_masks = labels != 'none'
        wanted = None
        if ids is not None:
            known = dict.fromkeys(self.split_ids(split))
            wanted = frozenset(id_lists.match_ids(ids, known, decoding.ENDINGS))
        results = self._scan(split, with_masks, wanted, what)
        maskless = [record.id for record in _records(results, wanted) if not record.has_mask]
        missing = []
        if labels == 'required' and maskless:
            missing.append(
                f'{len(maskless)} of its records have no mask: {reasons.list_some(maskless)}.'
            )
        good = [
            results[i]
            for i in checks.keep_good(results, what, self._skip_broken, missing, 'TFRecord')
        ]
        if ids is not None:
            ids = id_lists.narrow(ids, [record.id for record in good], decoding.ENDINGS)
        records = _records(good, ids)
        _refuse_repeated(records, what)
        self._check_agreement(records)
        heights, widths = zip(*(record.found.size for record in records), strict=True)
        has_label = with_masks and any(record.has_mask for record in records)
        names = tuple(record.id for record in records)
        examples = Examples(
            ids=names,
            load=loading.loader(
                names, lambda i: self._read(records[i], with_masks), has_label, self._full
            ),
            has_label=has_label,
            max_size=(max(heights), max(widths)),
            sizes=np.stack([heights, widths], axis=-1),
            info=self.info,
            mask_classes=checks.mask_classes(r.found for r in records) if has_label else None,
            class_pixels=checks.all_class_pixels(r.found for r in records) if has_label else None,
        )
        return examples if ids is None else examples.select(ids)

    def _check_agreement(self, records):
        found = ((*_names(record.id, record.frame), record.found) for record in records)
        agreement.check(found, self.info, self._rules)

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self._splits)

    def split_ids(self, split: str) -> tuple[str, ...]:
        """Returns the ids of a split; reads its files, but decodes no image."""
        if split not in self._ids:
            self._ids[split] = tuple(_ids_in(self._files(split)))
        return self._ids[split]

    def _scan(self, split, with_masks, wanted, what):
        """Returns a record or an error each; records of other ids are not decoded."""
        for choice in (None, wanted):
            if (split, with_masks, choice) in self._scans:
                return self._scans[split, with_masks, choice]

        def check(item):
            if isinstance(item, Exception):
                raise item
            frame, data = item
            return self._check(frame, data, with_masks, wanted)

        items = (item for path in self._files(split) for item in record_frames.walk(path))
        results = checks.check_all(check, items, what)
        if not results:
            raise ValueError(f'The files of {what} hold no records.')
        self._scans[split, with_masks, wanted] = results
        return results

    def _files(self, split):
        patterns = self._splits[split]
        patterns = [patterns] if isinstance(patterns, str) else list(patterns)
        files = set()
        for pattern in patterns:
            fitting = _fitting(whole.expanded(pattern))
            if not fitting:
                raise FileNotFoundError(
                    f'Dataset {self.info.name!r}: no file fits {pattern} (split {split!r}).'
                )
            files.update(fitting)
        if not files:
            raise ValueError(f'Dataset {self.info.name!r}: split {split!r} names no files.')
        return sorted(files)

    def _check(self, frame, data, with_masks, wanted):
        features = _parse(data, frame)
        name, image, mask = _content(features, frame)
        if wanted is not None and name not in wanted:
            return _Record(frame, name, mask is not None, None)
        given = [_one(features, f'image/{side}', _NUMBER, frame) for side in ('height', 'width')]
        found = checks.check_pair(
            image,
            mask if with_masks else None,
            self.info,
            *_names(name, frame),
            rules=self._rules,
            full=self._full,
        )
        size = found.size
        if any(side not in (None, real) for side, real in zip(given, size, strict=True)):
            raise ValueError(
                f'{_names(name, frame)[0]} is {size[1]}x{size[0]} pixels (width x height), but '
                f'image/width and image/height of its record are {given[1]} and {given[0]}.'
            )
        return _Record(frame, name, mask is not None, found)

    def _read(self, record, with_masks):
        frame = record.frame
        name, image, mask = _content(_parse(record_frames.read(frame), frame), frame)
        return checks.decode_pair(
            image,
            mask if with_masks else None,
            self.info,
            *_names(name, frame),
            rules=self._rules,
        )


def _ids_in(files):
    """Yields the ids in files, without those of damaged records."""
    for path in files:
        for item in record_frames.walk(path):
            if not isinstance(item, Exception):
                frame, data = item
                with contextlib.suppress(ValueError):
                    yield _id(_parse(data, frame), frame)


def _fitting(pattern):
    """Lists the files that fit a pattern; what exists under its very name comes first."""
    if tf.io.gfile.exists(pattern):
        return [pattern]
    folder, name = os.path.split(pattern)
    if folder and tf.io.gfile.isdir(folder):  # Such as `data[1]/train-*`.
        names = [other.rstrip('/') for other in tf.io.gfile.listdir(folder)]
        return [os.path.join(folder, other) for other in sorted(fnmatch.filter(names, name))]
    return tf.io.gfile.glob(pattern)


def _parse(data, frame):
    try:
        return tf.train.Example.FromString(data).features.feature
    except DecodeError as error:
        raise decoding.BrokenFileError(f'The {frame} is not a tf.train.Example.') from error


def _content(features, frame):
    """Returns id, encoded image and encoded mask (None without one) of a record."""
    name = _id(features, frame)
    image = _needed(features, 'image/encoded', frame)
    return name, image, _one(features, 'image/segmentation/class/encoded', _BYTES, frame) or None


def _id(features, frame):
    try:
        return _without_ending(_needed(features, 'image/filename', frame).decode())
    except UnicodeDecodeError as error:
        raise ValueError(f'The {frame} has an image/filename that is not UTF-8.') from error


def _without_ending(name):
    return id_lists.split_ending(name, decoding.ENDINGS)[0]


def _records(results, ids):
    """Returns the records among results of checks: those of `ids`, or all if None."""
    records = [result for result in results if isinstance(result, _Record)]
    if ids is None:
        return records
    ids = set(ids)
    return [record for record in records if record.id in ids]


def _needed(features, key, frame):
    """Returns the bytes of a feature that every record has (or ValueError)."""
    value = _one(features, key, _BYTES, frame)
    if not value:
        raise ValueError(f'The {frame} has no {key}; is it in the format of DeepLab?')
    return value


def _one(features, key, kind, frame):
    """Returns the value of a feature, None without one; refuses another kind (ValueError)."""
    if key not in features:
        return None
    found = features[key].WhichOneof('kind')
    values = getattr(features[key], found).value if found else ()
    if not values:
        return None
    if found == kind and len(values) == 1:
        return values[0]
    raise ValueError(
        f'The {frame} has no {key} that can be read: it holds {len(values)} of {_KINDS[found]}, '
        f'where one of {_KINDS[kind]} is needed. Write the record again.'
    )


def _names(name, frame):
    """Returns the names of the image and the mask of a record in messages."""
    return f'Image {name!r} of {frame}', f'Mask {name!r} of {frame}'


def _refuse_repeated(records, what):
    twice = [name for name, n in collections.Counter(r.id for r in records).items() if n > 1]
    if twice:
        first = [str(record.frame) for record in records if record.id == twice[0]]
        raise ValueError(
            f'{len(twice)} ids of {what} have more than one record, the first: {twice[0]} '
            f'({" and ".join(first[:2])}).'
        )
