"""Downloads of archives by tensorflow-datasets (tfds), which keeps complete files."""

import contextlib
import logging
import urllib.error
import urllib.request

from etils import epath
from tensorflow_datasets.core.download import download_manager
from tensorflow_datasets.core.download import resource as tfds_resource

from wss.datasets.preparation import checksum, disk

_LOGGER = logging.getLogger(__name__)
_ANSWER_SECONDS = 30


def find(archive, download_dir, dataset: str) -> epath.Path | None:
    """Returns the path of the complete archive in the cache of tfds; None if it is not there."""
    for url in archive.urls:
        path = epath.Path(download_dir) / dataset / tfds_resource.get_dl_fname(url, archive.sha256)
        if tfds_resource.is_locally_cached(path):
            return path
    return None


def download(archive, dl_manager) -> epath.Path:
    """Downloads an archive into the cache of tfds, unless it is there.

    Args:
        archive: An `archives.Archive`; its addresses are tried in order.
        dl_manager: `tfds.download.DownloadManager`, which checks the SHA-256 sums that it knows.

    Returns:
        Path of the archive, which has the published checksum.

    Raises:
        OSError: If no address has it, or the disk is full.
    """
    reasons = []
    for url in archive.urls:
        _LOGGER.info('Downloading %s (%.2f GB) from %s.', archive.name, archive.size / 1e9, url)
        _remove_partial(url, dl_manager)
        try:
            _check_server(url)
            path = epath.Path(dl_manager.download(url))
            if not archive.sha256:  # tfds knows no other checksum.
                _check_download(archive, path)
            return path
        except Exception as error:  # Servers, proxies and tfds fail in many ways.
            _remove_partial(url, dl_manager)
            if disk.is_full(error):
                raise disk.full(dl_manager.download_dir) from error
            if isinstance(error, download_manager.NonMatchingChecksumError):
                reasons.append(
                    f'the file of {url} is not the official one (wrong size or checksum)'
                )
            else:
                # URLError prints its reason in angle brackets, its subclasses do not.
                reason = error.reason if type(error) is urllib.error.URLError else error
                reasons.append(f'{url}: {" ".join(str(reason).split()).rstrip(".")}')
            _LOGGER.warning('The download failed: %s.', reasons[-1])
    raise OSError(
        f'{archive.name} could not be downloaded: {"; ".join(reasons)}. Run the same command '
        'again, or get the file in another way and put it into manual_dir.'
    )


def _check_server(url):
    """Raises an OSError if a server does not answer; tfds would wait very long."""
    if url.startswith('http'):
        request = urllib.request.Request(url, method='HEAD')
        # An error status is an answer too: some servers refuse HEAD.
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()


def _check_download(archive, path):
    try:
        checksum.check(archive, path)
    except ValueError as error:
        path.unlink()
        tfds_resource.get_info_path(path).unlink(missing_ok=True)
        raise download_manager.NonMatchingChecksumError(str(error)) from error


def _remove_partial(url, dl_manager):
    """Deletes what an interrupted or refused download left; tfds does not use or delete it."""
    pattern = f'*/{tfds_resource.get_dl_fname(url)}.tmp.*'
    for folder in epath.Path(dl_manager.download_dir).glob(pattern):
        _LOGGER.info('Deleting the remains of an earlier download: %s.', folder)
        folder.rmtree()
