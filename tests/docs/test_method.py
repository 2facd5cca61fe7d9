"""The page on the method: its table names what exists, and its pictures can be drawn."""

import pathlib
import re
import subprocess
import sys

import numpy as np
from PIL import Image

from wss.configuration import gin_files
from wss.experiment import Experiment

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'method.md').read_text(encoding='utf-8')
ROWS = [row.strip('| \n').split(' | ') for row in re.findall(r'^\|.+\.py.+\|$', PAGE, re.M)]


def test_every_function_and_every_test_is_there():
    assert len(ROWS) >= 24
    for equation, here, tests, difference in ROWS:
        assert equation and difference
        for path, names in re.findall(r'`([\w/]+\.py)(?:: ([^`]+))?`', here):
            source = (ROOT / 'wss' / path).read_text(encoding='utf-8')
            for name in names.split(', ') if names else ():
                assert re.search(rf'^ *(def|class) {name}\b', source, re.M), f'{path}: {name}'
        for path in re.findall(r'`([^`]+)`', tests):
            assert (ROOT / 'tests' / path).is_file(), path


def test_the_pictures_are_drawn_from_a_run(tmp_path):
    settings = ('Schedule.steps = 1', 'Labelled.batch_size = 2', 'Unlabelled.batch_size = 2')
    counts = "Shapes.counts = {'train': 4, 'val': 2, 'test': 17}"
    gin_files.parse(['experiments/shapes_pseudoseg.gin'], [*settings, counts])
    gin_files.build(Experiment).train(str(tmp_path / 'run'), gin_files.operative)
    command = [sys.executable, 'docs/pictures.py', '--workdir', str(tmp_path / 'run')]
    subprocess.run([*command, '--out', str(tmp_path)], cwd=ROOT, check=True)
    for name in ('method_stages.png', 'method_attention.png'):
        drawn, kept = (
            np.asarray(Image.open(folder / name)) for folder in (tmp_path, ROOT / 'docs')
        )
        assert drawn.shape == kept.shape, name
        assert (ROOT / 'docs' / name).stat().st_size < 300_000
