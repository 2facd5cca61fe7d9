"""Comparison of an archive with what is published about it."""

import hashlib
import logging
import time

from etils import epath

_LOGGER = logging.getLogger(__name__)
_BLOCK = 1 << 22
_PROGRESS_SECONDS = 15.0


def check(archive, path) -> bool:
    """Compares the size and checksum of an archive with the published ones.

    Args:
        archive: An `archives.Archive`.
        path: Where it lies.

    Returns:
        Whether a checksum is published (and is right).

    Raises:
        ValueError: If the size or the checksum is another.
    """
    path = epath.Path(path)
    advice = (
        f'Remove it and get it again{f" from {archive.page}" if archive.page else ""}; to use '
        'other files than the official ones on purpose, unpack them yourself there.'
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
    kind = 'sha256' if archive.sha256 else 'md5'
    found = _checksum(path, kind, size)
    if found != expected:
        raise ValueError(
            f'{path} is damaged or not the official file: its {kind.upper()} is {found}, that of '
            f'the official file {expected}. {advice}'
        )
    return True


def _checksum(path, kind, size):
    digest, done, reported = hashlib.new(kind), 0, time.monotonic()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if time.monotonic() - reported > _PROGRESS_SECONDS:
                reported = time.monotonic()
                _LOGGER.info('Checking %s: %d %% done.', path, 100 * done // max(size, 1))
    return digest.hexdigest()
