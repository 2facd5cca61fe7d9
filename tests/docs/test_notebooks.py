"""The notebooks run from the first cell to the last, and show their pictures where they lie."""

import json
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In place of the values of the cell that is tagged `parameters`.
SMALL = {'tour': 'STEPS, SCENES = 2, 50', 'own_images': 'STEPS = 2'}
PICTURES = {'tour': 7, 'own_images': 5}


def cells(name):
    notebook = json.loads((ROOT / 'notebooks' / f'{name}.ipynb').read_text(encoding='utf-8'))
    return [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']


def test_every_notebook_is_here():
    assert {path.stem for path in (ROOT / 'notebooks').glob('*.ipynb')} == set(SMALL)


@pytest.mark.parametrize('name', SMALL)
def test_what_it_shows_without_being_run(name):
    outputs = [output for cell in cells(name) for output in cell['outputs']]
    assert [cell['execution_count'] for cell in cells(name)] == list(range(1, len(cells(name)) + 1))
    assert 'error' not in {output['output_type'] for output in outputs}
    shown = [output['data'] for output in outputs if 'data' in output]
    assert sum('image/png' in one or 'image/jpeg' in one for one in shown) == PICTURES[name]
    printed = ''.join(''.join(one['text']) for one in outputs if 'text' in one)
    assert not re.search(r'(?:^|[\s(\'"])/\w+/|Warning|deprecated', printed)
    first = ''.join(cells(name)[0]['source'])
    assert "find_spec('wss') is None:\n    %pip install --quiet $WSS" in first


@pytest.mark.parametrize('name', SMALL)
def test_it_runs(name, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip('nbformat'), pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    notebook = nbformat.read(ROOT / 'notebooks' / f'{name}.ipynb', 4)
    places = [
        place
        for place, cell in enumerate(notebook.cells)
        if 'parameters' in cell.metadata.get('tags', [])
    ]
    (place,) = places
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(SMALL[name]))
    searched = [str(ROOT), os.environ.get('PYTHONPATH', '')]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, searched)))
    monkeypatch.setenv('HOME', str(tmp_path))
    resources = {'metadata': {'path': str(tmp_path)}}
    # A cell that fails is an error here, and so is one that takes minutes.
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name='python3', resources=resources
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get('outputs', ())]
    printed = ''.join(output.text for output in outputs if 'text' in output)
    assert 'Traceback' not in printed
    expected = {
        'tour': ('step 2/2', 'mIoU on the test scenes after 2 steps', 'T = 0.1   0.994'),
        'own_images': (
            '40 of them with a mask',
            'The best pseudo labels on 8 validation images are',
            'Labelled 75 images into labels',
            'Predicted 5 images into predictions',
            'Wrote exported/model.tflite',
        ),
    }
    for text in expected[name]:
        assert text in printed
