"""The position of each record of a prepared dataset, for random access.

`wss.prepare` writes an index beside the records of every split. If it is missing, or does not fit
the files, it is made again, which reads all records once.
"""

import dataclasses
import io
import json
import logging
import os
import re
import warnings
import zipfile

import numpy as np
import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.records import frames as record_frames

_LOGGER = logging.getLogger(__name__)
_SHARD = re.compile(r'.+-(?P<split>\w+)\.tfrecord-(?P<number>\d{5})-of-(?P<count>\d{5})')
_CLASSES = 256  # Class indices fit into a byte.
_MOST_SIDE = 10**6  # Pixels.


@dataclasses.dataclass(frozen=True)
class RecordIndex:
    """What is known about `n` examples without reading them.

    Attributes:
        files: Path of each file of the split.
        ids: string `[n]`, ids of the examples.
        shard: int64 `[n]`, the position in `files` of the file of each.
        offset: int64 `[n]`, the position of its data in that file, in bytes.
        length: int64 `[n]`, the length of its data, in bytes.
        size: int64 `[n, 2]`, height and width of the image in pixels.
        has_label: bool `[n]`, whether it has a mask.
        mask_classes: bool `[n, 256]`, the classes that the mask shows.
        has_image_label: bool `[n]`, whether it has image-level labels from another source.
        image_classes: bool `[n, 256]`, the classes of these labels.
    """

    files: tuple[str, ...]
    ids: np.ndarray
    shard: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    size: np.ndarray
    has_label: np.ndarray
    mask_classes: np.ndarray
    has_image_label: np.ndarray
    image_classes: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, ids) -> 'RecordIndex':
        """Returns the index of the examples of these ids, in this order."""
        position = {name: i for i, name in enumerate(self.ids.tolist())}
        rows = [position[name] for name in ids]
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return dataclasses.replace(self, **columns)


_COLUMNS = tuple(f.name for f in dataclasses.fields(RecordIndex) if f.name != 'files')


def splits(folder: str) -> dict[str, tuple[str, ...]]:
    """Returns the files of each split of a prepared dataset, from their names.

    Args:
        folder: Folder of one version of one dataset, as tensorflow-datasets writes it.

    Raises:
        ValueError: If files of a split are missing.
    """
    found = {}
    for name in sorted(tf.io.gfile.listdir(folder)):
        match = _SHARD.fullmatch(name)
        if match:
            found.setdefault((match['split'], int(match['count'])), []).append(name)
    for (split, count), names in found.items():
        if len(names) != count:
            raise ValueError(
                f'Split {split!r} in {folder} has {len(names)} of its {count} files; delete the '
                'folder and build the dataset again with wss.prepare.'
            )
    return {
        split: tuple(os.path.join(folder, name) for name in names)
        for (split, _), names in found.items()
    }


def read(folder: str, split: str) -> RecordIndex:
    """Returns the index of a split; makes it again if it is missing or out of date.

    Raises:
        ValueError: If there is no such split, or files are missing or damaged.
    """
    found = splits(folder)
    if split not in found:
        raise ValueError(f'{folder} has no split {split!r}; it has {", ".join(found)}.')
    path, files = _path(folder, split), found[split]
    if index := _load(path, files):
        return index
    _LOGGER.info('Reading the records of split %r once, to index them.', split)
    index = _scan(files, split)
    try:
        _save(path, index)
    except (OSError, tf.errors.OpError) as error:
        warnings.warn(
            f'The index {path} cannot be written, so it is made every time: {error}', stacklevel=2
        )
    return index


def _path(folder, split):
    return os.path.join(folder, f'index-{split}.npz')


def _scan(files, split) -> RecordIndex:
    columns = {name: [] for name in _COLUMNS}
    for number, path in enumerate(files):
        for item in record_frames.walk(path, verify=False):
            if isinstance(item, Exception):
                raise ValueError(
                    f'{item} Delete {os.path.dirname(path)} and build it again with wss.prepare.'
                )
            frame, data = item
            row = {'shard': number, 'offset': frame.offset, 'length': frame.length}
            for name, value in {**row, **_facts(data, frame)}.items():
                columns[name].append(value)
    if not columns['ids']:
        raise ValueError(
            f'The files of split {split!r} ({files[0]}, ...) hold no records; delete '
            f'{os.path.dirname(files[0])} and build it again with wss.prepare.'
        )
    return RecordIndex(files, **{name: np.array(value) for name, value in columns.items()})


def _facts(data, frame) -> dict:
    """Returns what the index keeps of one record, without its position."""
    try:
        features = tf.train.Example.FromString(data).features.feature

        def numbers(name):
            return list(features[name].int64_list.value)

        def present(name):
            row = np.zeros(_CLASSES, bool)
            if min(numbers(name), default=0) < 0:
                raise ValueError(f'{name} has an index below 0')
            row[numbers(name)] = True
            return row

        def side(name):
            (pixels,) = numbers(name)
            if not 1 <= pixels <= _MOST_SIDE:
                raise ValueError(f'{name} is {pixels}')
            return pixels

        return {
            'ids': features['id'].bytes_list.value[0].decode(),
            'size': (side('height'), side('width')),
            'has_label': bool(numbers('has_label')[0]),
            'mask_classes': present('mask_classes'),
            'has_image_label': bool(numbers('has_image_label')[0]),
            'image_classes': present('image_classes'),
        }
    except Exception as error:  # Protocol buffers and missing features raise many types.
        raise ValueError(
            f'The {frame} is not a record of wss.prepare; build the dataset again with it.'
        ) from error


def _file_sizes(files):
    return {os.path.basename(path): tf.io.gfile.stat(path).length for path in files}


def _save(path, index):
    columns = {name: getattr(index, name) for name in _COLUMNS}
    for name in ('mask_classes', 'image_classes'):
        columns[name] = np.packbits(columns[name], axis=1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, files=json.dumps(_file_sizes(index.files)), **columns)
    whole.write(path, buffer.getvalue())


def _load(path, files) -> RecordIndex | None:
    """Returns the index in a file; None if it is missing, damaged or of other records."""
    if not tf.io.gfile.exists(path):
        return None
    try:
        content, sizes = whole.read(path), _file_sizes(files)
        _refuse_bloated(content, sum(sizes.values()))
        columns = dict(np.load(io.BytesIO(content)))
        if json.loads(str(columns.pop('files'))) != sizes:
            return None
        for name in ('mask_classes', 'image_classes'):
            columns[name] = np.unpackbits(columns[name], axis=1).astype(bool)
        index = RecordIndex(files, **columns)
        _check(index, list(sizes.values()))
        return index
    except Exception:  # Damaged files make NumPy raise errors of many types.
        return None


def _refuse_bloated(content, records):
    """Refuses an index that takes far more memory than the bytes of its records (ValueError)."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > 2**20 + 10 * records:
        raise ValueError('The index is larger than its records.')


def _check(index, sizes):
    """Refuses an index that does not fit the sizes of its files in bytes (ValueError).

    TensorFlow reserves the memory for a record before it reads it, whatever the length is.
    """
    count = len(index.ids)
    shapes = {'ids': (), 'size': (2,), 'mask_classes': (_CLASSES,), 'image_classes': (_CLASSES,)}
    for name in _COLUMNS:
        column = getattr(index, name)
        flags = name.startswith(('has_', 'mask_', 'image_'))
        dtype = column.dtype if name == 'ids' else np.dtype(bool if flags else np.int64)
        if column.dtype != dtype or column.shape != (count, *shapes.get(name, ())):
            raise ValueError(f'The column {name} is {column.dtype} {column.shape}.')
    if index.ids.dtype.kind != 'U':
        raise ValueError('The ids are no text.')
    if not count or np.any((index.shard < 0) | (index.shard >= len(sizes))):
        raise ValueError('A record is in no file.')
    ends = np.array(sizes)[index.shard] - record_frames.FOOT
    # Subtractions of what is known to be small cannot overflow.
    fits = (index.offset >= record_frames.HEAD) & (index.offset <= ends)
    if not np.all(fits & (index.length >= 0) & (index.length <= ends - index.offset)):
        raise ValueError('A record is outside of its file.')
    if np.any((index.size < 1) | (index.size > _MOST_SIDE)):
        raise ValueError('An image has an impossible size.')
