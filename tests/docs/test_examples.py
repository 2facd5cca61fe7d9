"""The examples in the docstrings run, and what users call has one."""

import ast
import doctest
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
USERS_CALL = """
    load Predictor Experiment parse build DatasetInfo Folder Shapes Examples OfficialList Labelled
    sample Views DeepLabV3Plus SmallResNet class_activation predicted_labels gate_and_normalise
    add_background hypercolumn attention_weights SelfAttentionGradCAM calibration fuse sharpen
    supervised hardest_mean SupervisedLoss classification consistency weight_decay Update Supervised
    PseudoSeg Schedule momentum_poly Compute ConfusionMatrix summarise colour_labels panel
"""


def documented():
    """Yields name, docstring, file and line of what has an example; its module is not imported."""
    for path in sorted((ROOT / 'wss').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ''
                if '>>>' in text:
                    file = path.relative_to(ROOT)
                    yield pytest.param(text, str(file), node.lineno, id=f'{file}:{node.name}')


@pytest.fixture(scope='module')
def folder(tiny_run, tmp_path_factory):
    """A folder with what examples name: a run, a photograph, and images with masks."""
    folder = tmp_path_factory.mktemp('examples')
    (folder / 'runs').mkdir()
    (folder / 'runs' / 'mine').symlink_to(tiny_run)
    Image.fromarray(np.ones((60, 80, 3), np.uint8)).save(folder / 'photo.jpg')
    for kind, names, shape in (('photos', 'abc', (40, 50, 3)), ('masks', 'ab', (40, 50))):
        (folder / kind).mkdir()
        for name in names:
            Image.fromarray(np.ones(shape, np.uint8)).save(folder / kind / f'{name}.png')
    (folder / 'with_masks.txt').write_text('a\n')
    return folder


@pytest.mark.parametrize(('text', 'file', 'line'), documented())
def test_examples_run(text, file, line, folder, monkeypatch):
    assert 'SKIP' not in text
    monkeypatch.chdir(folder)
    names = {'np': np, 'tf': tf}
    test = doctest.DocTestParser().get_doctest(text, names, file, file, line)
    printed = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=printed.append)
    assert not printed, ''.join(printed)


def test_what_users_call_has_an_example():
    have = {param.id.rsplit(':', 1)[-1] for param in documented()}
    assert not set(USERS_CALL.split()) - have
