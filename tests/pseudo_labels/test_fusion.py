"""Calibrated fusion and sharpening against hand-computed values."""

import numpy as np
import pytest
import tensorflow as tf

from wss.pseudo_labels import fusion


def test_calibration_by_hand():
    # Squares 9, 1, 4, 2: mean 4, so r = 1 / 2.
    decoder = tf.constant([[[[3.0, 1.0]]]])
    sgc = tf.constant([[[[-2.0, np.sqrt(2.0)]]]])
    np.testing.assert_allclose(fusion.calibration(decoder, sgc), 0.5, rtol=1e-6)


def test_calibration_is_one_scalar_over_the_batch():
    # Image 0 has squares of 1, image 1 of 7 (both maps): mean 4.
    decoder = tf.reshape(tf.constant([1.0, 1.0, np.sqrt(7.0), -np.sqrt(7.0)]), [2, 1, 1, 2])
    np.testing.assert_allclose(fusion.calibration(decoder, decoder), 0.5, rtol=1e-6)


def test_fuse_by_hand():
    # d = (ln 9, 0), s = (0, ln 9). Uncalibrated, softmax(d) = (0.9, 0.1), softmax(s) = (0.1, 0.9).
    log9 = float(np.log(9.0))
    decoder = tf.constant([[[[log9, 0.0], [log9, 0.0]]]])
    sgc = tf.constant([[[[0.0, log9], [log9, 0.0]]]])
    plain = fusion.fuse(decoder, sgc, 'avg', calibrate=False)
    np.testing.assert_allclose(plain, [[[[0.5, 0.5], [0.9, 0.1]]]], rtol=1e-6)
    # Mean square (ln 9)^2 / 2, so r = sqrt(2) / ln 9 and r d = (sqrt 2, 0): softmax 0.804430.
    calibrated = fusion.fuse(decoder, sgc)
    np.testing.assert_allclose(calibrated, [[[[0.5, 0.5], [0.804430, 0.195570]]]], atol=1e-5)
    np.testing.assert_allclose(fusion.fuse(decoder, sgc, 'att')[0, 0, 0], [0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(fusion.fuse(decoder, sgc, 'decoder')[0, 0, 0], [0.9, 0.1], rtol=1e-6)


def test_fuse_refuses_an_unknown_source():
    with pytest.raises(ValueError, match="source is 'cam'"):
        fusion.fuse(tf.zeros([1, 1, 1, 2]), tf.zeros([1, 1, 1, 2]), 'cam')


def test_sharpen_by_hand():
    # T = 0.5 squares: 0.04, 0.16, 0.16 of 0.36.
    sharp = fusion.sharpen(tf.constant([0.2, 0.4, 0.4]), 0.5)
    np.testing.assert_allclose(sharp, [1 / 9, 4 / 9, 4 / 9], rtol=1e-6)
    np.testing.assert_allclose(fusion.sharpen(tf.constant([0.2, 0.8]), 1.0), [0.2, 0.8], rtol=1e-6)
