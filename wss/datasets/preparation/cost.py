"""What the preparation of a dataset will take: disk space and time."""

import dataclasses

from etils import epath

from wss.datasets.files import durations
from wss.datasets.preparation import archives, disk, downloads, unpacking

# Assumed rates.
_DOWNLOAD_RATE = 20e6  # Bytes a second.
_UNPACK_RATE = 100e6  # Bytes a second, checksum and writing to a disk.
_SLACK = 0.9  # The estimate may be too high: this share of it must be free.


@dataclasses.dataclass(frozen=True)
class Records:
    """Estimates for the records of a build.

    Attributes:
        count: Records of all splits together.
        size: Mean bytes of a record: an image as in the official archive, and a mask.
        rate: Records that one core writes in a second.
    """

    count: int
    size: int
    rate: float


@dataclasses.dataclass(frozen=True)
class Cost:
    """What remains to be done.

    Attributes:
        lines: One line for each archive.
        to_download: Bytes.
        to_unpack: Bytes that unpacked files will take.
        to_write: Bytes of records.
        seconds: Estimated time.
        free: Free bytes on the disk of `data_dir`; None if unknown, as on `gs://`.
        data_dir: The folder, for messages.
        records: What the time was estimated from; None if the builder does not know.
    """

    lines: tuple[str, ...]
    to_download: int
    to_unpack: int
    to_write: int
    seconds: float
    free: int | None
    data_dir: str
    records: Records | None

    @property
    def needed(self) -> int:
        """Bytes that the disk of `data_dir` must hold."""
        return self.to_download + self.to_unpack + self.to_write

    def text(self) -> str:
        """Returns the message before a preparation."""
        free = 'the free space is unknown' if self.free is None else f'{_gb(self.free)} are free'
        records, writing = 'records of unknown size', ''
        if self.records is not None:
            records = f'about {_gb(self.to_write)} of records'
            writing = f' and to write {self.records.rate:.0f} of {self.records.count:,} records'
        return '\n'.join(
            [
                *self.lines,
                f'Disk: {_gb(self.to_download)} of downloads, {_gb(self.to_unpack)} of unpacked '
                f'files and {records}, {_gb(self.needed)} together; {free} in {self.data_dir}.',
                f'Time: about {durations.about(self.seconds)}, if a second is enough to download '
                f'{_DOWNLOAD_RATE / 1e6:.0f} MB, to unpack {_UNPACK_RATE / 1e6:.0f} MB{writing}.',
            ]
        )

    def check(self) -> None:
        """Raises an OSError if the disk is clearly too small."""
        if self.free is not None and self.needed * _SLACK > self.free:
            raise OSError(
                f'The disk of {self.data_dir} is too small: about {_gb(self.needed)} are needed '
                f'and {_gb(self.free)} are free. Free some space, choose another data_dir, or '
                'unpack the archives elsewhere and give that folder as manual_dir.'
            )


def estimate(needed, records: Records | None, data_dir: str, manual_dir, dataset: str) -> Cost:
    """Estimates what remains to be done, from the files that exist.

    Args:
        needed: Archives.
        records: What will be written; None if unknown.
        data_dir: Folder in which datasets are built, local or `gs://`.
        manual_dir: The user's folder with archives, or None.
        dataset: Name of the dataset, which is its folder in the cache of downloads.
    """
    lines, to_download, to_unpack = [], 0, 0
    cache = epath.Path(data_dir) / 'downloads'
    for archive in needed:
        path = archives.find(archive, manual_dir) or downloads.find(archive, cache, dataset)
        size = archive.size or 0
        if path is None:
            to_download += size
            state = f'{_gb(size)} to download'
            if manual_dir is not None and epath.Path(manual_dir).exists():
                state += f'; {manual_dir} does not hold {archives.describe(archive)}'
        elif path.is_dir():
            lines.append(f'{archive.name}: unpacked in {path}')
            continue
        else:
            size = path.stat().length
            state = f'{_gb(size)} in {path.parent}'
            if unpacking.is_unpacked(path, archive.name, cache / 'extracted', archive.shows):
                lines.append(f'{archive.name}: {state}, unpacked')
                continue
        to_unpack += archive.unpacked or size
        lines.append(f'{archive.name}: {state}')
    return Cost(
        tuple(lines),
        to_download,
        to_unpack,
        to_write=records.count * records.size if records else 0,
        seconds=to_download / _DOWNLOAD_RATE
        + to_unpack / _UNPACK_RATE
        + (records.count / records.rate if records else 0),
        free=disk.free(data_dir),
        data_dir=data_dir,
        records=records,
    )


def _gb(size):
    return f'{size / 1e9:.1f} GB'
