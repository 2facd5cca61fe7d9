"""Makers of small archives in the layouts of the official ones, for the tests of the builders."""

import dataclasses
import hashlib
import io
import pathlib
import tarfile
import zipfile


def pack(path, files) -> pathlib.Path:
    """Writes an archive (`.tar`, `.tgz`, `.tar.gz` or `.zip` by its name) of `{name: bytes}`."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith('.zip'):
        with zipfile.ZipFile(path, 'w') as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, 'w' if path.name.endswith('.tar') else 'w:gz') as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def unpack(folder, files) -> pathlib.Path:
    """Writes `{name: bytes}` as files of a folder."""
    folder = pathlib.Path(folder)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def described(archive, path):
    """Returns the description of an archive with size and SHA-256 of a small one at `path`."""
    content = pathlib.Path(path).read_bytes()
    return dataclasses.replace(
        archive, size=len(content), sha256=hashlib.sha256(content).hexdigest(), md5=None
    )
