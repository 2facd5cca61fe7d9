"""What the page about prediction shows works as it stands there."""

import pathlib
import re

import numpy as np
from PIL import Image

import wss

PAGE = (pathlib.Path(__file__).resolve().parents[2] / 'docs/predict.md').read_text(encoding='utf-8')


def test_its_python(tiny_run, monkeypatch, tmp_path, capsys):
    lines = re.search(r'```python\n(import wss\n.+?)```', PAGE, re.S)[1]
    monkeypatch.chdir(tmp_path)
    for folder in ('runs', 'new_photos'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'runs' / 'mine').symlink_to(tiny_run)
    for name in ('photo.jpg', 'new_photos/a.jpg'):
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(name)
    Image.fromarray(np.zeros((40, 520, 3), np.uint8)).save('aerial.jpg')
    names = {'wss': wss}
    exec(lines, names)
    assert names['more_careful'].shape == (40, 50) and names['in_windows'].shape == (40, 520)
    shares, predicted = capsys.readouterr().out.splitlines()
    assert sum(eval(shares).values()) == 1 and predicted == '1'
    assert {path.name for path in tmp_path.iterdir()} > {'overlay.png', 'predictions'}
