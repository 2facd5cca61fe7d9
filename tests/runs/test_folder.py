import json

import pytest

from wss.datasets.info import DatasetInfo
from wss.runs import configuration as run_configuration
from wss.runs import folder as run_folder

CONFIG = """from __gin__ import dynamic_registration

# Parameters for run:
run.steps = 4
run.classes = \\
    ('one',
     'two')
"""


def test_a_description_comes_back(tmp_path):
    info = DatasetInfo('x', ('a', 'b'), ((0, 0, 0), (1, 2, 3)), False, 254)
    run_folder.write_description(tmp_path, info, (65, 97))
    assert run_folder.read_description(tmp_path) == (info, (65, 97))


@pytest.mark.parametrize('content', ['', '{}', 'null', '[1]', '{"evaluation_size": 3}', '\xff'])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / 'dataset.json').write_text(content)
    with pytest.raises(ValueError, match=r'dataset\.json is damaged'):
        run_folder.read_description(tmp_path)


def test_a_damaged_configuration_is_named(tmp_path):
    run_folder.claim(tmp_path, CONFIG)
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'config.gin').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match=r'config\.gin is damaged: it is not UTF-8 text; restore'):
        run_configuration.check(tmp_path, CONFIG)


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
        {'evaluation_size': [65, 97.5]},
        {'evaluation_size': [65]},
        {'evaluation_size': [0, 65]},
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


def claim_with_checkpoint(folder):
    run_folder.claim(folder, CONFIG)
    (folder / run_folder.CHECKPOINTS).mkdir()


def test_the_same_configuration_may_go_on(tmp_path):
    run_configuration.check(tmp_path / 'new', CONFIG)
    claim_with_checkpoint(tmp_path / 'run')
    run_configuration.check(tmp_path / 'run', CONFIG)
    run_configuration.check(tmp_path / 'run', CONFIG.replace('# Parameters for run:', '# Other'))


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('run.steps = 4', 'run.steps = 5', 'run.steps is 4 there and 5 here'),
        ('run.steps = 4', '', 'run.steps is 4 there and not set here'),
        ('run.steps = 4', 'run.steps = 4\nrun.x = 1', 'run.x is not set there and 1 here'),
        ("'two'", "'three'", r"run.classes is \('one', 'two'\) there and \('one', 'three'\) here"),
    ],
)
def test_another_configuration_is_named(tmp_path, old, new, message):
    claim_with_checkpoint(tmp_path)
    with pytest.raises(ValueError, match=message):
        run_configuration.check(tmp_path, CONFIG.replace(old, new))


def test_a_folder_without_checkpoints_holds_nothing_to_lose(tmp_path):
    run_folder.claim(tmp_path, CONFIG)
    run_configuration.check(tmp_path, CONFIG.replace('4', '5'))


def test_a_file_is_no_workdir(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='file is a file; name a folder'):
        run_configuration.check(tmp_path / 'file', CONFIG)
