"""Comparison of an archive with what is published about it."""

import hashlib
import logging

from etils import epath
from tensorflow_datasets.core.download import checksums

_LOGGER = logging.getLogger(__name__)


def check(archive, path) -> bool:
    """Compares the size and checksum of an archive with the published ones.

    tensorflow-datasets does so for what it downloads itself, by SHA-256 alone.

    Args:
        archive: An `archives.Archive`.
        path: Its path, local or `gs://`.

    Returns:
        Whether a checksum is published (and the archive has it).

    Raises:
        ValueError: If the size or the checksum differs.
    """
    path = epath.Path(path)
    advice = (
        f'Delete it and get it again{f" from {archive.page}" if archive.page else ""}. To use '
        'files other than the official ones, unpack them there yourself.'
    )
    size = path.stat().length
    if archive.size and size != archive.size:
        kind = 'cut off' if size < archive.size else 'not the official file'
        raise ValueError(
            f'{path} is {kind}: it has {size} bytes, the official file {archive.size}. {advice}'
        )
    expected = archive.sha256 or archive.md5
    if not expected:
        return False
    kind = 'SHA256' if archive.sha256 else 'MD5'
    _LOGGER.info('Checking the %s of %s (%.2f GB).', kind, path, size / 1e9)
    found = checksums.compute_url_info(path, getattr(hashlib, kind.lower())).checksum
    if found != expected:
        raise ValueError(
            f'{path} is damaged or not the official file: its {kind} is {found}, that of the '
            f'official file {expected}. {advice}'
        )
    return True
