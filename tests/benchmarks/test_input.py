"""The benchmark of the input pipeline: that it runs, and what it prints."""

import json
import sys

import input as benchmark
import numpy as np
import pytest


def test_photograph_is_neither_flat_nor_white_noise():
    image = benchmark.photograph(0)
    assert image.shape == (375, 500, 3) and image.dtype == np.uint8
    steps = np.abs(np.diff(image.astype(int), axis=1)).mean()
    assert 1 < steps < image.std() / 2


def test_it_prints_one_json_object(monkeypatch, capsys):
    few = ['--images', '2', '--batch', '2', '--batches', '1', '--repeats', '1', '--cores', '64']
    monkeypatch.setattr(sys, 'argv', ['input.py', '--json', *few])
    benchmark.main()
    results = json.loads(capsys.readouterr().out)
    assert results['images'] == 2 and results['pairs_per_second'] > 0
    assert results['pairs_per_second'] == results['rates']['weak and strong view']['rate']
    assert len(results['rates']) == 6 and len(results['milliseconds']) == 4


def test_numbers_below_1_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['input.py', '--batch', '0'])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert '--batch must be 1 or more' in capsys.readouterr().err


def test_a_folder_without_the_dataset_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, 'argv', ['input.py', '--data_dir', str(tmp_path)])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert 'holds no prepared dataset' in capsys.readouterr().err
