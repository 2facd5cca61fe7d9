"""Photos of many sizes, from training to predictions."""

import dataclasses
import functools
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.examples import Examples
from wss.inference.exports import saved_model
from wss.inference.exports.inputs import Inputs
from wss.pipeline import frame
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame
from wss.pseudo_labels import self_attention
from wss.results import metrics, scores

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMALL = ((33, 40), (25, 33), (41, 30), (33, 40), (19, 50))


class Photos:
    """Random images of given sizes with one square each; the mask of `large` is ignored."""

    def __init__(self, info, sizes, ignored=()):
        self.info = info
        self.sizes = sizes
        self.ignored = ignored

    def photo(self, split, index):
        random = np.random.default_rng(index)
        size = self.sizes[split][index]
        image = random.integers(0, 256, (*size, 3)).astype(np.uint8)
        label = np.zeros(size, np.int32)
        label[size[0] // 4 : size[0] // 2, 6:22] = 1 + index % 2
        image[label == 1] //= 4
        if (split, index) in self.ignored:
            label[:] = self.info.ignore_value
        return image, label

    def examples(self, split, labels='required', ids=None):
        sizes = np.array(self.sizes[split])
        names = tuple(f'{split}{i}' for i in range(len(sizes)))

        def load(index):
            image, label = tf.numpy_function(
                lambda i: self.photo(split, int(i)), [index], [tf.uint8, tf.int32]
            )
            example = {
                'image': tf.ensure_shape(image, (None, None, 3)),
                'id': tf.gather(tf.constant(names), index),
            }
            return example | ({'label': tf.ensure_shape(label, (None, None))})

        largest = tuple(sizes.max(axis=0).tolist())
        examples = Examples(names, load, True, largest, self.info, sizes=sizes)
        return examples if ids is None else examples.select(ids)


def make_dataset(tiny, **sizes):
    """Splits of sizes; those named `large` at the end have an ignored mask."""
    ignored = {('mixed', len(SMALL))}
    return functools.partial(Photos, tiny.make_info(), {'train': SMALL, **sizes}, ignored)


def train(experiment, workdir):
    experiment.train(workdir)
    return experiment


@pytest.fixture(scope='module')
def run(tiny, tmp_path_factory):
    """A supervised run, and the splits small, mixed (with one large image) and each."""
    splits = {'val': SMALL, 'mixed': (*SMALL, (130, 170))}
    experiment = tiny.experiment(
        make_dataset=make_dataset(tiny, **splits),
        steps=8,
        evaluate_every=0,
        validation_batch_size=4,
    )
    workdir = tmp_path_factory.mktemp('photos')
    return train(experiment, workdir), workdir


def scores_by_hand(experiment, workdir, split):
    """The scores of the labels that the predictor gives, at the size of each photo."""
    predictor = experiment.predictor(workdir, 'last')
    dataset = experiment.data.make_dataset()
    counts = metrics.ConfusionMatrix(dataset.info.num_classes, dataset.info.ignore_value)
    for index, size in enumerate(dataset.sizes[split]):
        image, label = dataset.photo(split, index)
        predicted = predictor.predict(image)
        assert predicted.shape == size
        counts.update_state(tf.constant(label), tf.constant(predicted))
    return metrics.summarise(counts.result().numpy())


def test_scores_do_not_depend_on_other_images(run):
    experiment, workdir = run
    alone = experiment.evaluate(workdir, 'last', 'val')
    mixed = experiment.evaluate(workdir, 'last', 'mixed')
    assert alone['pixels'] == sum(height * width for height, width in SMALL)
    assert {**alone, 'split': ''} == {**mixed, 'split': ''}
    by_hand = scores_by_hand(experiment, workdir, 'val')
    assert list(alone['iou'].values()) == by_hand['iou']


def test_a_prediction_does_not_depend_on_the_batch(run):
    experiment, workdir = run
    method = experiment.load(workdir, 'last')
    predict = tf.function(method.predict_scores)
    images = tf.random.stateless_uniform([3, 41, 49, 3], [0, 1], 0, 255)
    together = predict(images)
    for i in range(3):
        np.testing.assert_allclose(predict(images[i : i + 1])[0], together[i], atol=1e-5)


@pytest.mark.parametrize('long_side', [None, 40])
def test_compiled_steps_take_photos_of_any_size(run, long_side):
    experiment, workdir = run
    method = experiment.load(workdir, 'last')
    examples = experiment.data.make_dataset().examples('val')
    frame = Frame(8, method.network.backbone.padding_value, long_side=long_side)
    found = []
    for compiled in (False, True):
        method.compile(jit_compile=compiled)
        found.append(scores.evaluate(method, WholeImages(examples, frame, 4)))
    assert (
        found[0]['pixels'] == found[1]['pixels'] == sum(height * width for height, width in SMALL)
    )
    np.testing.assert_allclose(found[0]['iou'], found[1]['iou'], atol=1e-2)


def test_a_fixed_size_is_in_the_folder_of_the_run(tiny, tmp_path):
    experiment = tiny.experiment(
        make_dataset=make_dataset(tiny, val=SMALL),
        steps=1,
        validation_batch_size=4,
        validation_size=(49, 57),
    )
    result = experiment.train(tmp_path)
    description = json.loads((tmp_path / 'dataset.json').read_text())
    assert description['evaluation_size'] == [49, 57] and description['long_side'] is None
    by_hand = scores_by_hand(experiment, tmp_path, 'val')
    assert list(result['last']['iou'].values()) == by_hand['iou']
    other = tiny.experiment(make_dataset=make_dataset(tiny, val=SMALL), validation_size=(65, 65))
    words = r'Validation\.size is \(65, 65\), but the run in .* was made with \(49, 57\)'
    with pytest.raises(ValueError, match=words):
        other.evaluate(tmp_path, 'last')
    with pytest.raises(ValueError, match=words):
        other.predictor(tmp_path, 'last')


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'validation_size': 65}, r'Validation\.size is 65; it must be'),
        ({'validation_size': (9, 65)}, r'Validation\.size is 9; .* 17 to'),
        ({'validation_size': (65.0, 65)}, r'Validation\.size is 65\.0'),
        ({'long_side': 5}, r'Data\.long_side is 5; .* 17 to'),
        ({'long_side': '640'}, r"Data\.long_side is '640'"),
        ({'long_side': 10**9}, r'Data\.long_side is 10+; it must be'),
    ],
)
def test_sizes_out_of_range_are_named(tiny, tmp_path, changes, words):
    experiment = tiny.experiment(make_dataset=make_dataset(tiny, val=SMALL), **changes)
    with pytest.raises(ValueError, match=words):
        experiment.train(tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_run_with_large_validation_photos_is_loaded_at_a_small_size(tiny, tmp_path, monkeypatch):
    large = ((1100, 1500),)
    experiment = tiny.experiment(
        make_dataset=make_dataset(tiny, val=large), make_method=tiny.pseudoseg, steps=1
    )
    experiment.train(tmp_path)
    real, pixels = self_attention.attention_weights, []

    def noted(query, key, valid):
        pixels.append(query.shape[1])
        return real(query, key, valid)

    monkeypatch.setattr(self_attention, 'attention_weights', noted)
    found = experiment.evaluate(tmp_path, 'last')
    assert found['pixels'] == 1100 * 1500
    image, _ = experiment.data.make_dataset().photo('val', 0)
    assert experiment.predictor(tmp_path, 'last').predict(image).shape == (1100, 1500)
    # Only to make the variables, at three features a side.
    assert pixels == [9, 9]


@pytest.fixture(scope='module')
def scaled(tiny, tmp_path_factory):
    """A run whose photos are scaled down to 40 pixels."""
    splits = {'train': ((66, 80), (80, 60)) * 2, 'val': ((66, 80), (33, 40), (80, 120), (66, 80))}
    experiment = tiny.experiment(
        make_dataset=make_dataset(tiny, **splits), steps=4, long_side=40, labelled_amount=None
    )
    workdir = tmp_path_factory.mktemp('scaled')
    return train(experiment, workdir), workdir


def test_scaled_photos_are_scored_and_predicted_at_their_own_size(scaled):
    experiment, workdir = scaled
    assert json.loads((workdir / 'dataset.json').read_text())['long_side'] == 40
    found = experiment.evaluate(workdir, 'last')
    assert found['pixels'] == 2 * 66 * 80 + 33 * 40 + 80 * 120
    by_hand = scores_by_hand(experiment, workdir, 'val')
    assert list(found['iou'].values()) == by_hand['iou']


def test_scaled_photos_are_predicted_as_their_small_copies_are(scaled):
    experiment, workdir = scaled
    predictor = experiment.predictor(workdir, 'last')
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, 80:] = 255
    labels, probabilities = predictor.predict(image, probabilities=True)
    assert labels.shape == (120, 160) and probabilities.shape == (120, 160, 3)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=-1))
    with pytest.raises(ValueError, match=r'Data\.long_side is None, but .* made with 40\.'):
        dataclasses.replace(
            experiment, data=dataclasses.replace(experiment.data, long_side=None)
        ).predictor(workdir, 'last')
    copy = np.asarray(Image.fromarray(image).resize((40, 30), Image.Resampling.BILINEAR))
    small = predictor.predict(copy)
    # In the middle of each pixel of the copy, but where two classes are about as likely.
    assert (labels[2::4, 2::4] == small).mean() > 0.9


def test_an_exported_model_scales_too(scaled, tmp_path):
    experiment, workdir = scaled
    method = experiment.load(workdir, 'last')
    rule = frame.for_backbone(method.network.backbone, long_side=40)
    saved_model.save(method, Inputs(rule), tmp_path / 'model')
    loaded = tf.saved_model.load(str(tmp_path / 'model')).signatures['serving_default']
    predictor = experiment.predictor(workdir, 'last')
    for index in range(3):
        image, _ = experiment.data.make_dataset().photo('val', index)
        labels = loaded(images=tf.constant(image[None], tf.float32))['labels'][0]
        np.testing.assert_array_equal(labels, predictor.predict(image))


def test_crops_that_show_little_are_warned_about(tiny, tmp_path):
    large = tiny.experiment(make_dataset=make_dataset(tiny, train=((300, 400),) * 4), steps=0,
                            labelled_amount=None, validation_split=None)  # fmt: skip
    words = (
        r'33 x 33 pixels .* show 0\.91 % of a typical labelled image \(400 x 300\).*'
        r'Set Data\.long_side \(such as 66\)'
    )
    with pytest.warns(UserWarning, match=words):
        large.train(tmp_path / 'large')
    scaled = tiny.experiment(make_dataset=make_dataset(tiny, train=((300, 400),) * 4), steps=0,
                             labelled_amount=None, validation_split=None, long_side=66)  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='The crops of training')
        scaled.train(tmp_path / 'scaled')


# The small network, 21 classes and a photo of 12 million pixels.
LARGE = """
import re
import tensorflow as tf
from wss.datasets.classes import VOC
from wss.datasets.examples import Examples
from wss.methods.supervised import Supervised
from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame
from wss.results import scores

def load(index):
    image = tf.fill([3000, 4000, 3], tf.cast(index, tf.uint8))
    return {'image': image, 'label': tf.zeros([3000, 4000], tf.int32), 'id': tf.constant('a')}

network = DeepLabV3Plus(21, 20, SmallResNet, 64, 64, 16, aspp_rates=(2, 4, 6))
method = Supervised(network, VOC)
method.build_variables((17, 17))
method.compile()
examples = Examples(('a', 'b'), load, True, (3000, 4000), VOC)
found = scores.evaluate(method, WholeImages(examples, Frame(8, (127.5,) * 3), 8))
# Not what `resource` says: a process inherits the peak of the one that started it.
peak = re.search('VmHWM: *\\t* *([0-9]+) kB', open('/proc/self/status').read())
print(found['pixels'], 1024 * int(peak[1]))
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='memory is counted in other units')
@pytest.mark.skipif(not pathlib.Path('/proc/self/status').exists(), reason='needs /proc')
def test_photos_of_12_million_pixels_are_evaluated_in_3_gb():
    command = [sys.executable, '-c', LARGE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    pixels, peak = map(int, said.split())
    assert pixels == 24_000_000
    assert peak < 3e9
