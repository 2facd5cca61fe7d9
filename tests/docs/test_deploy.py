"""The scripts of the page about deployment give the labels of the model."""

import pathlib
import re

import numpy as np
import pytest
from PIL import Image

import wss
from wss.inference.exports import export

PAGE = (pathlib.Path(__file__).resolve().parents[2] / 'docs/deploy.md').read_text(encoding='utf-8')
SCRIPTS = re.findall(r'## (.+?)\n.*?```python\n(.+?)```', PAGE, re.S)
FORMATS = {
    'A SavedModel': ('saved_model', 'model', None),
    'TensorFlow Lite': ('tflite', 'lite', (65, 97)),
    'ONNX': ('onnx', 'onnx', None),
}


def test_every_format_has_a_script():
    assert [name for name, _ in SCRIPTS] == list(FORMATS)


@pytest.mark.parametrize(('name', 'script'), SCRIPTS)
def test_its_scripts(tiny_run, monkeypatch, tmp_path, name, script):
    form, folder, size = FORMATS[name]
    for package in export.FORMATS[form].packages:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    pixels = np.kron(np.random.default_rng(0).integers(0, 256, (4, 6, 3)), np.ones([15, 15, 1]))
    Image.fromarray(pixels.astype(np.uint8)).save('photo.jpg')
    model = wss.load(tiny_run)
    export.export(model, folder, form, size=size)
    names = {}
    exec(script, names)
    expected = model.predict('photo.jpg')
    assert names['labels'].squeeze().shape == (60, 90)
    assert (names['labels'].squeeze() == expected).mean() > 0.99
    if form == 'saved_model':
        with Image.open('labels.png') as written:
            np.testing.assert_array_equal(written, expected)
