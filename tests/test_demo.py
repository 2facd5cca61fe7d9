"""The comparison from end to end in a few steps, and its statistics by hand."""

import json

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from wss import demo
from wss.results import comparison


def test_summary_by_hand():
    runs = [
        {'supervised': 0.50, 'pseudoseg': 0.60},
        {'supervised': 0.40, 'pseudoseg': 0.52},
        {'supervised': 0.60, 'pseudoseg': 0.68},
    ]
    summary = comparison.paired(runs, 'supervised', 'pseudoseg')
    # Differences 0.10, 0.12, 0.08: mean 0.10, deviation 0.02, t(2) = 4.303.
    half = 4.303 * 0.02 / np.sqrt(3)
    expected = {'supervised': 0.5, 'pseudoseg': 0.6, 'difference': 0.1}
    expected |= {'low': 0.1 - half, 'high': 0.1 + half}
    assert summary == pytest.approx(expected, abs=1e-6)


def test_two_seeds_in_one_step(tmp_path, capsys):
    settings = [
        'Schedule.steps = 1',
        'Schedule.picture_every = 0',
        'Labelled.batch_size = 2',
        'Unlabelled.batch_size = 2',
        "Shapes.counts = {'train': 12, 'val': 2, 'test': 5}",
    ]
    demo.compare(str(tmp_path), 2, settings)
    for seed in (0, 1):
        folder = tmp_path / f'seed_{seed}'
        results = json.loads((folder / 'results.json').read_text())
        assert set(results) == {'supervised', 'pseudoseg'}
        assert all(0 <= value <= 1 for value in results.values())
        assert Image.open(folder / 'panel.png').width > 5 * 97
        labelled = [(folder / name / 'labelled.txt').read_text() for name in results]
        assert labelled[0] == labelled[1] and len(labelled[0].split()) == 4
    labels = {(tmp_path / f'seed_{s}' / 'supervised' / 'labelled.txt').read_text() for s in (0, 1)}
    assert len(labels) == 2
    assert len(json.loads((tmp_path / 'seeds.json').read_text())['runs']) == 2
    assert '| mean |' in capsys.readouterr().out


def test_the_quick_version_says_what_it_is(tmp_path, monkeypatch, capsys):
    given = []
    monkeypatch.setattr(demo, 'compare', lambda *arguments: given.append(arguments))
    with flagsaver.as_parsed(
        quick='true', seeds='1', workdir=str(tmp_path), gin_param=['Schedule.steps = 3']
    ):
        demo.main()
    ((folder, seeds, settings),) = given
    assert (folder, seeds) == (str(tmp_path), 1)
    assert settings == [*demo.QUICK_SETTINGS, 'Schedule.steps = 3']
    said = capsys.readouterr().out
    assert said.startswith('The demo trains two networks') and demo.QUICK_TIME in said
    assert 'say little about the methods' in said
