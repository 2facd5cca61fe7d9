import builtins
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.views import addons
from wss.views.views import Views


def test_unknown_name_is_an_error():
    with pytest.raises(ValueError, match=r'emboss.*gaussian_blur, equalize, sharpness'):
        Views(strong=('emboss',))


def test_missing_package_is_an_error_that_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == 'tensorflow_addons':
            raise ImportError('No module named tensorflow_addons')
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ValueError, match=r'gaussian_blur.*Install tensorflow-addons'):
        Views(strong=('gaussian_blur',))


def test_default_views_do_not_import_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorflow_addons', None)  # Importing it would now fail.
    Views()


@pytest.mark.parametrize('name', list(addons.AUGMENTATIONS))
def test_each_changes_the_image_and_stays_in_range(name):
    pytest.importorskip('tensorflow_addons', reason='tensorflow-addons is not on this stack')
    image = tf.constant(np.random.default_rng(0).random((40, 44, 3)) * 0.5, tf.float32)
    changed = addons.AUGMENTATIONS[name](image, tf.constant([1, 2])).numpy()
    assert changed.shape == (40, 44, 3)
    assert changed.dtype == np.float32
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-6
    assert np.abs(changed - image).max() > 0.01


def test_its_import_warns_of_nothing():
    pytest.importorskip('tensorflow_addons', reason='tensorflow-addons is not on this stack')
    program = "from wss.views import addons; addons.check(('equalize',))"
    command = [sys.executable, '-W', 'always', '-c', program]
    environment = {'PYTHONPATH': os.pathsep.join(sys.path), 'PATH': '/usr/bin:/bin'}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert 'Addons' not in result.stderr


def test_strong_view_in_tf_data_equals_eager():
    pytest.importorskip('tensorflow_addons', reason='tensorflow-addons is not on this stack')
    info = DatasetInfo('two', ('a', 'b'), ((0, 0, 0), (1, 1, 1)))
    views = Views(
        crop_size=(8, 9), cutout_half_size=2, strong=tuple(addons.AUGMENTATIONS), scales=(1.0,)
    )
    pixels = np.random.default_rng(0).integers(0, 256, (7, 12, 3)).astype(np.uint8)

    def strong(number):
        seed = tf.stack([tf.constant(3, tf.int64), number])
        return views.unlabelled({'image': tf.constant(pixels)}, info, (127.5,) * 3, seed)['strong']

    for number, traced in enumerate(tf.data.Dataset.range(4).map(strong)):
        np.testing.assert_allclose(
            traced, strong(tf.constant(number, tf.int64)), rtol=1e-5, atol=1e-3
        )
