"""What the folder of a run shows from outside."""

import os
import pathlib
import re


def modified(path: pathlib.Path) -> int | None:
    """Returns when a file was written, in nanoseconds; None if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def newest(folder: pathlib.Path) -> int:
    """Returns the step of the newest whole checkpoint in a folder, -1 if there is none."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return -1
    found = (re.fullmatch(r'ckpt-(\d+)\.index', name) for name in names)
    return max((int(match[1]) for match in found if match), default=-1)


def half_written(workdir: pathlib.Path) -> list[tuple[str, int]]:
    """Lists the files of checkpoints that are not whole: place in the folder, and inode."""
    left = []
    for which in ('last', 'best'):
        try:
            entries = list(os.scandir(workdir / 'checkpoints' / which))
            names = {entry.name for entry in entries}
            left += [
                (f'{which}/{entry.name}', entry.inode())
                for entry in entries
                if _is_half_written(entry.name, names)
            ]
        except FileNotFoundError:
            continue
    return left


def _is_half_written(name, names):
    if '_temp' in name or '.tmp' in name:
        return True
    data = re.fullmatch(r'(ckpt-\d+)\.data-\d+-of-\d+', name)
    return data is not None and f'{data[1]}.index' not in names
