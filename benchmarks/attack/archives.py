"""Damaged and hostile archives: nothing may be written outside the folder they are unpacked in."""

import io
import pathlib
import random
import shutil
import stat
import tarfile
import zipfile

from attack import mutations, outcomes
from wss.datasets.preparation import unpacking

_FILES = {'top/a.txt': b'a\n' * 100, 'top/deep/b.txt': bytes(range(256)) * 8, 'top/c.bin': b''}
_KINDS = ('tar', 'tar.gz', 'tgz', 'zip')
_TRIES = 1300
_HOSTILE = (
    '../outside',
    'top/../../outside',
    '/outside',
    '//outside',
    'C:/outside',
    'top\\..\\..\\outside',
    'C:\\outside',
    'top/./../../outside',
    '..',
    '',
    'top/\0name',
    'top/a.txt/under_a_file',
    'n' * 300,
    '/'.join(['deep'] * 200),
    'top/\udcff',
    '.',
    'top',
)


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""

    def attempt(number):
        chance = random.Random(f'archives {seed} {number}')
        kind = _KINDS[number % len(_KINDS)]
        shutil.rmtree(folder / 'cage', ignore_errors=True)
        parent = folder / 'cage' / 'inner' / 'unpacked'
        parent.mkdir(parents=True)
        path = folder / 'cage' / f'small.{kind}'
        is_hostile = chance.random() < 0.5
        content = _packed(kind, chance if is_hostile else None)
        path.write_bytes(content if is_hostile else mutations.mutated(content, chance))
        return _attempt(path, parent)

    return _TRIES, attempt


def _attempt(path, parent):
    result, sentence = outcomes.result_or_sentence(
        lambda: unpacking.unpack(path, path.name, parent)
    )
    allowed = {path, parent, parent.parent}
    outside = [
        found
        for found in path.parent.rglob('*')
        if found not in allowed and not found.is_relative_to(parent)
    ]
    outcomes.require(not outside, f'{outside[:1]} was written outside.')
    links = [found for found in parent.rglob('*') if found.is_symlink()]
    outcomes.require(not links, f'{links[:1]} is a link.')
    complete = unpacking.is_unpacked(path, path.name, parent)
    outcomes.require(complete == (sentence is None), 'A half of an archive counts as the whole.')
    if sentence:
        return 'refused'
    outcomes.require(pathlib.Path(result).is_dir(), 'Nothing was unpacked.')
    return 'unpacked'


def _packed(kind, chance):
    """Returns an archive; with hostile members where `chance` is given."""
    members = [(name, data, 'file', '') for name, data in _FILES.items()]
    if chance:
        name, target = chance.choice(_HOSTILE), chance.choice((*_HOSTILE, 'top/a.txt', 'a.txt'))
        if chance.random() < 0.5:
            name = chance.choice(('top/x', 'x'))
        way = chance.choice(('file', 'file', 'link', 'link', 'hard link', 'device', 'fifo'))
        members.insert(chance.randrange(len(members) + 1), (name, b'hostile', way, target))
        if chance.random() < 0.2:  # A file that is to be written through the link.
            members.append((f'{name}/through', b'hostile', 'file', ''))
    return _zip(members) if kind == 'zip' else _tar(members, kind)


def _tar(members, kind):
    file = io.BytesIO()
    kinds = {
        'link': tarfile.SYMTYPE,
        'hard link': tarfile.LNKTYPE,
        'device': tarfile.CHRTYPE,
        'fifo': tarfile.FIFOTYPE,
    }
    with tarfile.open(fileobj=file, mode='w' if kind == 'tar' else 'w:gz') as archive:
        for name, data, way, target in members:
            info = tarfile.TarInfo(name)
            info.type = kinds.get(way, tarfile.REGTYPE)
            info.linkname = target
            info.size = len(data) if way == 'file' else 0
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def _zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data, way, target in members:
            info = zipfile.ZipInfo('x')
            info.filename = name.encode('utf-8', 'replace').decode()
            if way != 'file':
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                data = target.encode('utf-8', 'replace')
            archive.writestr(info, data)
    return file.getvalue()
