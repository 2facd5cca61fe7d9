"""The two resampling rules against hand-computed values."""

import numpy as np
import tensorflow as tf

from wss.networks import resize


def test_bilinear_aligns_corners():
    maps = tf.reshape(tf.constant([0.0, 1.0, 4.0]), [1, 1, 3, 1])
    # Five columns sample 0, 0.5, 1, 1.5, 2.
    np.testing.assert_allclose(resize.bilinear(maps, (1, 5))[0, 0, :, 0], [0, 0.5, 1, 2.5, 4])


def test_nearest_takes_the_floor():
    maps = tf.constant([[[10, 20, 30]]])
    # floor(i * 3 / 4) = 0, 0, 1, 2 and floor(i * 3 / 2) = 0, 1.
    np.testing.assert_array_equal(resize.nearest(maps, (1, 4))[0, 0], [10, 10, 20, 30])
    np.testing.assert_array_equal(resize.nearest(maps, (1, 2))[0, 0], [10, 20])


def test_unknown_sizes():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1])])
    def double(maps):
        size = resize.spatial_size(maps)
        return resize.bilinear(maps, (size[0] * 2 - 1, size[1] * 2 - 1))

    np.testing.assert_allclose(double(tf.constant([[[[0.0], [2.0]]]]))[0, 0, :, 0], [0, 1, 2])
    assert resize.spatial_size(tf.zeros([1, 2, 3, 4])) == (2, 3)
