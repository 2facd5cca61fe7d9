"""What the preparation of a dataset will take: bytes on disk and time."""

import dataclasses
import os
import shutil

from etils import epath

from wss.datasets.files import durations
from wss.datasets.preparation import archives, downloads, unpacking

# Assumed rates, for the estimate of the time.
_DOWNLOAD_RATE = 20e6  # Bytes a second.
_UNPACK_RATE = 100e6  # Bytes a second, checksum and writing to a disk.
_SLACK = 0.9  # Estimates may be too high by as much.


@dataclasses.dataclass(frozen=True)
class Records:
    """What a build will hold, roughly.

    Attributes:
        count: Records of all splits together.
        size: Mean bytes of a record: those of an image in the official archives, and a mask.
        rate: Records that one core writes in a second.
    """

    count: int
    size: int
    rate: float


@dataclasses.dataclass(frozen=True)
class Cost:
    """What is still to be done, from what is there already.

    Attributes:
        lines: One line for each archive.
        to_download: Bytes.
        to_unpack: Bytes that unpacked files will take.
        to_write: Bytes of records.
        seconds: Estimate.
        free: Free bytes on the disk of `data_dir`; None if not known, as on `gs://`.
        data_dir: The folder, for the message.
        records: What the time was estimated from.
    """

    lines: tuple[str, ...]
    to_download: int
    to_unpack: int
    to_write: int
    seconds: float
    free: int | None
    data_dir: str
    records: Records

    @property
    def needed(self) -> int:
        """Bytes on the disk of `data_dir`."""
        return self.to_download + self.to_unpack + self.to_write

    def text(self) -> str:
        """Returns the message before a preparation."""
        free = 'free space is not known' if self.free is None else f'{_gb(self.free)} are free'
        return '\n'.join(
            [
                *self.lines,
                f'Disk: {_gb(self.to_download)} of downloads, {_gb(self.to_unpack)} of unpacked '
                f'files and about {_gb(self.to_write)} of records, {_gb(self.needed)} together; '
                f'{free} in {self.data_dir}.',
                f'Time: about {durations.about(self.seconds)}, if a second is enough to download '
                f'{_DOWNLOAD_RATE / 1e6:.0f} MB, to unpack {_UNPACK_RATE / 1e6:.0f} MB and to '
                f'write {self.records.rate:.0f} of about {self.records.count:,} records.',
            ]
        )

    def check(self) -> None:
        """Raises an OSError if the disk is clearly too small."""
        if self.free is not None and self.needed * _SLACK > self.free:
            raise OSError(
                f'The disk of {self.data_dir} is too small: about {_gb(self.needed)} are needed '
                f'and {_gb(self.free)} are free. Make room, choose another data_dir, or unpack '
                'the archives elsewhere and name that folder as manual_dir.'
            )


def estimate(needed, records: Records, data_dir: str, manual_dir, dataset: str) -> Cost:
    """Looks at what is there and estimates what remains to be done.

    Args:
        needed: Archives.
        records: What will be written.
        data_dir: Folder in which datasets are built, local or `gs://`.
        manual_dir: The user's folder with archives, or None.
        dataset: Name of the dataset, of which the cache of downloads has a folder.
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
        to_write=records.count * records.size,
        seconds=to_download / _DOWNLOAD_RATE
        + to_unpack / _UNPACK_RATE
        + records.count / records.rate,
        free=_free(data_dir),
        data_dir=data_dir,
        records=records,
    )


def _free(folder):
    if '://' in folder:
        return None
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return shutil.disk_usage(folder).free


def _gb(size):
    return f'{size / 1e9:.1f} GB'
