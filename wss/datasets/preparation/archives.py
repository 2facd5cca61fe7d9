"""The official archives of a dataset: found in the user's folder, or downloaded.

An `Archive` describes one. `fetch_all` looks for it in `manual_dir`, first as an unpacked folder,
then as the archive. If it is in neither form, tensorflow-datasets (tfds) downloads it and checks
its size and SHA-256. All paths may be local or `gs://`.
"""

import dataclasses
import logging

from etils import epath
from tensorflow_datasets.core.download import checksums

from wss.datasets.preparation import checksum, downloads, unpacking

_LOGGER = logging.getLogger(__name__)
_LISTED = 20  # Names of a folder that an error lists.


@dataclasses.dataclass(frozen=True)
class Archive:
    """One official archive.

    Attributes:
        name: File name, ending in `.zip`, `.tar`, `.tar.gz` or `.tgz`.
        shows: Paths of files or folders in it (`VOCdevkit/VOC2012/JPEGImages`). A folder that has
            all of them is taken for the unpacked archive.
        size: Bytes, if published.
        sha256: SHA-256 of the file, if published.
        md5: MD5 of the file; used where there is no SHA-256.
        urls: Addresses for a download without a login, in the order to try.
        page: Web page where a person gets the file.
        unpacked: Estimated bytes of its files on disk, for the message before a preparation; None
            if about `size`.

    Raises:
        ValueError: If it has an address, but no size or no checksum.
    """

    name: str
    shows: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    urls: tuple[str, ...] = ()
    page: str = ''
    unpacked: int | None = None

    def __post_init__(self):
        if self.urls and not (self.size and (self.sha256 or self.md5)):
            raise ValueError(f'Archive {self.name} has an address, but no size and checksum.')


@dataclasses.dataclass(frozen=True)
class Source:
    """The unpacked files of an archive.

    Attributes:
        folder: The folder in which it was unpacked.
        official: Whether the archive had the published checksum. False for folders that the user
            unpacked.
        advice: What to do if a file is missing.
    """

    folder: epath.Path
    official: bool
    advice: str = 'Unpack or download its archive again.'

    def read(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        path = self.folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise FileNotFoundError(f'File {path} is missing. {self.advice}') from error
        except OSError as error:
            raise OSError(
                f'File {path} cannot be read: {error.strerror or error}. {self.advice}'
            ) from error

    def lines(self, name: str) -> list[str]:
        """Returns the lines of a text file, stripped, without empty ones."""
        try:
            text = self.read(name).decode('utf-8-sig')
        except UnicodeDecodeError as error:
            raise ValueError(f'File {self.folder / name} is not text: {error}.') from error
        return [line.strip() for line in text.splitlines() if line.strip()]

    def names(self, folder: str, ending: str = '') -> list[str]:
        """Returns the sorted names in a folder that have an ending, without hidden ones.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        path = self.folder / folder
        if not path.is_dir():
            raise FileNotFoundError(f'Folder {path} is missing. {self.advice}')
        return sorted(
            entry.name
            for entry in path.iterdir()
            if entry.name.endswith(ending) and not entry.name.startswith('.')
        )


def url_infos(archives) -> dict[str, checksums.UrlInfo]:
    """Returns the SHA-256 sums of archives in the form that tfds expects of a builder."""
    return {
        url: checksums.UrlInfo(archive.size, archive.sha256, archive.name)
        for archive in archives
        if archive.sha256
        for url in archive.urls
    }


def find(archive: Archive, manual_dir) -> epath.Path | None:
    """Looks for an archive in the user's folder.

    Args:
        archive: The archive.
        manual_dir: Folder, local or `gs://`, or None.

    Returns:
        The folder in which it was unpacked: `manual_dir`, or in it a folder with the name of the
        archive without ending. Else the path of the archive. Else None.
    """
    if manual_dir is None:
        return None
    manual_dir = epath.Path(manual_dir).expanduser()
    for folder in (manual_dir, manual_dir / unpacking.stem(archive.name)):
        if all((folder / name).exists() for name in archive.shows):
            return folder
    path = manual_dir / archive.name
    return path if path.exists() else None


def check_present(archives, manual_dir) -> None:
    """Refuses archives that are not in `manual_dir` and cannot be downloaded.

    Args:
        archives: What a builder needs.
        manual_dir: Folder, local or `gs://`, or None.

    Raises:
        FileNotFoundError: With the expected names and the names in `manual_dir`.
    """
    missing = [item for item in archives if not item.urls and find(item, manual_dir) is None]
    if not missing:
        return
    expected = '; '.join(
        f'{describe(item)}{f" from {item.page}" if item.page else ""}' for item in missing
    )
    if manual_dir is None:
        raise FileNotFoundError(
            f'These files cannot be downloaded without a login: {expected}. Put them into a folder '
            'and give it as manual_dir.'
        )
    raise FileNotFoundError(
        f'manual_dir {manual_dir} lacks files that cannot be downloaded without a login: '
        f'{expected}. {_listing(epath.Path(manual_dir).expanduser())}'
    )


def check_useful(archives, manual_dir) -> None:
    """Refuses a user's folder that has none of the archives.

    Args:
        archives: What a builder can use.
        manual_dir: Folder, local or `gs://`.

    Raises:
        FileNotFoundError: With the expected names and the names in `manual_dir`.
    """
    if not any(find(item, manual_dir) for item in archives):
        instead = ', or omit manual_dir' if any(item.urls for item in archives) else ''
        raise FileNotFoundError(
            f'manual_dir {manual_dir} holds none of the expected files: '
            f'{"; ".join(describe(item) for item in archives)}. '
            f'{_listing(epath.Path(manual_dir).expanduser())} Give files their official names'
            f'{instead}.'
        )


def describe(archive: Archive) -> str:
    """Returns the names under which an archive is looked for, for messages."""
    return f'{archive.name} (or, unpacked, {" and ".join(archive.shows)})'


def fetch_all(archives, dl_manager) -> list[Source]:
    """Finds or downloads archives and unpacks them.

    Complete downloads and unpacked archives of an earlier call are used again.

    Args:
        archives: The archives.
        dl_manager: `tfds.download.DownloadManager` of a `SegmentationBuilder`.

    Returns:
        The source of each.

    Raises:
        FileNotFoundError: If one is missing and cannot be downloaded.
        ValueError: If one is not the official file, is damaged, or would write outside its folder.
        OSError: If a download fails or the disk is full.
    """
    archives = list(archives)
    folder = manual_dir(dl_manager)
    check_present(archives, folder)
    return [_fetch(archive, folder, dl_manager) for archive in archives]


def manual_dir(dl_manager) -> epath.Path | None:
    """Returns the user's folder, None without one. (tfds refuses an empty one; this does not.)"""
    try:
        return dl_manager.manual_dir
    except AssertionError:
        return getattr(dl_manager, '_manual_dir', None)


def _fetch(archive, folder, dl_manager):
    path = find(archive, folder)
    if path is None:
        path = downloads.download(archive, dl_manager)
        official = True  # Checked by the download.
    elif path.is_dir():
        _LOGGER.info('Using the unpacked %s in %s.', archive.name, path)
        return Source(path, official=False)
    else:
        official = checksum.check(archive, path)
    _LOGGER.info('Using %s.', path)
    parent = epath.Path(dl_manager.download_dir) / 'extracted'
    unpacked = unpacking.unpack(path, archive.name, parent, archive.shows)
    lacking = [name for name in archive.shows if not (unpacked / name).exists()]
    if lacking:
        raise ValueError(
            f'{path} is not the official {archive.name}: it does not hold {" and ".join(lacking)}. '
            'Delete it and get the official file.'
        )
    return Source(
        unpacked, official, f'Delete the folder {unpacked} and run the same command again.'
    )


def _listing(folder):
    if not folder.exists():
        return 'The folder does not exist.'
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return 'The folder is empty.'
    more = f' and {len(names) - _LISTED} more' if len(names) > _LISTED else ''
    return f'It holds {", ".join(names[:_LISTED])}{more}.'
