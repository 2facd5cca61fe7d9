"""The count of sizes, on a small checkout."""

import sys

import pytest
import size

MODULE = '''"""A module."""

# A comment.


class Part:
    """A part."""

    def __init__(self, a, b, *, c=1):
        """Docstring
        of two lines.
        """
        self.a = (a, b,
                  c)


def short(a, *rest, **others):
    return a  # The first.


async def several(a, /, b, *, c, d):
    def inner(e):
        return """not a
        docstring"""

    return inner(a)
'''


@pytest.fixture
def checkout(tmp_path):
    files = {
        'wss/__init__.py': '',
        'wss/train.py': MODULE,
        'wss/runs/__init__.py': '',
        'wss/runs/long.py': 'x = 1\n' * 40,
        'tests/test_long.py': 'def test(a, b, c, d, e, f):\n' + '    pass\n' * 90,
        'launch/sweep.py': 'x = 1\n\n',
        'gin_configs/a.gin': '',
        'gin_configs/deep/b.gin': '',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_measured(checkout):
    assert size.measure(checkout) == {
        'loose modules in wss': '1: train',
        'most arguments of a function': '4: several in wss/train.py',
        'most settings of a constructor': '3: __init__ in wss/train.py',
        'longest function': '6: several in wss/train.py',
        'longest file': '40: wss/runs/long.py',
        # The class, the constructor (3), `short` (2) and `several` (5); 40 of the other module.
        'lines in wss': '66, 51 of code',
        'lines in launch': '2, 1 of code',
        'lines in benchmarks': '0, 0 of code',
        'lines in tests': '91, 91 of code',
        'gin files': '2',
    }


def test_this_checkout_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['size.py'])
    size.main()
    printed = capsys.readouterr().out
    assert 'experiment' in printed.splitlines()[0]
    assert len(printed.splitlines()) == 10


def test_a_folder_without_the_package_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, 'argv', ['size.py', '--checkout', str(tmp_path)])
    with pytest.raises(SystemExit):
        size.main()
    assert 'holds no package wss' in capsys.readouterr().err
