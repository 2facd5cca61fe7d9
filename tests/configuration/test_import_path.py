"""Modules of users: found beside the gin file, noted in the configuration of the run."""

import importlib
import sys

import pytest

from wss.configuration import gin_files, import_path

GIN = 'from __gin__ import dynamic_registration\nimport {0}\n{0}.Part.size = 3\n'


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    monkeypatch.setattr(sys, 'path', list(sys.path))


def write(folder, name, python='class Part:\n    def __init__(self, size: int): ...\n'):
    (folder / f'{name}.py').write_text(python)
    (folder / f'{name}.gin').write_text(GIN.format(name))
    return str(folder / f'{name}.gin')


def test_a_module_beside_the_gin_file_is_found_last(tmp_path):
    before = list(sys.path)
    gin_files.parse([write(tmp_path, 'beside')])
    assert sys.path == [*before, str(tmp_path)]
    assert sys.modules['beside'].__file__ == str(tmp_path / 'beside.py')


def test_no_folder_of_this_package_is_added():
    before = list(sys.path)
    gin_files.parse(['datasets/shapes.gin', 'gin_configs/methods/supervised.gin'])
    assert sys.path == before


def test_the_note_names_the_folders_of_a_users_modules(tmp_path):
    (tmp_path / 'a = b' / 'users_inner').mkdir(parents=True)
    (tmp_path / 'a = b' / 'users_inner' / '__init__.py').touch()
    (tmp_path / 'a = b' / 'users_inner' / 'deep.py').touch()
    import_path.add([tmp_path / 'a = b'])
    importlib.import_module('users_inner.deep')
    lines = ('from users_inner import deep', 'import users_inner', 'import numpy', 'x = 1', '')
    text = '\n'.join(lines)
    note = import_path.note(text)
    assert import_path.noted(note + text) == [str(tmp_path / 'a = b')]
    assert note.count('\n') == 1 and note.startswith('#')
    assert import_path.note('import numpy\nfrom wss.views import views\n') == ''


@pytest.mark.parametrize('note', ['', '# Import path: [\n', '# Import path: [3]\n'])
def test_without_a_note_there_is_no_folder(note):
    assert import_path.noted(note + 'x = 1\n') == []


@pytest.mark.parametrize(
    ('python', 'message'),
    [
        ('import nowhere_to_be_found\n', 'imports a missing module: No module named .nowhere'),
        ('def broken(:\n', r'broken_module\.py, line 1, is not Python: invalid syntax'),
    ],
)
def test_a_module_that_cannot_be_imported(tmp_path, python, message):
    with pytest.raises(ValueError, match=message) as raised:
        gin_files.parse([write(tmp_path, 'broken_module', python)])
    assert '\n' not in str(raised.value)
