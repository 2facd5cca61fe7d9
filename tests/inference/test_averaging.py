"""Averages over copies of an image, by hand and by the network."""

import json

import numpy as np
import pytest
import tensorflow as tf

from wss.devices.strategies import Devices
from wss.inference import averaging
from wss.inference.averaging import Averaging
from wss.networks import resize
from wss.pipeline.frame import Frame
from wss.results import scores
from wss.training.progress import EvaluationProgress

RULE = Frame(stride=8, padding_value=(0.0, 0.0, 0.0))


def image_itself(images, grid):
    """A network that is sure of what it sees: the values of the image, as shares of 255."""
    return resize.sample(images / 255, resize.spatial_size(images), grid)


def columns(images, grid):
    """A network that knows left from right: the column, as a share of 40."""
    shares = tf.broadcast_to(grid.columns / 40, [1, len(grid.rows), len(grid.columns)])
    return tf.stack([shares, 1 - shares], axis=-1)


def height(images, grid):
    """A network that tells how high the image is, padding included, in hundreds of pixels."""
    share = tf.cast(tf.shape(images)[1], tf.float32) / 100
    return tf.fill([1, len(grid.rows), len(grid.columns), 1], share)


def averaged(predict, images, **copies):
    return averaging.probabilities(predict, RULE, Averaging(**copies), images).numpy()


@pytest.fixture
def image():
    values = np.random.default_rng(0).integers(0, 256, (1, 33, 41, 3))
    return tf.constant(values, tf.float32)


@pytest.mark.parametrize('flip', [False, True])
def test_mirrored_copies_lie_on_the_image(image, flip):
    found = averaged(image_itself, image, flip=flip)
    np.testing.assert_allclose(found, image / 255, atol=1e-6)


def test_what_differs_in_mirrored_copies_is_averaged(image):
    plain = averaged(columns, image)
    np.testing.assert_allclose(plain[0, 0, :, 0], np.arange(41) / 40, atol=1e-6)
    np.testing.assert_allclose(averaged(columns, image, flip=True), 0.5, atol=1e-6)


def test_each_scale_counts_alike(image):
    # 33 rows become 16, 33 and 66, padded to 17, 33 and 73.
    found = averaged(height, image, scales=(0.5, 1, 2), flip=True)
    np.testing.assert_allclose(found, (0.17 + 0.33 + 0.73) / 3, atol=1e-6)


def test_scaled_copies_lie_on_the_image():
    """A slope of 4 a pixel: the copy of twice the size has one of 2, and its pairs the mean."""
    slope = np.tile(4.0 * np.arange(41)[:, np.newaxis], (1, 33, 1, 3)).astype(np.float32)
    found = 255 * averaged(image_itself, tf.constant(slope), scales=(2,))
    np.testing.assert_allclose(found[:, 1:-1, 1:-1], slope[:, 1:-1, 1:-1], atol=1e-4)
    half = 255 * averaged(image_itself, tf.fill([1, 33, 41, 3], 100.0), scales=(0.5,))
    np.testing.assert_allclose(half, 100, atol=1e-4)


@pytest.fixture(scope='module')
def model(trained):
    return trained.experiment.predictor(trained.workdir, 'last')


def test_the_network_sees_the_image_and_its_mirror_image(model):
    image = np.random.default_rng(1).integers(0, 256, (41, 50, 3)).astype(np.uint8)
    both = (image, np.ascontiguousarray(image[:, ::-1]))
    one, other = (model.predict(each, probabilities=True)[1] for each in both)
    expected = (one + other[:, ::-1]) / 2
    labels, found = model.predict(image, probabilities=True, flip=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(labels, found.argmax(axis=-1))
    np.testing.assert_array_equal(model.predict(image, flip=True), labels)
    assert np.abs(one - other[:, ::-1]).max() > 1e-4


def test_one_image_at_a_time_scores_as_batches_do(trained, model):
    examples = trained.experiment.data.make_dataset().examples('val')
    found, confusion, images = scores.evaluate_singly(model.predict, examples, EvaluationProgress)
    expected = trained.experiment.evaluate(trained.workdir, 'last')
    assert list(expected['iou'].values()) == found['iou']
    assert expected['pixels'] == found['pixels'] == confusion.sum() == 5 * 33 * 33
    assert images.ids == examples.ids and images.counts[:, 1].sum() == found['pixels']


def test_an_evaluation_of_copies_counts_their_labels(trained, model):
    copies = Averaging((0.75, 1), flip=True)
    found = trained.experiment.evaluate(trained.workdir, 'last', averaging=copies)
    examples = trained.experiment.data.make_dataset().examples('val')
    right = 0
    for number in range(len(examples)):
        example = examples.load(tf.constant(number))
        labels = model.predict(example['image'].numpy(), scales=(0.75, 1), flip=True)
        right += (labels == example['label'].numpy()).sum()
    assert found['pixel_accuracy'] == pytest.approx(right / found['pixels'])
    assert json.loads(json.dumps(found))['scales'] == [0.75, 1.0] and found['flip'] is True


def test_copies_are_scored_on_one_device(trained):
    with pytest.raises(ValueError, match='takes one device; leave out --strategy'):
        trained.experiment.evaluate(
            trained.workdir, devices=Devices('mirrored'), averaging=Averaging(flip=True)
        )


@pytest.mark.parametrize(
    ('copies', 'words'),
    [
        ({'scales': ()}, r'scales is \(\); it must be a tuple of 1 to 20 values'),
        ({'scales': (1, 0)}, 'A value of scales is 0; it must be a number, 0.1 to 4'),
        ({'scales': (5,)}, 'A value of scales is 5'),
        ({'scales': ('1',)}, "A value of scales is '1'"),
        ({'flip': 1}, 'flip is 1; it must be True or False'),
        ({'veto': 1.5}, r'veto is 1\.5; it must be a number, 0 to 1'),
    ],
)
def test_other_copies_are_refused(copies, words):
    with pytest.raises(ValueError, match=words):
        Averaging(**copies)


def test_the_classifier_can_rule_classes_out(model):
    """Two classes beside the background; the classifier gives both about a half at the start."""
    image = np.random.default_rng(2).integers(0, 256, (33, 33, 3)).astype(np.uint8)
    network = model.method.network
    logits = network.classify(network.features(tf.constant(image[None], tf.float32))).numpy()[0]
    shown = 1 / (1 + np.exp(-logits))
    low, high = sorted(shown)
    _, plain = model.predict(image, probabilities=True)
    for veto in (low / 2, (low + high) / 2, (1 + high) / 2):
        kept = np.array([True, *(shown >= veto)])
        expected = plain * kept
        expected /= expected.sum(axis=-1, keepdims=True)
        labels, found = model.predict(image, probabilities=True, veto=float(veto))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_array_equal(labels, found.argmax(-1))
        np.testing.assert_array_equal(model.predict(image, veto=float(veto)), labels)
    assert not labels.any()  # All were ruled out but the background.


def test_a_name_for_files():
    assert str(Averaging(veto=0.25)) == 'scales_1_veto_0.25' and not Averaging(veto=0.25).is_plain
    assert Averaging(overlap=0.5).is_plain
    assert str(Averaging((0.5, 1, 1.25), True)) == 'scales_0.5_1_1.25_flip'
    assert Averaging().is_plain and not Averaging((1, 1)).is_plain
    assert Averaging((0.5, 1), True).copies == 4


def test_copies_need_more_memory(model):
    arrays = 20 * 10**6  # Of the image, whose size is the same.
    plain = model.needed(Averaging()).about((1000, 1000)) - arrays
    larger = model.needed(Averaging((0.5, 2))).about((1000, 1000)) - arrays
    # The network sees 2,001 x 2,001 pixels in place of 1,001 x 1,001; 3 classes are summed.
    assert larger == pytest.approx(3.996 * plain + 4 * 4 * 3 * 10**6, rel=0.01)
