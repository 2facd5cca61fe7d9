"""The scripts of the page about deployment give the labels of the model."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

import wss
from wss.inference.exports import export
from wss.inference.predictor import Predictor

PAGE = (pathlib.Path(__file__).resolve().parents[2] / 'docs/deploy.md').read_text(encoding='utf-8')
SCRIPTS = re.findall(r'^## ([^\n]+)\n.+?```python\n(.+?)```', PAGE, re.S | re.M)
INTERPRETERS = (
    'from ai_edge_litert.interpreter import Interpreter',
    'import tensorflow as tf; Interpreter = tf.lite.Interpreter',
)
FORMATS = {
    'A SavedModel': ('saved_model', 'model', None),
    'TensorFlow Lite': ('tflite', 'lite', (65, 65)),
    'ONNX': ('onnx', 'onnx', None),
}


def test_every_format_has_a_script():
    assert [name for name, _ in SCRIPTS] == list(FORMATS)


@pytest.mark.parametrize('long_side', [None, 60])
@pytest.mark.parametrize(('name', 'script'), SCRIPTS)
def test_its_scripts(tiny_run, monkeypatch, tmp_path, name, script, long_side):
    """The photo is larger than the size of the file for TensorFlow Lite, and than `long_side`."""
    form, folder, size = FORMATS[name]
    for package in export.FORMATS[form].packages:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    pixels = np.kron(np.random.default_rng(0).integers(0, 256, (4, 6, 3)), np.ones([20, 20, 1]))
    Image.fromarray(pixels.astype(np.uint8)).save('photo.jpg')
    trained = wss.load(tiny_run)
    model = Predictor(trained.method, None, long_side)
    facts = export.export(model, folder, form, size=size)
    if form == 'tflite' and importlib.util.find_spec('ai_edge_litert') is None:
        script = script.replace(*INTERPRETERS)  # As the page says.
    names = {}
    exec(script, names)
    with Image.open('labels.png') as written:
        found = np.asarray(written)
    assert found.shape == (80, 120)  # That of the photo.
    # In the resolution of the graph the labels are those of the model, but for how Pillow scales.
    photo = Image.open('photo.jpg')
    if facts['input']['fit']:
        photo.thumbnail(facts['input']['fit'][::-1], Image.Resampling.BILINEAR)
        model = Predictor(trained.method)
    expected = model.predict(photo)
    labels = names['labels'].squeeze()
    assert labels.shape == expected.shape
    assert (labels == expected).mean() > 0.99
    assert set(np.unique(found)) == set(np.unique(labels))


def test_its_python(tiny_run, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'runs').mkdir()
    (tmp_path / 'runs' / 'mine').symlink_to(tiny_run)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3))
    Image.fromarray(pixels.astype(np.uint8)).save('photo.jpg')
    (script,) = re.findall(r'```python\n(import wss\n.+?)```', PAGE, re.S)
    exec(script, {})
    assert 0.9 <= float(capsys.readouterr().out.splitlines()[-1]) <= 1
