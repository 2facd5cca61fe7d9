"""Predicting single images from Python."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.inference import memory, predictor
from wss.inference.averaging import Averaging
from wss.results import pictures
from wss.training import optimisers

SIDES = (41, 50)


@pytest.fixture(scope='module')
def model(trained):
    return trained.experiment.predictor(trained.workdir, 'last')


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (*SIDES, 3)).astype(np.uint8)


def test_a_path_a_pil_image_and_arrays_give_the_same(model, image, tmp_path):
    Image.fromarray(image).save(tmp_path / 'image.png')
    expected = model.predict(image)
    assert expected.shape == SIDES and expected.dtype == np.int32
    assert expected.min() >= 0 and expected.max() < len(model.classes)
    path = tmp_path / 'image.png'
    for given in (path, str(path), Image.fromarray(image), image.astype(np.float32),
                  image.astype(np.int64)):  # fmt: skip
        np.testing.assert_array_equal(model.predict(given), expected)


def test_a_grey_pil_image_is_one_of_three_equal_channels(model, image):
    grey = image[..., 0]
    expected = model.predict(np.repeat(grey[..., None], 3, axis=-1))
    np.testing.assert_array_equal(model.predict(Image.fromarray(grey)), expected)


def test_the_labels_are_those_of_the_method(model, image):
    side = 65  # Room for the image; one more than a multiple of the output stride.
    canvas = np.tile(np.float32(model.method.network.backbone.padding_value), (1, side, side, 1))
    canvas[0, : SIDES[0], : SIDES[1]] = image
    roomy = predictor.Predictor(model.method, (side, side))
    expected = model.method.predict_labels(tf.constant(canvas))[0, : SIDES[0], : SIDES[1]]
    np.testing.assert_array_equal(roomy.predict(image), expected)


def test_images_are_predicted_together(model, image):
    images = np.stack([image, image[::-1], image[:, ::-1]])
    labels, found = model.predict_images(images, probabilities=True)
    for one, expected, probabilities in zip(images, labels, found, strict=True):
        alone, of_one = model.predict(one, probabilities=True)
        np.testing.assert_array_equal(alone, expected)
        np.testing.assert_allclose(of_one, probabilities, atol=1e-5)
    found, none = model.predict_images(images)
    assert none is None
    np.testing.assert_array_equal(found, labels)


def test_a_batch_that_does_not_fit_is_predicted_one_by_one(model, image, tmp_path, monkeypatch):
    (tmp_path / 'in').mkdir()
    for name in 'abcd':
        Image.fromarray(image).save(tmp_path / 'in' / f'{name}.png')
    sizes, predict = [], model.predict_images
    monkeypatch.setattr(
        model,
        'predict_images',
        lambda batch, *rest: sizes.append(len(batch)) or predict(batch, *rest),
    )
    model.predict_folder(tmp_path / 'in', tmp_path / 'out', batch_size=3)
    assert sizes == [3, 1]
    needed = [model.needed(batch_size=number).about(image.shape[:2]) for number in (1, 3)]
    monkeypatch.setattr(memory, 'available', lambda: np.mean(needed) / 0.8)
    assert model.predict_folder(tmp_path / 'in', tmp_path / 'out', batch_size=3).predicted == 4
    assert sizes[2:] == [1, 1, 1, 1]


def test_an_image_that_does_not_fit_is_refused_before_it_is_predicted(model, tmp_path, monkeypatch):
    large = np.zeros([400, 300, 3], np.uint8)
    Image.fromarray(large).save(tmp_path / 'large.png')
    how = Averaging(window=65)
    whole, windows = (model.needed(way).about((400, 300)) for way in (Averaging(), how))
    monkeypatch.setattr(memory, 'available', lambda: (whole + windows) / 2 / 0.8)
    with pytest.raises(memory.TooLargeError, match=r'large\.png is too large .* in windows'):
        model.predict(tmp_path / 'large.png')
    with pytest.raises(ValueError, match='The image is too large for the memory: 300x400'):
        model.predict(large)
    assert model.predict(large, window=65).shape == (400, 300)


def test_probabilities_sum_to_1_and_agree_with_the_labels(model, image):
    labels, probabilities = model.predict(image, probabilities=True)
    assert labels.shape == SIDES and labels.dtype == np.int32
    assert probabilities.shape == (*SIDES, len(model.classes))
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=-1))
    np.testing.assert_array_equal(labels, model.predict(image))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda x: x[..., 0], r'has the shape \(41, 50\); it must be \[H, W, 3\], RGB'),
        (lambda x: x[..., [0, 1, 2, 2]], r'has the shape \(41, 50, 4\)'),
        (lambda x: x[None], r'has the shape \(1, 41, 50, 3\)'),
        (lambda x: x[:0], r'has the shape \(0, 50, 3\)'),
        (lambda x: x.astype(complex), 'values of type complex128; they must be numbers'),
        (lambda x: x.astype(str), 'values of type <U'),
        (lambda x: x > 127, 'values of type bool; they must be numbers'),
        (lambda x: x.astype(int) - 256, r'values in -256\.\.-1; they must be in 0\.\.255'),
        (lambda x: x.astype(int) + 1, r'values in 1\.\.256; they must be in 0\.\.255'),
        (lambda x: np.where(x == x[0, 0], np.nan, x), 'values in nan'),
        (lambda x: x / 255.0, r'has values in 0\.\.1; multiply them by 255'),
    ],
)
def test_other_arrays_are_refused(model, image, change, words):
    with pytest.raises(ValueError, match=words):
        model.predict(change(image))


def test_files_that_cannot_be_read_are_named(model, image, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.png does not exist'):
        model.predict(tmp_path / 'none.png')
    Image.fromarray(image).save(tmp_path / 'cut.png')
    (tmp_path / 'cut.png').write_bytes((tmp_path / 'cut.png').read_bytes()[:-200])
    with pytest.raises(ValueError, match=r'cut\.png is damaged or cut off'):
        model.predict(tmp_path / 'cut.png')


def test_an_overlay_has_the_size_of_the_image(model, image):
    labels = model.predict(image)
    shown = model.overlay(image, labels)
    assert isinstance(shown, Image.Image) and shown.size == (SIDES[1], SIDES[0])
    expected = pictures.overlay(image, labels, model.method.info)
    np.testing.assert_array_equal(np.asarray(shown), expected)


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        (np.zeros((5, 5), np.int32), r'of the shape \(5, 5\); they must be integers of the shape'),
        (np.zeros((1, 1)), 'The labels are float64'),
        (np.full((33, 33), 9), 'The label map has pixels of value 9; the classes are 0 to 2'),
    ],
)
def test_labels_that_do_not_fit_an_overlay_are_refused(model, labels, words):
    with pytest.raises(ValueError, match=words):
        model.overlay(np.zeros((33, 33, 3), np.uint8), labels)


@pytest.mark.parametrize('other', [['a.png'], tf.zeros([33, 33, 3])])
def test_what_is_no_image_is_refused(model, other):
    with pytest.raises(ValueError, match='it must be a path, a PIL image or an array'):
        model.predict(other)


def test_classes_are_those_of_the_dataset(model, tiny):
    assert model.classes == tiny.make_info().class_names


def made_by(function):
    """Calls a function; returns what it returns and the variables that were made."""
    made = []

    def note(next_creator, **options):
        made.append(next_creator(**options))
        return made[-1]

    with tf.variable_creator_scope(note):
        result = function()
    return result, made


def compiled(method):
    method.compile(optimizer=optimisers.momentum_poly(10))
    method.optimizer.build(method.trainable_variables)


@pytest.mark.parametrize('decay', [None, 0.9])
def test_load_makes_no_optimiser_and_none_of_its_variables(tiny, trained, tmp_path, decay):
    experiment, workdir = trained.experiment, trained.workdir
    if decay:
        experiment, workdir = tiny.experiment(average_decay=decay, steps=2), tmp_path
        experiment.train(workdir)

    def fail(steps):
        pytest.fail('An optimiser is made.')

    never = dataclasses.replace(experiment, make_optimiser=fail)
    method, made = made_by(lambda: never.load(workdir, 'last'))
    assert method.optimizer is None
    # Whole scalars are the step of the checkpoint and counters of Keras.
    made = [v for v in made if v.shape.rank or v.dtype.is_floating]
    weights = [*method.network.variables, *(method.sgc.variables if hasattr(method, 'sgc') else ())]
    measures = [v for one in (method.confusion, *method.quality.values()) for v in one.variables]
    assert len(weights) > 50 and bool(method.averages) == bool(decay)
    assert len(made) == len(weights) + len(method.averages) + len(measures)
    # Training needs one more for each trainable variable.
    _, made_to_train = made_by(lambda: compiled(method))
    slots = [v for v in made_to_train if v.shape.rank]
    assert len(slots) >= len(method.trainable_variables) > 30
