"""Which source of pseudo labels is the best on held-out images."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.inference import label_sources, memory
from wss.inference.label_sources import Quality
from wss.pipeline import frame
from wss.runs.folder import read_description


def in_tensorboard(folder, tag):
    """Yields the values of a tag."""
    for path in sorted((folder / 'events').iterdir()):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            for value in tf.compat.v1.Event.FromString(record).summary.value:
                if value.tag == tag:
                    yield value.tensor


@pytest.fixture(scope='module')
def method(trained):
    return trained.experiment.load(trained.workdir, 'last')


def softmax(values):
    exponents = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def enlarged(maps, side):
    """Bilinear with aligned corners, as one matrix for the rows and one for the columns."""
    positions = np.linspace(0, maps.shape[0] - 1, side)
    matrix = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(maps.shape[0])))
    return np.einsum('ih,hwc,jw->ijc', matrix, maps, matrix)


def test_the_sources_are_those_of_training(method):
    """Against NumPy, from the same logits."""
    image = np.random.default_rng(0).integers(0, 256, (33, 33, 3)).astype(np.uint8)
    rule = frame.for_backbone(method.network.backbone, (33, 33))
    label = np.array([1.0, 0.0], np.float32)
    found = label_sources.for_images(method, rule)(image, label)
    images = tf.constant(image[None], tf.float32)
    features = method.network.features(images)
    decoder = method.network.decode(features, (33, 33)).numpy()[0]
    side = decoder.shape[0]
    _, sgc = method.activation_and_sgc(features, label[None], tf.ones([1, 33, 33]), training=False)
    sgc = enlarged(sgc.numpy()[0], side)
    r = 1 / np.sqrt(np.mean(np.square([decoder, sgc])) + 1e-8)
    fused = (softmax(r * decoder) + softmax(r * sgc)) / 2
    fused = fused**2 / (fused**2).sum(axis=-1, keepdims=True)
    for name, maps in {'decoder': softmax(decoder), 'sgc': softmax(sgc), 'fused': fused}.items():
        np.testing.assert_allclose(found[name], enlarged(maps, 33), atol=2e-5, err_msg=name)


def test_an_image_of_any_size_is_seen_as_in_prediction(method, trained):
    predictor = trained.experiment.predictor(trained.workdir, 'last')
    image = np.random.default_rng(1).integers(0, 256, (20, 47, 3)).astype(np.uint8)
    found = label_sources.for_images(predictor.method, predictor.frame)(image)
    assert {name: maps.shape for name, maps in found.items()} == dict.fromkeys(
        ('decoder', 'sgc', 'fused'), (20, 47, 3)
    )
    for maps in found.values():
        np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)
    _, expected = predictor.predict(image, probabilities=True)
    assert np.abs(found['decoder'] - expected).max() < 0.05


def test_a_run_reports_them(trained, method):
    found = json.loads((trained.workdir / 'result.json').read_text())['label_sources']
    assert method.label_settings['fused'] == ("PseudoSeg.source = 'avg'", True)
    assert method.label_settings['sgc'] == ("PseudoSeg.source = 'att'", False)
    best_of_three = ('decoder', 'sgc', 'fused')
    assert found['images'] == 5 and found['image_labels'] == 'predicted'
    assert found['best'] in best_of_three and found['step'] == trained.result['best']['step']
    assert set(found) == {'images', 'step', 'image_labels', 'best', *best_of_three}
    _, size, long_side = read_description(trained.workdir)
    rule = frame.for_backbone(method.network.backbone, size, long_side)
    examples = trained.experiment.data.make_dataset().examples('val')
    best = trained.experiment.load(trained.workdir, 'best')
    counts = {name: np.zeros([3, 3]) for name in ('decoder', 'sgc', 'fused')}
    of_image = label_sources.for_images(best, rule)
    for number in range(5):
        example = examples.load(tf.constant(number))
        for name, maps in of_image(example['image'].numpy()).items():
            np.add.at(counts[name], (example['label'].numpy(), maps.argmax(-1)), 1)
    for name, matrix in counts.items():
        right = np.diag(matrix)
        union = matrix.sum(0) + matrix.sum(1) - right
        miou = np.mean(right[union > 0] / union[union > 0])
        assert found[name]['miou'] == pytest.approx(miou)
        assert 0 <= found[name]['calibration_error'] <= 1
    with Image.open(trained.workdir / 'reliability.png') as picture:
        diagram = np.asarray(picture.convert('RGB'))
    (shown,) = in_tensorboard(trained.workdir, 'reliability')
    _, _, content = tf.make_ndarray(shown)  # Width and height come first.
    np.testing.assert_array_equal(tf.io.decode_png(content, channels=3), diagram)


def test_weak_mode_knows_the_image_labels(method, trained, monkeypatch):
    examples = trained.experiment.data.make_dataset().examples('val')
    rule = frame.for_backbone(method.network.backbone)
    seen = []
    sources = method.label_sources

    def noted(images, valid, image_label):
        seen.append(image_label)
        return sources(images, valid, image_label)

    monkeypatch.setattr(method, 'label_sources', noted)
    label_sources.measure(method, rule, examples)
    assert seen == [None]
    monkeypatch.setattr(method, 'needs_image_labels', True)
    assert label_sources.measure(method, rule, examples).images == 5
    assert seen[1].shape == (1, 2)


def test_images_that_do_not_fit_into_the_memory_are_left_out(method, trained, monkeypatch):
    examples = trained.experiment.data.make_dataset().examples('val')
    rule = frame.for_backbone(method.network.backbone)
    needed = label_sources.needed(method, rule)
    # Attention compares all pairs of its pixels: twice the sides, up to sixteen times the memory.
    small, large = (needed.network((side, side)) for side in (1025, 2049))
    assert large > 8 * small
    monkeypatch.setattr(memory, 'available', lambda: needed.about((33, 33)))
    assert label_sources.measure(method, rule, examples) is None
    fits = iter([True, False, True, True, False])
    monkeypatch.setattr(memory, 'fits', lambda size, needed: next(fits))
    quality = label_sources.measure(method, rule, examples)
    assert (quality.images, quality.too_large) == (3, 2)
    assert '(2 images were too large for the memory)' in quality.sentence({})


def test_images_that_a_gpu_has_no_memory_for_are_left_out(method, trained, monkeypatch):
    examples = trained.experiment.data.make_dataset().examples('val')
    rule = frame.for_backbone(method.network.backbone)
    compute = label_sources.for_images(method, rule)
    numbers = iter(range(5))

    def of_image(image, known):
        if next(numbers) in (0, 3):
            raise tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating tensor')
        return compute(image, known)

    monkeypatch.setattr(label_sources, 'for_images', lambda *given: of_image)
    quality = label_sources.measure(method, rule, examples)
    assert (quality.images, quality.too_large) == (3, 2)
    assert sum(counts.sum() for counts in quality.confusion.values()) > 0


def test_a_method_with_one_source_has_no_quality(tiny, trained):
    info = tiny.make_info()
    method = tiny.supervised(tiny.make_network(info.num_classes, info.num_image_classes), info)
    examples = trained.experiment.data.make_dataset().examples('val')
    rule = frame.for_backbone(method.network.backbone)
    assert label_sources.measure(method, rule, examples) is None


def test_one_sentence_says_which_to_choose():
    """Of 10 pixels 8, 6 and 9 are right, all of class 0: IoU 0.8, 0.6 and 0.9; class 1 has 0."""
    names, right = ('decoder', 'sgc', 'fused'), (8, 6, 9)
    counts = {n: np.array([[r, 10 - r], [0, 0]]) for n, r in zip(names, right, strict=True)}
    confidence = np.zeros([3, 15])
    confidence[:, 14] = (10, 8, 9.5)
    quality = Quality(counts, dict.fromkeys(names, confidence), 7)
    assert quality.best() == 'fused'
    found = (
        'The best pseudo labels on 7 validation images are fused: mIoU 45.0 % (decoder 40.0 %, '
        'sgc 30.0 %)'
    )
    said = quality.sentence({'fused': ('PseudoSeg.source = 9', False)})
    assert said == f'{found}; choose them with PseudoSeg.source = 9.'
    said = quality.sentence({'fused': ('PseudoSeg.source = 9', True)})
    assert said == f'{found}; the run has PseudoSeg.source = 9.'
    assert quality.sentence({}) == f'{found}.'
    assert quality.table().splitlines() == [
        'source    mIoU %  accuracy %  confidence %  calibration error %',
        'decoder    40.00       80.00         95.00                15.00',
        'sgc        30.00       60.00         95.00                15.00',
        'fused      45.00       90.00         95.00                15.00',
    ]
