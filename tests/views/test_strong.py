"""A user's own functions as augmentations of the strong view."""

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.views.views import Views

INFO = DatasetInfo('two', ('a', 'b'), ((0, 0, 0), (1, 1, 1)))
PADDING = (127.5, 127.5, 127.5)
STILL = {
    'crop_size': (8, 9),
    'scales': (1.0,),
    'flip_probability': 0.0,
    'cutout_half_size': 0,
    'brightness': 0.0,
    'contrast': 0.0,
    'saturation': 0.0,
    'hue': 0.0,
    'strong_probability': 1.0,
}


def strong_view(views, seed=0):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3)).astype(np.uint8)
    at = tf.constant([5, seed], tf.int64)
    view = views.unlabelled({'image': tf.constant(pixels)}, INFO, PADDING, at)
    return view['weak'].numpy(), view['strong'].numpy()


def negative(image, seed):
    del seed
    return 1.0 - image


def dimmed(image, seed, least: float = 0.5):
    return image * tf.random.stateless_uniform([], seed, least, 1.0)


def test_functions_see_0_to_1_in_their_order_and_padding_stays():
    weak, strong = strong_view(Views(strong=(negative,), **STILL))
    np.testing.assert_allclose(strong[:, :6], 255 - weak[:, :6], atol=1e-4)
    np.testing.assert_array_equal(strong[:, 6:], np.broadcast_to(PADDING, (8, 3, 3)))
    _, twice = strong_view(Views(strong=(negative, negative), **STILL))
    np.testing.assert_allclose(twice, weak, atol=1e-4)


def test_a_function_is_random_by_its_seed():
    views = Views(strong=[dimmed], **STILL)
    (weak, first), (_, again), (_, other) = (strong_view(views, seed) for seed in (0, 0, 1))
    factor = np.median(first[:, :6] / np.maximum(weak[:, :6], 1))
    np.testing.assert_allclose(first[:, :6], factor * weak[:, :6], atol=0.5)
    assert 0.5 <= factor <= 1
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1


def test_shapes_stay_static():
    # What NumPy computes has no static shape.
    def unknown(image, seed):
        del seed
        return tf.numpy_function(lambda pixels: pixels[:, ::-1].copy(), [image], tf.float32)

    views = Views(strong=(unknown,), **STILL)
    dataset = tf.data.Dataset.range(1).map(
        lambda i: views.unlabelled(
            {'image': tf.zeros([8, 9, 3], tf.uint8)}, INFO, PADDING, tf.stack([i, i])
        )
    )
    assert dataset.element_spec['strong'] == tf.TensorSpec((8, 9, 3), tf.float32)


def larger(image, seed):
    del seed
    return tf.concat([image, image], 0)


def whole_numbers(image, seed):
    del seed
    return tf.cast(image, tf.int32)


def array(image, seed):
    del seed
    return image.numpy()


def bright(image, seed):
    del seed
    return image * 255.0


def not_a_number(image, seed):
    del seed
    return image / 0.0 * 0.0


def global_random(image, seed):
    del seed
    return image * tf.random.uniform([])


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        (larger, r'larger, which must keep shape and type of the image: it made float32 \[16, 9'),
        (whole_numbers, r'whole_numbers, which must keep shape and type .*: it made int32'),
        (array, 'array, which must return a tensor; it returned a ndarray'),
        (bright, r'bright, which must return values in 0\.\.1; it returned .*\.\.25'),
        (not_a_number, r'not_a_number, which must return values in 0\.\.1; it returned nan'),
        (global_random, 'global_random, which must give the same image for the same seed'),
        (lambda image: image, 'must take an image and a seed: too many positional arguments'),
    ],
)
def test_functions_that_do_not_fit(function, message):
    with pytest.raises(ValueError, match=rf'^Views\.strong has .*{message}'):
        Views(strong=(function,), **STILL)


def test_neither_name_nor_function():
    with pytest.raises(ValueError, match=r'Views\.strong is \(3,\); it must be a tuple of names'):
        Views(strong=(3,))
