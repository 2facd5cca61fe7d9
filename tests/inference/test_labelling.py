"""Pseudo labels of a folder, and what to label next."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

from wss.inference import label_next, label_sources, labelling, memory, windows
from wss.inference.averaging import Averaging
from wss.inference.label_next import Candidate
from wss.inference.outputs import Outputs


@pytest.fixture(scope='module')
def model(trained):
    return trained.experiment.predictor(trained.workdir, 'last')


@pytest.fixture
def photos(tmp_path):
    (tmp_path / 'in/deep').mkdir(parents=True)
    random = np.random.default_rng(0)
    names = 'a.png', 'deep/b.png'
    pixels = {name: random.integers(0, 256, (33, 40, 3)).astype(np.uint8) for name in names}
    for name, array in pixels.items():
        Image.fromarray(array).save(tmp_path / 'in' / name)
    return pixels


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize('source', ['decoder', 'fused'])
def test_labels_and_confidence_are_those_of_the_source(tmp_path, model, photos, source):
    out = tmp_path / 'out'
    done = labelling.label_folder(model, tmp_path / 'in', out, source, threshold=0.45)
    assert done.predicted == 2 and done.failed == 0
    of_image = label_sources.for_images(model.method, model.frame)
    means = {}
    for name, pixels in photos.items():
        maps = of_image(pixels)[source]
        expected = np.where(maps.max(-1) >= 0.45, maps.argmax(-1), 255)
        target = out / name.removesuffix('.png')
        np.testing.assert_array_equal(read(f'{target}.png'), expected)
        np.testing.assert_allclose(read(f'{target}_confidence.png') / 255, maps.max(-1), atol=0.003)
        means[str(tmp_path / 'in' / name)] = maps.max(-1).mean()
    with open(out / 'label_next.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert {row['image']: float(row['confidence']) for row in rows} == pytest.approx(
        means, abs=0.003
    )


def test_images_that_do_not_fit_are_left_out(tmp_path, model, photos, monkeypatch):
    monkeypatch.setattr(memory, 'available', lambda: 10**4)
    said = []
    done = labelling.label_folder(
        model, tmp_path / 'in', tmp_path / 'out', 'fused', report=said.append
    )
    assert (done.predicted, done.too_large) == (0, 2) and 'too large for the memory' in said[0]


def per_pixel(method, rule):
    """Sources that see single pixels: the first channel is the probability of class 0."""
    del rule
    rest = np.linspace(0, 1, method.info.num_classes - 1)
    rest = rest / rest.sum()

    def of_image(image):
        first = image[..., :1].astype(np.float32) / 255
        return {'fused': np.concatenate([first, (1 - first) * rest], axis=-1)}

    return of_image


def test_windows_give_what_the_whole_image_gives(tmp_path, model, photos, monkeypatch):
    monkeypatch.setattr(label_sources, 'for_images', per_pixel)
    sizes, bands = [], windows.bands

    def seen(predict, image, side, overlap):
        def counted(parts):
            sizes.append(parts.shape)
            return predict(parts)

        return bands(counted, image, side, overlap)

    monkeypatch.setattr(windows, 'bands', seen)
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    labelling.label_folder(model, tmp_path / 'in/a.png', whole, 'fused', 0.6)
    assert not sizes
    labelling.label_folder(model, tmp_path / 'in/a.png', cut, 'fused', 0.6, window=33, overlap=0.5)
    assert sizes == [(1, 33, 33, 3)] * 2  # 33 x 40 pixels.
    labels = read(whole / 'a.png')
    assert {0, 255} < set(np.unique(labels))
    np.testing.assert_array_equal(read(cut / 'a.png'), labels)
    found = [read(folder / 'a_confidence.png').astype(int) for folder in (whole, cut)]
    assert np.abs(found[0] - found[1]).max() <= 1  # Of 255.


def test_windows_need_less_memory(model):
    size, how = (1200, 900), Averaging(window=129)
    needed = label_sources.needed(model.method, model.frame, how)
    assert needed.seen(size) == (129, 129)
    assert needed.about(size) < label_sources.needed(model.method, model.frame).about(size) / 10
    # 20 bytes a pixel; 3 sources and 2 rows of windows of 7 classes, float32.
    classes = model.method.info.num_classes
    expected = 20 * 1200 * 900 + 4 * classes * (3 * 129 * 129 + 2 * 129 * 900)
    assert needed.arrays(size) == expected


def test_names_that_are_not_utf_8_are_listed(tmp_path, model, photos):
    os.rename(tmp_path / 'in/a.png', os.fsencode(tmp_path / 'in') + b'/b\xe9.png')
    labelling.label_folder(model, tmp_path / 'in', tmp_path / 'out', 'sgc')
    assert 'b\\udce9.png' in (tmp_path / 'out/label_next.csv').read_text()


def test_labelling_resumes(tmp_path, model, photos):
    given = model, tmp_path / 'in', tmp_path / 'out', 'sgc', 0.0, True
    assert labelling.label_folder(*given).predicted == 2
    written = (tmp_path / 'out/label_next.csv').read_bytes()
    (tmp_path / 'out/a_confidence.png').unlink()
    done = labelling.label_folder(*given)
    assert (done.predicted, done.skipped) == (1, 1)
    assert (tmp_path / 'out/label_next.csv').read_bytes() == written
    # A list that was ticked off is kept.
    (tmp_path / 'out/label_next.csv').write_bytes(written + b'done\n')
    with pytest.raises(ValueError, match=r'label_next\.csv exists and is not a prediction'):
        labelling.label_folder(*given)


def test_a_method_with_one_source_labels_as_it_predicts(tmp_path, tiny, photos):
    experiment = tiny.experiment(steps=0)
    experiment.train(tmp_path / 'run')
    model = experiment.predictor(tmp_path / 'run', 'last')
    assert labelling.default_source(model.method, 'fused') == 'prediction'
    labelling.label_folder(model, tmp_path / 'in/a.png', tmp_path / 'out', 'prediction')
    labels, _ = model.predict(photos['a.png'], probabilities=True)
    np.testing.assert_array_equal(read(tmp_path / 'out/a.png'), labels)
    with pytest.raises(ValueError, match="source is 'sgc'; it can be 'prediction'"):
        labelling.label_folder(model, tmp_path / 'in', tmp_path / 'out', 'sgc')


def test_the_default_is_the_best_source_or_that_of_the_run(model):
    assert labelling.default_source(model.method, 'sgc') == 'sgc'
    assert labelling.default_source(model.method, None) == 'fused'
    assert labelling.default_source(model.method, 'other') == 'fused'


def test_classes_take_turns_from_the_least_confident():
    images = {
        'cat 1': (0.3, ('cat', 'dog')),
        'cat 2': (0.4, ('cat',)),
        'cat 3': (0.45, ('cat',)),
        'dog 1': (0.5, ('dog', 'cat')),
        'none 1': (0.6, ()),
        'dog 2': (0.9, ('dog',)),
    }
    given = [Candidate(name, *rest) for name, rest in reversed(images.items())]
    order = [one.image for one in label_next.order(given)]
    assert order == ['cat 1', 'dog 1', 'none 1', 'cat 2', 'dog 2', 'cat 3']
    assert label_next.order([]) == []


def test_the_list_is_read_back_from_the_files(tmp_path, tiny):
    """Two images of four pixels: classes 2 and 1 of three, and one whose label is unknown."""
    info, outputs = tiny.make_info(), Outputs(confidence=True)
    maps = {'a': ([[2, 2], [1, 0]], 0.4), 'b': ([[255, 255], [255, 255]], 0.2)}
    for name, (labels, confidence) in maps.items():
        found = np.full([2, 2, 3], confidence)
        files = outputs.files(str(tmp_path / name), info)
        image = np.zeros([2, 2, 3], np.uint8)
        for what, content, _ in outputs.contents(image, np.array(labels), found, info):
            with open(files[what], 'wb') as file:
                file.write(content)
    targets = {f'in/{name}.jpg': str(tmp_path / name) for name in 'abc'}
    label_next.write(str(tmp_path / 'label_next.csv'), targets, info)
    assert (tmp_path / 'label_next.csv').read_text().splitlines() == [
        'image,confidence,classes',
        'in/b.jpg,0.2000,',
        'in/a.jpg,0.4000,light; dark',
    ]
