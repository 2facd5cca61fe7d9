"""How photos are scaled and padded."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.networks import resize
from wss.pipeline import frame
from wss.pipeline.frame import Frame

GREY = (127.5, 127.5, 127.5)


@pytest.mark.parametrize(
    ('size', 'stride', 'padded'),
    [
        ((6, 9), 8, (17, 17)),
        ((9, 40), 8, (17, 41)),
        ((375, 500), 8, (377, 505)),
        ((375, 500), 16, (385, 513)),
        ((513, 1), 16, (513, 33)),
        ((96, 97), 8, (97, 97)),
    ],
)
def test_an_image_is_padded_to_its_own_multiple(size, stride, padded):
    assert tuple(Frame(stride, GREY).padded_size(size).numpy()) == padded


def test_a_fixed_size_holds_what_fits():
    rule = Frame(16, GREY, (513, 513))
    sizes = [(375, 500), (513, 513), (514, 20), (20, 600)]
    expected = [(513, 513), (513, 513), (529, 33), (33, 609)]
    np.testing.assert_array_equal(rule.padded_size(sizes), expected)


def test_the_longer_side_is_scaled_and_the_shape_kept():
    sizes = [(3000, 4000), (4000, 3000), (1024, 100), (1000, 1), (3, 5000)]
    expected = [(768, 1024), (1024, 768), (1024, 100), (1000, 1), (1, 1024)]
    np.testing.assert_array_equal(frame.scaled_size(sizes, 1024), expected)
    np.testing.assert_array_equal(frame.scaled_size(sizes, None), sizes)


def test_images_are_scaled_with_antialiasing():
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    scaled = frame.scaled_images(tf.constant(image[None]), 40)[0].numpy()
    assert scaled.shape == (30, 40, 3) and scaled.dtype == np.uint8
    expected = np.asarray(Image.fromarray(image).resize((40, 30), Image.Resampling.BILINEAR))
    assert np.abs(scaled.astype(int) - expected).max() <= 1
    floats = frame.scaled_images(tf.constant(image[None], tf.float32), 40)[0].numpy()
    np.testing.assert_array_equal(floats, scaled)
    np.testing.assert_array_equal(frame.scaled_images(tf.constant(image[None]), 120)[0], image)


def test_examples_are_scaled_as_they_are_loaded():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 200
    label = (image[..., 0] > 0).astype(np.int32)

    def load(index):
        return {'image': tf.constant(image), 'label': tf.constant(label), 'id': tf.constant('a')}

    info = DatasetInfo('two', ('a', 'b'), ((0, 0, 0), (1, 1, 1)))
    examples = Examples(('a',), load, True, (40, 60), info, sizes=np.array([(40, 60)]))
    scaled = frame.scaled_examples(examples, 20)
    assert scaled.max_size == (13, 20) and scaled.sizes.tolist() == [[13, 20]]
    example = scaled.load(0)
    assert example['image'].shape == (13, 20, 3) and example['label'].dtype == tf.int32
    np.testing.assert_array_equal(example['label'][0], [0] * 10 + [1] * 10)
    assert frame.scaled_examples(examples, None) is examples
    assert frame.typical_size(scaled) == (13, 20)


def test_labels_of_strips_are_those_of_the_whole(monkeypatch):
    random = np.random.default_rng(0)
    maps = tf.constant(random.normal(size=(2, 9, 13, 5)), tf.float32)
    size = (33, 49)
    grid = resize.all_pixels(size)
    expected = tf.argmax(resize.bilinear(maps, size), axis=-1, output_type=tf.int32)
    np.testing.assert_allclose(
        resize.sample(maps, size, grid), resize.bilinear(maps, size), atol=2e-6
    )
    np.testing.assert_array_equal(resize.sample_labels(maps, size, grid), expected)
    unknown = tf.function(
        resize.sample_labels,
        input_signature=[
            tf.TensorSpec([None, None, None, 5]),
            tf.TensorSpec([2], tf.int32),
            resize.Grid(tf.TensorSpec([None]), tf.TensorSpec([None])),
        ],
    )
    for values in (1, 2 * 49 * 5 * 4, 2 * 49 * 5 * 7):  # One row, four, seven at a time.
        monkeypatch.setattr(resize, '_VALUES_AT_A_TIME', values)
        np.testing.assert_array_equal(resize.sample_labels(maps, size, grid), expected)
        np.testing.assert_array_equal(unknown(maps, tf.constant(size), grid), expected)
