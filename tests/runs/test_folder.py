import json

import pytest

from wss.datasets.info import DatasetInfo
from wss.runs import folder as run_folder


def test_a_description_comes_back(tmp_path):
    info = DatasetInfo('x', ('a', 'b'), ((0, 0, 0), (1, 2, 3)), False, 254)
    run_folder.write_description(tmp_path, info, (65, 97), 640)
    assert run_folder.read_description(tmp_path) == (info, (65, 97), 640)
    run_folder.write_description(tmp_path, info, None)
    assert run_folder.read_description(tmp_path) == (info, None, None)


def test_a_description_of_an_earlier_version(tmp_path):
    info = DatasetInfo('x', ('a', 'b'), ((0, 0, 0), (1, 2, 3)), False, 254)
    run_folder.write_description(tmp_path, info, (65, 97))
    path = tmp_path / 'dataset.json'
    content = json.loads(path.read_text())
    del content['long_side'], content['bit_depth']
    path.write_text(json.dumps(content))
    assert run_folder.read_description(tmp_path) == (info, (65, 97), None)


def test_a_description_keeps_the_bit_depth(tmp_path):
    info = DatasetInfo('x', ('a', 'b'), ((0, 0, 0), (1, 2, 3)), bit_depth=12)
    run_folder.write_description(tmp_path, info, None)
    assert run_folder.read_description(tmp_path).info == info


@pytest.mark.parametrize('content', ['', '{}', 'null', '[1]', '{"evaluation_size": 3}', '\xff'])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / 'dataset.json').write_text(content)
    with pytest.raises(ValueError, match=r'dataset\.json is damaged'):
        run_folder.read_description(tmp_path)


@pytest.mark.parametrize(
    'change',
    [
        {'name': None},
        {'class_names': 'ab'},
        {'class_names': ['a', 'a']},
        {'colours': [[0, 0, 0], [0, 0, 256]]},
        {'colours': None},
        {'has_background': 'no'},
        {'ignore_value': '255'},
        {'bit_depth': 7},
        {'bit_depth': 12.0},
        {'evaluation_size': [65, 97.5]},
        {'evaluation_size': [65]},
        {'evaluation_size': [0, 65]},
        {'evaluation_size': [None, 65]},
        {'long_side': 0},
        {'long_side': True},
        {'long_side': [640]},
        {'another': 1},
    ],
)
def test_a_description_with_wrong_values_is_damaged(tmp_path, change):
    info = DatasetInfo('x', ('a', 'b'), ((0, 0, 0), (1, 2, 3)))
    run_folder.write_description(tmp_path, info, (65, 97))
    path = tmp_path / 'dataset.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r'dataset\.json is damaged: .*; restore it'):
        run_folder.read_description(tmp_path)


def test_parts_of_files_that_a_killed_process_left_are_deleted(tmp_path):
    workdir = tmp_path / 'run [1]'
    (workdir / 'checkpoints' / 'last').mkdir(parents=True)
    for name in ('progress.json.123.part', 'checkpoints/scores.json.4.part', 'run.json'):
        (workdir / name).write_text('{')
    run_folder.claim(workdir, 'Part.steps = 4\n')
    left = sorted(path.name for path in workdir.rglob('*') if path.is_file())
    assert left == ['config.gin', 'run.json']
