"""Where gin files import modules from: installed packages, and the folder of the gin file."""

import json
import pathlib
import re
import sys
import sysconfig
from collections.abc import Iterable

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
_NOTE = '# Import path: '


def add(folders: Iterable[str | pathlib.Path]) -> None:
    """Adds folders to the end of the import path, so that they hide no installed package."""
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)


def note(text: str) -> str:
    """Returns a comment with the folders of the modules that a configuration imports, or ''.

    This package and installed ones are left out.

    Args:
        text: Text of the configuration; its modules are imported.
    """
    folders = []
    pattern = r'^(?:from (\S+) import (\S+)|import (\S+))'
    for parent, child, whole in re.findall(pattern, text, re.MULTILINE):
        name = whole or f'{parent}.{child}'
        file = getattr(sys.modules.get(name), '__file__', None)
        if file is None:
            continue
        path = pathlib.Path(file).resolve()
        depth = name.count('.') + (path.name == '__init__.py')
        folder = path.parents[depth]
        if folder == _PACKAGE.parent or str(folder) in sysconfig.get_paths().values():
            continue
        folders.append(str(folder))
    return f'{_NOTE}{json.dumps(list(dict.fromkeys(folders)))}\n' if folders else ''


def noted(text: str) -> list[str]:
    """Returns the folders that `note` wrote into the text of a configuration."""
    for line in text.splitlines():
        if line.startswith(_NOTE):
            try:
                folders = json.loads(line[len(_NOTE) :])
            except ValueError:  # Edited; what is missing then is named by the import.
                return []
            return [folder for folder in folders if isinstance(folder, str)]
    return []
