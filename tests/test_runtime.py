import numpy as np
import tf_keras as keras

from wss import runtime


def make_model(units=2):
    model = keras.Sequential([keras.layers.Dense(units, use_bias=False)])
    model.build([None, 3])
    return model


def test_seed_fixes_initialisation():
    kernels = []
    for seed in (1, 1, 2):
        runtime.set_seed(seed)
        kernels.append(make_model().layers[0].kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(kernels[0] != kernels[2])
