import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss import runtime
from wss.datasets.info import DatasetInfo

CONFIG = """from __gin__ import dynamic_registration

# Parameters for run:
run.steps = 4
run.classes = \\
    ('one',
     'two')
"""


def make_model(units=2):
    model = keras.Sequential([keras.layers.Dense(units, use_bias=False)])
    model.build([None, 3])
    return model


def test_a_checkpoint_comes_back(tmp_path):
    model = make_model()
    saved = runtime.Checkpoints(tmp_path, model)
    kernel = model.layers[0].kernel
    kernel.assign(tf.ones_like(kernel))
    saved.save_last(7)
    kernel.assign(tf.zeros_like(kernel))

    fresh = make_model()
    assert runtime.Checkpoints(tmp_path, fresh).restore('last') == 7
    np.testing.assert_array_equal(fresh.layers[0].kernel, np.ones([3, 2]))


def test_two_last_checkpoints_and_the_best_one_are_kept(tmp_path):
    saved = runtime.Checkpoints(tmp_path, make_model())
    assert not saved.has('last')
    for step, miou in ((1, 0.5), (2, 0.3), (3, 0.7), (4, 0.7)):
        assert saved.save_if_best(step, miou) == (step in (1, 3))
        saved.save_last(step)

    def kept(which):
        return sorted(p.name for p in (tmp_path / 'checkpoints' / which).glob('*.index'))

    assert kept('last') == ['ckpt-3.index', 'ckpt-4.index']
    assert kept('best') == ['ckpt-3.index']
    again = runtime.Checkpoints(tmp_path, make_model())
    assert again.restore('last') == 4
    assert int(again.best_step) == 3
    assert float(again.best_miou) == pytest.approx(0.7)
    assert not again.save_if_best(5, 0.6)


def test_checkpoints_that_are_missing_damaged_or_of_another_network(tmp_path):
    saved = runtime.Checkpoints(tmp_path, make_model())
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        saved.restore('last')
    with pytest.raises(ValueError, match="no checkpoint 'newest'"):
        saved.restore('newest')
    saved.save_last(1)
    with pytest.raises(ValueError, match=r'ckpt-1 does not fit the configured network'):
        runtime.Checkpoints(tmp_path, make_model(units=5)).restore('last')
    index = tmp_path / 'checkpoints' / 'last' / 'ckpt-1.index'
    index.write_bytes(index.read_bytes()[:10])
    with pytest.raises(ValueError, match=r'ckpt-1 is damaged or cut off'):
        saved.restore('last')


@pytest.mark.parametrize('content', [b'', b'\xff\xff'])
def test_a_damaged_list_of_checkpoints(tmp_path, content):
    runtime.Checkpoints(tmp_path, make_model()).save_last(1)
    (tmp_path / 'checkpoints' / 'last' / 'checkpoint').write_bytes(content)
    with pytest.raises(ValueError, match=r'last holds checkpoints, but its file `checkpoint`'):
        runtime.Checkpoints(tmp_path, make_model())


def test_a_description_comes_back(tmp_path):
    info = DatasetInfo('x', ('a', 'b'), ((0, 0, 0), (1, 2, 3)), False, 254)
    runtime.write_description(tmp_path, info, (65, 97))
    assert runtime.read_description(tmp_path) == (info, (65, 97))


@pytest.mark.parametrize('content', ['', '{}', 'null', '[1]', '{"evaluation_size": 3}', '\xff'])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / 'dataset.json').write_text(content)
    with pytest.raises(ValueError, match=r'dataset\.json is damaged'):
        runtime.read_description(tmp_path)


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
    runtime.write_description(tmp_path, info, (65, 97))
    path = tmp_path / 'dataset.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r'dataset\.json is damaged: .*; restore it'):
        runtime.read_description(tmp_path)


def claim_with_checkpoint(workdir):
    runtime.claim_workdir(workdir, CONFIG)
    runtime.Checkpoints(workdir, make_model()).save_last(1)


def test_the_same_configuration_may_go_on(tmp_path):
    runtime.check_workdir(tmp_path / 'new', CONFIG)
    claim_with_checkpoint(tmp_path / 'run')
    runtime.check_workdir(tmp_path / 'run', CONFIG)
    runtime.check_workdir(tmp_path / 'run', CONFIG.replace('# Parameters for run:', '# Other'))


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
        runtime.check_workdir(tmp_path, CONFIG.replace(old, new))


def test_a_folder_without_checkpoints_holds_nothing_to_lose(tmp_path):
    runtime.claim_workdir(tmp_path, CONFIG)
    runtime.check_workdir(tmp_path, CONFIG.replace('4', '5'))


def test_a_file_is_no_workdir(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='file is a file; name a folder'):
        runtime.check_workdir(tmp_path / 'file', CONFIG)


def test_seed_fixes_initialisation():
    kernels = []
    for seed in (1, 1, 2):
        runtime.set_seed(seed)
        kernels.append(make_model().layers[0].kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(kernels[0] != kernels[2])
