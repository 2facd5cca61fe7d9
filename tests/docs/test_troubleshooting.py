"""Each sentence of the page on errors is one that the program prints."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'troubleshooting.md').read_text(encoding='utf-8')
QUOTED = re.findall(r'^\| `([^`]+)`', PAGE, re.MULTILINE)
FILLED = re.compile(r'%[sd]|\0')  # Where the program puts names and numbers.


def texts(tree):
    """Yields the texts of a module, with a zero for what is filled in; those of parts, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = (v.value if isinstance(v, ast.Constant) else '\0' for v in node.values)
            yield ''.join(values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope='module')
def printed():
    files = sorted((ROOT / 'wss').rglob('*.py'))
    found = [text for file in files for text in texts(ast.parse(file.read_text(encoding='utf-8')))]
    return [FILLED.sub('…', text) for text in found]


@pytest.mark.parametrize('sentence', QUOTED)
def test_the_program_prints_it(sentence, printed):
    parts = [part.strip(' :;,.') for part in sentence.split('…')]
    parts = [part for part in parts if len(part) > 2]
    assert parts
    for part in parts:
        assert any(part in text for text in printed), part


def test_the_page_has_the_usual_errors():
    assert len(QUOTED) >= 40
