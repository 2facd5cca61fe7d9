import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss import runtime


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


def test_seed_fixes_initialisation():
    kernels = []
    for seed in (1, 1, 2):
        runtime.set_seed(seed)
        kernels.append(make_model().layers[0].kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(kernels[0] != kernels[2])
