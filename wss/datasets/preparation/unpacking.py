"""Safe unpacking of tar and zip archives.

Members that point outside the target folder are refused before anything is written, and so is an
archive that is damaged, cut off or too large for the disk. A file beside the folder, written last,
records that an archive was unpacked completely, and which one. So a half-unpacked archive is never
taken for a whole one, on `gs://` too, where folders cannot be renamed in one step.

The extraction of tensorflow-datasets does none of this: it passes over such members without a word,
reads whole members into memory, leaves half of its work behind when the disk is full, and uses what
it extracted before even if the archive is another one now.
"""

import contextlib
import dataclasses
import errno
import gzip
import json
import logging
import lzma
import posixpath
import reprlib
import shutil
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence

import tensorflow as tf
from etils import epath

from wss.datasets.preparation import disk

_LOGGER = logging.getLogger(__name__)
_PROGRESS_SECONDS = 15.0
_TAR_ENDINGS = ('.tar.gz', '.tgz', '.tar')
_BLOCK = 1 << 20
_TAR_BLOCK = 512
_LONGEST = 120  # Letters of a name or a reason: in a hostile archive it can be as long as the file.
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError),
    # What zipfile raises for changed bytes in its tables.
    *(NotImplementedError, IndexError, UnicodeDecodeError, struct.error),
)


@dataclasses.dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # 'file', 'folder', 'link' or 'other'
    size: int
    target: str  # Of a link, from the top of the archive.
    open: Callable


def stem(name: str) -> str:
    """Returns the name of an archive without its ending."""
    for ending in (*_TAR_ENDINGS, '.zip'):
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def unpack(path, name: str, parent, shows: Sequence[str] = ()) -> epath.Path:
    """Unpacks an archive into `parent`, unless it was unpacked before.

    Links inside of the archive become copies of what they point to.

    Args:
        path: Path of the archive.
        name: Its official name, with the ending of its format; in a cache, `path` has another.
        parent: Folder, local or `gs://`.
        shows: Files or folders that an unpacked archive must have; if one is missing, the archive
            is unpacked again.

    Returns:
        The folder with the files.

    Raises:
        ValueError: If the archive is damaged, or a member points outside the folder.
        OSError: If the disk is full, or a member cannot be written.
    """
    path, parent = epath.Path(path), epath.Path(parent)
    folder, done = parent / stem(name), _mark(name, parent)
    if is_unpacked(path, name, parent, shows):
        _LOGGER.info('%s was unpacked before in %s.', name, folder)
        return folder
    with _damage_named(path), path.open('rb') as file:
        members = _checked(list(_members(file, name)), path)
        done.unlink(missing_ok=True)
        if folder.exists():
            _LOGGER.info('Deleting the remains of an earlier unpacking in %s.', folder)
            folder.rmtree()
        _check_space(sum(member.size for member in members), parent)
        try:
            _write(members, folder, name)
            done.write_text(json.dumps(_identity(path)))
        except BaseException as error:  # Ctrl-C too.
            with contextlib.suppress(OSError, tf.errors.OpError):
                folder.rmtree(missing_ok=True)
            if disk.is_full(error):
                raise disk.full(folder) from error
            if isinstance(error, OSError) and error.strerror:
                raise OSError(
                    f'{path} cannot be unpacked: {error.filename}: {error.strerror}. Choose '
                    'another data_dir; if that does not help, delete the archive and get it again.'
                ) from error
            raise
    return folder


def is_unpacked(path, name: str, parent, shows: Sequence[str] = ()) -> bool:
    """Whether an archive is unpacked already; arguments as in `unpack`."""
    path, parent = epath.Path(path), epath.Path(parent)
    mark = _mark(name, parent)
    folder = parent / stem(name)
    if not all(place.exists() for place in (mark, folder, *(folder / part for part in shows))):
        return False
    try:
        return json.loads(mark.read_text()) == _identity(path)
    except (ValueError, RecursionError):  # Cut off by a full disk or a crash.
        return False


def _mark(name, parent):
    return parent / f'{stem(name)}.complete'


def _identity(path):
    state = path.stat()
    return {'archive': str(path), 'size': state.length, 'changed': int(state.mtime)}


def _check_space(needed, parent):
    free = disk.free(parent)
    if free is not None and needed > free:
        raise OSError(
            f'Unpacking into {parent} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are '
            'free. Free some space, or choose another data_dir, and run the same command again.'
        )


def _write(members, folder, name):
    files = [member for member in members if member.kind in ('file', 'link')]
    made, reported = set(), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    for count, member in enumerate(files):
        target = folder / member.name
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        with member.open() as source, target.open('wb') as file:
            shutil.copyfileobj(source, file, _BLOCK)
        if time.monotonic() - reported > _PROGRESS_SECONDS:
            reported = time.monotonic()
            _LOGGER.info('Unpacking %s: %d of %d files done.', name, count + 1, len(files))
    _LOGGER.info('Unpacked %s: %d files in %s.', name, len(files), folder)


@contextlib.contextmanager
def _damage_named(path):
    """Turns the errors of the readers of archives into a sentence."""
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        # EINVAL: a table in the archive has a negative position.
        if not isinstance(error, _DAMAGED) and error.errno != errno.EINVAL:
            raise
        reason = _shown(str(error).rstrip('.'))[1:-1]
        raise ValueError(
            f'{path} is damaged or cut off: {reason}. Delete it and get it again.'
        ) from error


def _members(file, name):
    if name.endswith('.zip'):
        return _zip_members(zipfile.ZipFile(file))
    if name.endswith(_TAR_ENDINGS):
        mode = 'r:' if name.endswith('.tar') else 'r:gz'
        return _tar_members(tarfile.open(fileobj=file, mode=mode))
    raise ValueError(
        f'{name} is not an archive of a known format ({", ".join(_TAR_ENDINGS)}, .zip).'
    )


def _tar_members(tar):
    for info in tar:
        if info.isfile():
            kind, target = 'file', ''
        elif info.isdir():
            kind, target = 'folder', ''
        elif info.issym():
            kind, target = 'link', _beside(info.name, info.linkname)
        elif info.islnk():
            kind, target = 'link', info.linkname
        else:
            kind, target = 'other', ''
        yield _Member(info.name, kind, info.size, target, lambda info=info: tar.extractfile(info))
    # The reader does not notice a file that is cut between two members, and stops silently at a
    # damaged header. But the end of an archive is a block of zeros.
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(_TAR_BLOCK) != bytes(_TAR_BLOCK):
        raise tarfile.ReadError('the end is missing')


def _zip_members(archive):
    by_path = {posixpath.normpath(info.filename): info for info in archive.infolist()}
    for info in archive.infolist():
        mode = info.external_attr >> 16
        target, content = '', info
        if info.flag_bits & 1:
            raise zipfile.BadZipFile(f'{info.filename} is encrypted')
        if info.is_dir():
            kind = 'folder'
        elif stat.S_ISLNK(mode):
            kind = 'link'
            target = _beside(info.filename, archive.read(info).decode('utf-8', 'replace'))
            content = by_path.get(target)
        else:
            kind = 'file'
        yield _Member(
            info.filename,
            kind,
            info.file_size,
            target,
            lambda content=content: archive.open(content),
        )


def _beside(name, target):
    """Returns a link's target from the top of the archive, or still outside if it points there."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def _checked(members, path):
    """Refuses members that point outside, or are not files, folders or links to files."""
    for member in members:
        name, target = _shown(member.name), _shown(member.target)
        if _leaves(member.name):
            what = f'its member {name} points outside the folder it is unpacked in'
        elif member.kind == 'other':
            what = f'its member {name} is neither a file nor a folder'
        elif member.kind == 'link' and _leaves(member.target):
            what = f'its member {name} is a link to {target}, outside the folder it is unpacked in'
        else:
            continue
        raise ValueError(
            f'{path} is not unpacked, because {what}. Official archives have no such members: '
            'delete it and get it from the official place.'
        )
    files = {posixpath.normpath(member.name) for member in members if member.kind == 'file'}
    for member in members:
        if member.kind == 'link' and posixpath.normpath(member.target) not in files:
            raise ValueError(
                f'{path} is not unpacked, because its member {_shown(member.name)} is a link to '
                f'{_shown(member.target)}, which is no file of the archive. Delete it and get it '
                'again.'
            )
    return members


def _shown(name):
    short = reprlib.Repr()
    short.maxstring = _LONGEST
    return short.repr(name)


def _leaves(name):
    parts = name.replace('\\', '/').split('/')
    drive = len(parts[0]) == 2 and parts[0][1] == ':'
    return not parts[0] or drive or '..' in parts or '\0' in name
