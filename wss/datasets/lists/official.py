"""The id lists of the labelled sets of Zou et al. (2021): fetched where they are published.

The authors publish them in https://github.com/googleinterns/wss, folder `data_splits` (`2_clean` in
pull request 8 of that repository). A list is fetched once, at a fixed commit, and kept in a cache;
only one with the SHA-256 given here is ever used.
"""

import dataclasses
import http.client
import os
import urllib.error
import urllib.request

import tensorflow as tf

from wss.datasets.files import whole
from wss.datasets.info import OF_HOST
from wss.settings import ranges

_SECONDS = 30  # To wait for the server.
_MOST_BYTES = 2**20  # The longest list has 85,031.
_RELEASE = '8069dbe8b68b409a891224508f35c6ae5ecec4c9'
_PULL_REQUEST = 'e2879341e87d73ed2b6d866f70c8d72c492e3235'


@dataclasses.dataclass(frozen=True)
class Published:
    """Where a list is published and what it holds.

    Attributes:
        path: Path in the authors' repository.
        sha256: SHA-256 of the file, hexadecimal.
        count: Number of ids.
        commit: Commit of the authors' repository.
    """

    path: str
    sha256: str
    count: int
    commit: str = _RELEASE

    @property
    def url(self) -> str:
        """Address of the file, whose content is fixed by the commit in it."""
        return f'https://raw.githubusercontent.com/googleinterns/wss/{self.commit}/{self.path}'


def _voc(name, *rest):
    return Published(f'data_splits/pascal_voc_seg/{name}.txt', *rest)


def _coco(name, *rest):
    return Published(f'data_splits/coco/{name}.txt', *rest)


# `16_clean` was sampled three times; the paper reports number 3.
LISTS = {
    'voc/2_clean': _voc(
        '2_clean',
        '5fef6d10440f157ddd4408bf72401f27c72faf4d0f5f61b26d916ad0a96a40cb',
        732,
        _PULL_REQUEST,
    ),
    'voc/4_clean': _voc(
        '4_clean', '4b58843de93dc6927e66a6ae10e0dd257f70ddc370c0875a42a79419290d745a', 366
    ),
    'voc/8_clean': _voc(
        '8_clean', '7d364bb88766ba220e68e01eb066d94e714349209af73608eaf8940ca2cdedc9', 183
    ),
    'voc/16_clean_3': _voc(
        '16_clean_3', 'a2a472eb74fcf8f3ec462d1151f98f68bfcbded3fbfd08c08a49b2d9d7a51ca5', 92
    ),
    'voc/16_clean_14': _voc(
        '16_clean_14', 'd9a31f5d479024a4bec996f9f4059ddf4877ba18383e282aa3a403b8e31e485e', 92
    ),
    'voc/16_clean_20': _voc(
        '16_clean_20', '0fec5a3639a87837aea30609d25d5a45b3234e875be887c314d1808a3c9b9786', 92
    ),
    'coco/32_all': _coco(
        '32_all', '550f36b5eace9b69b7e5d0f0f65a417768d5143146817fa85c36e1e066a238cc', 3697
    ),
    'coco/64_all': _coco(
        '64_all', '82890b4d98e8aab261a3d88100fcf2f0dff1314bd2d04afc7c5dcdd5eaf23754', 1849
    ),
    'coco/128_all': _coco(
        '128_all', '7619a4e8bddbde7066c16e36e97eefa2bc3077b24b06994a3647907beec91138', 925
    ),
    'coco/256_all': _coco(
        '256_all', 'ee7dccf67b1440e3b09ba56ada3f39010d62fc133888ebcef6e6b2e799006941', 463
    ),
    'coco/512_all': _coco(
        '512_all', 'fb9d176965ae8b1f8848ae944b947eebfa5fcd1948e4b3e4761aae1eff8f0a17', 232
    ),
}


@dataclasses.dataclass(frozen=True)
class OfficialList:
    """A list for `Labelled.list_file`: calling it returns its path, and fetches it if needed.

    Attributes:
        name: One of `LISTS`, such as `voc/4_clean`.
        folder: Folder that has the lists, so that nothing is fetched; None for the cache.
        cache_dir: Folder in which fetched lists are kept; `~/.cache/wss/lists` if None.

    Example:
        >>> from wss.datasets.lists.official import LISTS, OfficialList
        >>> labelled = OfficialList('voc/4_clean')  # Called, it returns the path of its file.
        >>> LISTS[labelled.name].count
        366
    """

    name: str
    folder: str | None = dataclasses.field(default=None, metadata=OF_HOST)
    cache_dir: str | None = dataclasses.field(default=None, metadata=OF_HOST)

    def __post_init__(self):
        ranges.choice('OfficialList.name', self.name, tuple(LISTS))
        for name in ('folder', 'cache_dir'):
            if getattr(self, name) is not None:
                ranges.path(f'OfficialList.{name}', getattr(self, name))

    def __call__(self) -> str:
        """Returns the path of the list; see `find`."""
        return find(self.name, self.folder, self.cache_dir)


def find(name: str, folder: str | None = None, cache_dir: str | None = None) -> str:
    """Returns the path of a list, and fetches it if needed.

    Args:
        name: One of `LISTS`, such as `voc/4_clean`.
        folder: Folder that has the lists, local or `gs://`: a copy of the authors' `data_splits`
            or repository, or a folder of files such as `voc/4_clean.txt` or `4_clean.txt`. Nothing
            is fetched then. None for the cache.
        cache_dir: Folder in which fetched lists are kept; `wss/lists` in `$XDG_CACHE_HOME`, or in
            `~/.cache`, if None. They are data and can be deleted at any time.

    Returns:
        Path of a file with one id a line.

    Raises:
        ValueError: If there is no such list, or the file is not the published one.
        FileNotFoundError: If `folder` does not have the list.
        OSError: If the list cannot be fetched, or the cache cannot be written.
    """
    if name not in LISTS:
        raise ValueError(
            f'There is no official list {name!r}; it can be one of {", ".join(LISTS)}.'
        )
    if folder is not None:
        return _in_folder(name, whole.expanded(folder))
    if cache_dir is None:
        home = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
        cache_dir = os.path.join(home, 'wss', 'lists')
    path = os.path.join(whole.expanded(cache_dir), f'{name}.txt')
    # A damaged copy is fetched again.
    if not (tf.io.gfile.exists(path) and whole.sha256(whole.read(path)) == LISTS[name].sha256):
        _keep(_fetch(name), path)
    return path


def name_of(sha256: str) -> str | None:
    """Returns the name of the official list with a SHA-256; None if there is none."""
    return next((name for name, known in LISTS.items() if known.sha256 == sha256), None)


def _in_folder(name, folder):
    published = LISTS[name].path
    places = [
        f'{name}.txt',
        os.path.basename(published),
        os.path.relpath(published, 'data_splits'),
        published,
    ]
    for place in places:
        path = os.path.join(folder, place)
        if tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path):
            if whole.sha256(whole.read(path)) != LISTS[name].sha256:
                raise ValueError(
                    f'{path} is not the official list {name} of {LISTS[name].count} ids: its '
                    f'SHA-256 is not {LISTS[name].sha256}. {_by_hand(name)} To use your own list, '
                    'set Labelled.list_file to its path, with a configuration that names no '
                    'OfficialList (datasets/voc.gin, not datasets/voc_4.gin).'
                )
            return path
    raise FileNotFoundError(
        f'The folder {folder} does not have the official list {name}: none of '
        f'{", ".join(places)} is in it. {_by_hand(name)}'
    )


def _fetch(name):
    url = LISTS[name].url
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as response:
            content = response.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        # URLError prints its reason in angle brackets, its subclasses do not.
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise OSError(
            f'The official list {name} cannot be fetched: {reason}. {_by_hand(name)}'
        ) from error
    if whole.sha256(content) != LISTS[name].sha256:
        raise ValueError(
            f'The file of {url} is not the official list {name}: its SHA-256 is not '
            f'{LISTS[name].sha256}. Perhaps a proxy or a login page answered. {_by_hand(name)}'
        )
    return content


def _by_hand(name):
    return (
        f"Download {LISTS[name].url} by hand, and name its folder: OfficialList.folder = 'FOLDER'."
    )


def _keep(content, path):
    """Writes a fetched list to the cache."""
    try:
        tf.io.gfile.makedirs(os.path.dirname(path))
        whole.write(path, content)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, 'message', error)
        raise OSError(
            f'The fetched list cannot be written to {path}: {reason}. Name a folder that can be '
            "written: OfficialList.cache_dir = 'FOLDER'."
        ) from error
