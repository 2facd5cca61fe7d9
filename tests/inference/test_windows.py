"""Windows of large images, by hand and against a plain computation."""

import dataclasses
import itertools
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from wss.inference import memory, windows
from wss.inference.averaging import Averaging
from wss.inference.predictor import Predictor


@pytest.mark.parametrize('length', [1, 32, 33, 34, 66, 67, 100, 1000])
@pytest.mark.parametrize('overlap', [0, 0.33, 0.5, 0.9])
def test_windows_cover_an_image(length, overlap):
    places = windows.places(length, 33, overlap)
    firsts = [first for first, _ in places]
    assert firsts[0] == 0 and firsts[-1] == max(length - 33, 0) and firsts == sorted(firsts)
    shared = [33 - (b - a) for a, b in itertools.pairwise(firsts)]
    assert all(pixels >= int(33 * overlap) for pixels in shared)
    sums = np.zeros(length)
    for first, weights in places:
        assert len(weights) == min(33, length) and weights.min() > 0
        sums[first : first + len(weights)] += weights
    np.testing.assert_allclose(sums, 1, atol=1e-6)


def test_no_more_windows_than_needed():
    # Steps of 22 pixels: 0, 22, 44, 66 and the last at 67, moved apart evenly.
    assert [first for first, _ in windows.places(100, 33, 0.33)] == [0, 17, 34, 50, 67]
    assert [first for first, _ in windows.places(66, 33, 0)] == [0, 33]


def test_two_windows_are_blended():
    """In the plane, 1 and 3 left and right above; 5 and 7 below."""
    values = iter([1.0, 3.0, 5.0, 7.0])

    def predict(part):
        return np.full([*part.shape[:-1], 1], next(values), np.float32)

    found = list(windows.bands(predict, np.zeros([6, 6, 3]), 4, 0.5))
    assert [(top, len(band)) for top, band in found] == [(0, 2), (2, 4)]
    along = np.array([0, 0, 1 / 3, 2 / 3, 1, 1])  # The share of the second window.
    expected = 1 + 2 * along[np.newaxis, :] + 4 * along[:, np.newaxis]
    np.testing.assert_allclose(np.concatenate([b for _, b in found])[..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize(('size', 'overlap'), [((70, 90), 0.33), ((33, 60), 0.9), ((81, 20), 0)])
def test_what_sees_single_pixels_sees_them_in_windows(size, overlap):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    found = windows.bands(lambda part: part.astype(np.float32), image, 33, overlap)
    np.testing.assert_allclose(np.concatenate([band for _, band in found]), image, rtol=1e-5)


def test_rows_are_finished_before_the_next_are_predicted():
    seen = []

    def predict(part):
        seen.append(part.shape)
        return np.zeros([*part.shape[:-1], 2], np.float32)

    found = windows.bands(predict, np.zeros([100, 50, 3], np.uint8), 40, 0.25)
    assert not seen
    assert next(found)[1].shape == (30, 50, 2)
    assert seen == [(1, 40, 40, 3)] * 2


@pytest.fixture(scope='module')
def model(trained):
    return trained.experiment.predictor(trained.workdir, 'last')


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (41, 90, 3)).astype(np.uint8)


@pytest.mark.parametrize('flip', [False, True])
def test_windows_of_a_network(model, image, flip):
    sums, weights = np.zeros([41, 90, 3]), np.zeros([41, 90, 1])
    tent = np.minimum(np.arange(1, 34), np.arange(33, 0, -1))
    for top in (0, 8):
        for left in (0, 19, 38, 57):
            place = slice(top, top + 33), slice(left, left + 33)
            own = model.predict(image[place], probabilities=True, flip=flip)[1]
            sums[place] += own * np.outer(tent, tent)[..., np.newaxis]
            weights[place] += np.outer(tent, tent)[..., np.newaxis]
    options = {'window': 33, 'overlap': 0.4, 'flip': flip}
    labels, found = model.predict(image, probabilities=True, **options)
    np.testing.assert_allclose(found, sums / weights, atol=1e-5)
    np.testing.assert_array_equal(labels, found.argmax(axis=-1))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(model.predict(image, **options), labels)


def test_an_image_that_fits_is_seen_as_a_whole(model, image):
    whole = model.predict(image, probabilities=True)[1]
    np.testing.assert_array_equal(model.predict(image, True, window=90)[1], whole)
    assert np.abs(model.predict(image, True, window=89)[1] - whole).max() > 1e-6


def test_windows_need_the_memory_of_a_row_of_them(model):
    of_window = model.needed(Averaging()).about((33, 33))
    cut = model.needed(Averaging(window=33)).about
    # The arrays of the image in place of those of a window, and two rows of three classes.
    arrays = 20 * (5000 * 2000 - 33 * 33)
    assert cut((5000, 2000)) == pytest.approx(of_window + arrays + 2 * 4 * 3 * 33 * 2000)
    assert cut((33, 20)) == model.needed(Averaging()).about((33, 20))


def test_a_large_image_is_not_refused_for_what_it_does_not_need(model):
    """12,000 x 9,000 pixels take 1.55 GB (`benchmarks/large_image.py`)."""
    size = (9000, 12000)
    assert 1.5e9 < model.needed(Averaging(window=513)).about(size) < 3e9
    assert model.needed(Averaging()).about(size) > 10e9
    # Each window of a batch needs the network's memory; kept probabilities need that of all pixels.
    one, eight = (model.needed(Averaging(window=513), n).about(size) for n in (1, 8))
    of_network = model.needed().about((513, 513)) - 20 * 513**2
    assert eight - one == pytest.approx(7 * of_network)
    kept = model.needed(Averaging(window=513), probabilities=True).about(size)
    assert kept - one == pytest.approx(8 * 3 * 9000 * 12000)


def test_windows_are_predicted_in_batches(model, image):
    how, sizes = Averaging(window=33), []
    alone = model.predict_images(image[np.newaxis], how, probabilities=True)
    together = model.predict_images(image[np.newaxis], how, probabilities=True, batch_size=3)
    np.testing.assert_allclose(together[1], alone[1], atol=1e-5)

    def note(parts):
        sizes.append(len(parts))
        return parts

    list(windows.bands(note, image, 33, 0.33, at_once=3))
    assert sizes == [3, 1, 3, 1]  # Two rows of four windows.


def test_windows_that_do_not_fit_together_are_predicted_one_by_one(
    model, image, tmp_path, monkeypatch
):
    Image.fromarray(image).save(tmp_path / 'a.png')
    how, together = Averaging(window=33), []
    predict = model.predict_images

    def note(batch, how, keep, at_once):
        together.append(at_once)
        return predict(batch, how, keep, at_once)

    monkeypatch.setattr(model, 'predict_images', note)
    needed = [model.needed(how, number).about(image.shape[:2]) for number in (1, 3)]
    for available in (2 * needed[1], np.mean(needed)):
        monkeypatch.setattr(memory, 'available', lambda found=available: found / 0.8)
        done = model.predict_folder(tmp_path / 'a.png', tmp_path / 'out', how, batch_size=3)
        assert done.predicted == 1
    assert together == [3, 1]


def test_a_run_is_evaluated_in_windows(trained, model):
    how = Averaging(window=33, overlap=0.0)
    found = trained.experiment.evaluate(trained.workdir, 'last', averaging=how)
    # Its images have 33 x 33 pixels.
    assert found['miou'] == trained.experiment.evaluate(trained.workdir, 'last')['miou']
    assert (found['window'], found['overlap']) == (33, 0.0)
    assert str(how) == 'scales_1_window_33_0'


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'window': 32}, 'window is 32; it must be a whole number, 33 to 4097'),
        ({'window': 64.0}, r'window is 64\.0; it must be'),
        ({'overlap': 0.95}, r'overlap is 0\.95; it must be a number, 0 to 0\.9'),
    ],
)
def test_other_windows_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Averaging(**options)


def test_images_that_are_scaled_down_need_no_windows(model, image):
    scaled = Predictor(model.method, model.frame.size, long_side=64)
    whole = scaled.predict(image, probabilities=True)[1]
    np.testing.assert_array_equal(scaled.predict(image, True, window=64)[1], whole)
    size = (900, 4000)
    assert scaled.needed(Averaging(window=64)).about(size) == scaled.needed(Averaging()).about(size)
    words = r'window is 33, but images are scaled down to a longer side of 64 pixels'
    for call in (
        lambda: scaled.predict(image, window=33),
        lambda: scaled.needed(Averaging(window=33)),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    assert dataclasses.replace(Averaging(window=33), window=None).is_plain


def test_no_two_rows_of_windows_are_in_memory():
    """A band has 129 x 1200 pixels; the next one shares a third of it, which is held beside it."""
    image, classes = np.zeros([900, 1200, 3], np.uint8), 21

    def predict(parts):
        return np.ones([*parts.shape[:3], classes], np.float32)

    tracemalloc.start()
    try:
        for _, band in windows.bands(predict, image, 129, 0.33):
            del band
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1.3 < peak / (4 * 129 * 1200 * classes) < 2
