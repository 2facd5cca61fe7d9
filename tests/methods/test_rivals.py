"""The rivals: their losses against an independent computation from the same logits."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.small_batches import make_batch
from wss.datasets.info import DatasetInfo
from wss.methods import losses, weak_label
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.mean_teacher import MeanTeacher, squared_error, teacher_rate
from wss.methods.unimatch import UniMatch
from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.layers import Dropout

CROP = (33, 33)
INFO = DatasetInfo('test', ('a', 'b', 'c'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
MATRIX, OTHER = np.random.default_rng(5).normal(0, 0.02, (2, 3, 3)).astype(np.float32)
# Nearest neighbours of 33 pixels on 9: pixel floor(i * 33 / 9).
NEAREST = np.floor(np.arange(9) * 33 / 9).astype(int)


def make_method(kind, **options):
    keras.utils.set_random_seed(1)
    backbone = functools.partial(SmallResNet, (16, 16, 16, 16))
    network = DeepLabV3Plus(3, 2, backbone, 16, 16, 16, aspp_rates=(1, 2, 3), aspp_dropout=0.0)
    method = kind(network, INFO, **options)
    if method.needs_second_network:
        method.second_network = DeepLabV3Plus(
            3, 2, backbone, 16, 16, 16, aspp_rates=(1, 2, 3), aspp_dropout=0.0
        )
    method.build_variables(CROP)
    return method


def simplify(monkeypatch, network, matrix=MATRIX):
    """Makes the logits of an image its own pixels, every 4th of them, times a matrix."""
    real = network.features

    def features(images, training=False):
        return {**real(images, training), 'pixels': images[:, ::4, ::4] - 128.0}

    def decode(features, size, training=False):
        return tf.tensordot(features['pixels'], tf.constant(matrix), 1)

    monkeypatch.setattr(network, 'features', features)
    monkeypatch.setattr(network, 'decode', decode)


def full_batch(boxes=('box',)):
    """A batch with invalid pixels, masks, a second strong view, and a box in the first image."""
    random = np.random.default_rng(7)
    batch = make_batch(CROP)
    unlabelled = batch['unlabelled']
    unlabelled['valid'] = tf.constant(random.integers(0, 2, (2, *CROP)), tf.float32)
    unlabelled['label'] = tf.constant(random.integers(0, 3, (2, *CROP)), tf.int32)
    unlabelled['strong_2'] = tf.constant(random.uniform(0, 255, (2, *CROP, 3)), tf.float32)
    places = {'box': [0, 8, 16, 33], 'box_2': [17, 0, 33, 9]}
    for name in boxes:
        unlabelled[name] = tf.constant([places[name], [0, 0, 0, 0]])
    return batch['labelled'], unlabelled


def probabilities(images, matrix=MATRIX):
    logits = (np.array(images)[:, ::4, ::4] - 128.0) @ matrix
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def mixed(box, places, *arrays):
    """Copies, with what the second image has inside the box in the first, at rows and columns."""
    top, left, bottom, right = np.array(box)[0]
    in_rows, in_columns = (places >= top) & (places < bottom), (places >= left) & (places < right)
    copies = [array.copy() for array in arrays]
    for copy in copies:
        copy[0][in_rows[:, None] & in_columns] = copy[1][in_rows[:, None] & in_columns]
    return copies


def cross_entropy(strong, label, valid, confident):
    """Sum over valid and confident pixels over the number of valid ones, pixel by pixel."""
    total = 0.0
    for image in range(2):
        for row in range(9):
            for column in range(9):
                if valid[image, row, column] and confident[image, row, column]:
                    total -= np.log(strong[image, row, column, label[image, row, column]])
    return total / valid.sum()


def supervised(labelled, matrix=MATRIX):
    """Cross-entropy at the size of the labels, the logits between pixels interpolated."""
    logits = np.array(labelled['image'])[:, ::4, ::4] - 128.0
    logits = logits @ matrix
    places = np.arange(33) / 4
    low = np.minimum(places.astype(int), 7)
    share = places - low
    logits = logits[:, low] * (1 - share)[:, None, None] + logits[:, low + 1] * share[:, None, None]
    logits = logits[:, :, low] * (1 - share)[:, None] + logits[:, :, low + 1] * share[:, None]
    log_sums = np.log(np.exp(logits).sum(-1))
    picked = np.take_along_axis(logits, np.array(labelled['label'])[..., None], -1)[..., 0]
    return (log_sums - picked).mean()


def test_fixmatch_by_an_independent_computation(monkeypatch):
    method = make_method(FixMatch, threshold=0.5)
    simplify(monkeypatch, method.network)
    labelled, unlabelled = full_batch()
    found = method.compute_losses(labelled, unlabelled)

    weak, strong = probabilities(unlabelled['weak']), probabilities(unlabelled['strong'])
    valid = np.array(unlabelled['valid'])[:, NEAREST][:, :, NEAREST]
    target = weak.argmax(-1), valid, weak.max(-1) >= 0.5
    (strong,) = mixed(unlabelled['box'], np.arange(0, 33, 4), strong)
    target = mixed(unlabelled['box'], NEAREST, *target)
    assert 0.1 < target[2].mean() < 0.99
    assert found.keys() == {'supervised', 'consistency'}
    np.testing.assert_allclose(found['consistency'], cross_entropy(strong, *target) / 2, rtol=1e-4)
    np.testing.assert_allclose(found['supervised'], supervised(labelled) / 2, rtol=1e-4)


def test_unimatch_by_an_independent_computation(monkeypatch):
    method = make_method(UniMatch, threshold=0.5, dropout=0.0)
    simplify(monkeypatch, method.network)
    labelled, unlabelled = full_batch(boxes=('box', 'box_2'))
    found = method.compute_losses(labelled, unlabelled)

    weak = probabilities(unlabelled['weak'])
    valid = np.array(unlabelled['valid'])[:, NEAREST][:, :, NEAREST]
    target = weak.argmax(-1), valid, weak.max(-1) >= 0.5
    expected = {
        'supervised': supervised(labelled) / 2,
        # Without dropout the perturbed view is the weak one, which knows its own label.
        'perturbed': 0.5 * cross_entropy(weak, *target) / 2,
    }
    for name, box in (('strong', 'box'), ('strong_2', 'box_2')):
        strong = probabilities(unlabelled[name])
        (strong,) = mixed(unlabelled[box], np.arange(0, 33, 4), strong)
        own = mixed(unlabelled[box], NEAREST, *target)
        expected[name] = 0.25 * cross_entropy(strong, *own) / 2
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)


def test_mean_teacher_by_an_independent_computation(monkeypatch):
    method = make_method(MeanTeacher, threshold=0.5, consistency_weight=3.0)
    simplify(monkeypatch, method.network)
    simplify(monkeypatch, method.teacher, OTHER)
    labelled, unlabelled = full_batch()
    found = method.compute_losses(labelled, unlabelled)

    (strong,) = mixed(unlabelled['box'], np.arange(0, 33, 4), probabilities(unlabelled['strong']))
    valid = np.array(unlabelled['valid'])[:, NEAREST][:, :, NEAREST]
    target, valid = mixed(
        unlabelled['box'], NEAREST, probabilities(unlabelled['weak'], OTHER), valid
    )
    counted = valid > 0
    share = (target.max(-1) >= 0.5)[counted].mean()
    assert 0.1 < share < 0.99
    error = ((strong - target) ** 2).sum(-1)[counted].mean()
    assert found.keys() == {'supervised', 'consistency'}
    np.testing.assert_allclose(found['consistency'], 3 * share * error, rtol=1e-4)
    np.testing.assert_allclose(found['supervised'], supervised(labelled), rtol=1e-4)


def test_cps_by_an_independent_computation(monkeypatch):
    method = make_method(CPS)
    matrices = {'first': MATRIX, 'second': OTHER}
    simplify(monkeypatch, method.network)
    simplify(monkeypatch, method.second_network, OTHER)
    labelled, unlabelled = full_batch()
    found = method.compute_losses(labelled, unlabelled)

    valid = np.array(unlabelled['valid'])[:, NEAREST][:, :, NEAREST]
    expected = {}
    for own, other in (('first', 'second'), ('second', 'first')):
        label = probabilities(unlabelled['weak'], matrices[other]).argmax(-1)
        target = mixed(unlabelled['box'], NEAREST, label, valid, np.ones_like(valid))
        (strong,) = mixed(
            unlabelled['box'],
            np.arange(0, 33, 4),
            probabilities(unlabelled['strong'], matrices[own]),
        )
        expected[f'consistency_{own}'] = 1.5 * cross_entropy(strong, *target)
        expected[f'supervised_{own}'] = supervised(labelled, matrices[own])
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)


def test_perturbed_features_lose_whole_channels(monkeypatch):
    method = make_method(UniMatch, threshold=0.0, dropout=0.5)
    decoded, real = [], method.network.decode

    def decode(features, size, training=False):
        decoded.append(features)
        return real(features, size, training)

    monkeypatch.setattr(method.network, 'decode', decode)
    method.compute_losses(*full_batch(boxes=()))
    plain, perturbed = decoded[:2]
    dropped = []
    for name, maps in plain.items():
        for before, after in zip(maps.numpy(), perturbed[name].numpy(), strict=True):
            for channel in range(maps.shape[-1]):
                dropped.append(not after[..., channel].any())
                if not dropped[-1]:
                    np.testing.assert_allclose(after[..., channel], 2 * before[..., channel])
    assert 0.3 < np.mean(dropped) < 0.9  # Some channels of the small network are 0 anyway.


def test_dropout_of_channels_is_seeded_and_counted():
    keras.utils.set_random_seed(3)
    layer = Dropout(0.5, whole_channels=True)
    values = tf.ones([4, 3, 5, 64])
    first, second = layer(values, training=True).numpy(), layer(values, training=True).numpy()
    for found in (first, second):
        # A channel of an image is all 0 or all 2.
        assert (found == found[:, :1, :1]).all() and set(np.unique(found)) == {0.0, 2.0}
        assert abs(found.mean() - 1) < 0.25  # Four standard deviations of 256 coins.
    assert (first != second).any()
    np.testing.assert_array_equal(layer.state[1], 2)
    layer.state.assign_add([0, -2])
    np.testing.assert_array_equal(layer(values, training=True), first)


@pytest.mark.parametrize('kind', [FixMatch, UniMatch])
def test_labels_have_no_gradient(kind):
    """The weak view of FixMatch changes nothing; that of UniMatch learns as the perturbed view."""
    method = make_method(kind, threshold=0.0)
    labelled, unlabelled = full_batch()
    with tf.GradientTape() as tape:
        tape.watch([unlabelled['weak'], unlabelled['strong']])
        values = method.compute_losses(labelled, unlabelled)
        loss = values['consistency' if kind is FixMatch else 'strong']
    weak, strong = tape.gradient(loss, [unlabelled['weak'], unlabelled['strong']])
    assert weak is None or not np.any(weak)
    assert np.any(strong)


@pytest.mark.parametrize('kind', [FixMatch, UniMatch])
def test_no_confident_pixel_is_no_loss(kind):
    method = make_method(kind, threshold=1.0)
    values = method.compute_losses(*full_batch())
    assert float(values.pop('supervised')) > 0
    assert {float(value) for value in values.values()} == {0.0}


@pytest.mark.parametrize('kind', [FixMatch, UniMatch])
def test_quality_of_the_weak_label_is_measured(kind, monkeypatch):
    method = make_method(kind, threshold=0.5)
    simplify(monkeypatch, method.network)
    labelled, unlabelled = full_batch()
    method.compute_losses(labelled, unlabelled)
    weak = probabilities(unlabelled['weak'])
    valid = np.array(unlabelled['valid'])[:, NEAREST][:, :, NEAREST] > 0
    truth = np.array(unlabelled['label'])[:, NEAREST][:, :, NEAREST]
    summary = method.quality['decoder'].summary()
    np.testing.assert_allclose(summary['accuracy'], (weak.argmax(-1) == truth)[valid].mean())
    np.testing.assert_allclose(summary['confident'], (weak.max(-1) >= 0.5)[valid].mean())


@pytest.mark.parametrize('kind', [FixMatch, UniMatch, MeanTeacher, CPS])
def test_pictures(kind):
    method = make_method(kind)
    labelled, unlabelled = full_batch(boxes=('box', 'box_2'))
    shown = method.pictures(labelled, unlabelled)
    np.testing.assert_array_equal(
        shown['images']['strong view'][0, 0, 8:], unlabelled['strong'][1, 0, 8:]
    )
    assert ('strong view 2' in shown['images']) == (kind is UniMatch)
    if kind is UniMatch:
        np.testing.assert_array_equal(
            shown['images']['strong view 2'][0, 17:, :9], unlabelled['strong_2'][1, 17:, :9]
        )
    assert shown['scores']['weak label'].shape == (2, 9, 9, 3)
    assert set(shown['labels']) == {'truth', 'prediction'}


@pytest.mark.parametrize('kind', [FixMatch, UniMatch, MeanTeacher, CPS])
def test_weight_and_warm_up_scale_all_but_the_supervised_losses(kind, monkeypatch):
    options = {} if kind is CPS else {'threshold': 0.5}
    method = make_method(kind, consistency_weight=1.0, consistency_warm_up=0, **options)
    for network in (method.network, *filter(None, [method.second_network])):
        simplify(monkeypatch, network, MATRIX if network is method.network else OTHER)
    if kind is UniMatch:
        method.drop_channels = lambda maps, training: maps
    method.compile(optimizer=keras.optimizers.SGD())
    batch = full_batch()
    plain = method.compute_losses(*batch)
    method.consistency_weight, method.consistency_warm_up = 3.0, 4
    for step, factor in ((0, 0.0), (1, 0.75), (4, 3.0), (9, 3.0)):
        method.optimizer.iterations.assign(step)
        for name, loss in method.compute_losses(*batch).items():
            share = 1.0 if name.startswith('supervised') else factor
            assert plain[name] > 0.01
            np.testing.assert_allclose(loss, share * plain[name], rtol=1e-5, err_msg=name)


def test_hard_label_by_hand():
    # Probabilities (1, 3) / 4 and (8, 2) / 10.
    logits = tf.math.log(tf.constant([[[[1.0, 3.0], [8.0, 2.0]]]]))
    label, confidence = weak_label.hard_label(logits)
    assert label.numpy().tolist() == [[[1, 0]]]
    np.testing.assert_allclose(confidence, [[[0.75, 0.8]]], rtol=1e-6)
    assert weak_label.at_least(confidence, 0.8 - 1e-6).numpy().tolist() == [[[0.0, 1.0]]]


def test_hard_consistency_by_hand():
    logits = tf.math.log(tf.constant([[[[1.0, 3.0], [8.0, 2.0], [1.0, 1.0]]]]))
    label = tf.constant([[[0, 0, 1]]])
    valid, confident = tf.constant([[[1.0, 1.0, 0.0]]]), tf.constant([[[1.0, 0.0, 1.0]]])
    # The first pixel alone counts, -log(1/4), over two valid pixels.
    loss = losses.hard_consistency(logits, label, valid, confident)
    np.testing.assert_allclose(loss, np.log(4) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ('kind', 'options', 'words'),
    [
        (FixMatch, {'threshold': 1.1}, r'FixMatch\.threshold is 1\.1'),
        (UniMatch, {'threshold': -0.1}, r'UniMatch\.threshold is -0\.1'),
        (UniMatch, {'dropout': 1.0}, r'UniMatch\.dropout is 1\.0'),
        (MeanTeacher, {'decay': 1.0}, r'MeanTeacher\.decay is 1\.0'),
        (MeanTeacher, {'threshold': 2}, r'MeanTeacher\.threshold is 2'),
        (MeanTeacher, {'consistency_weight': -1}, r'MeanTeacher\.consistency_weight is -1'),
        (CPS, {'consistency_weight': -1}, r'CPS\.consistency_weight is -1'),
        (CPS, {'consistency_warm_up': 0.5}, r'CPS\.consistency_warm_up is 0\.5'),
        (FixMatch, {'consistency_weight': 1001}, r'FixMatch\.consistency_weight is 1001'),
        (FixMatch, {'consistency_warm_up': -1}, r'FixMatch\.consistency_warm_up is -1'),
        (UniMatch, {'consistency_warm_up': -1}, r'UniMatch\.consistency_warm_up is -1'),
        (MeanTeacher, {'consistency_warm_up': -1}, r'MeanTeacher\.consistency_warm_up is -1'),
    ],
)
def test_settings_out_of_range(kind, options, words):
    with pytest.raises(ValueError, match=words):
        make_method(kind, **options)


def test_teacher_rate_by_hand():
    rates = [float(teacher_rate(tf.constant(n), 0.75)) for n in (1, 2, 3, 4, 100)]
    np.testing.assert_allclose(rates, [1 / 2, 2 / 3, 3 / 4, 3 / 4, 3 / 4], rtol=1e-6)


def test_the_confident_share_by_hand():
    """Two of the three valid pixels reach 0.8; a sure pixel outside of the image does not count."""
    method = make_method(MeanTeacher, threshold=0.8)
    target = tf.constant([[[[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.0, 0.2, 0.8], [1.0, 0.0, 0.0]]]])
    valid = tf.constant([[[1.0, 1.0, 1.0, 0.0]]])
    assert float(method._confident_share(target, valid)) == pytest.approx(2 / 3)
    assert float(method._confident_share(target, tf.zeros_like(valid))) == 0


def test_squared_error_by_hand():
    student, teacher = tf.constant([[[[0.5, 0.5], [1.0, 0.0]]]]), tf.constant([[[[1.0, 0.0]] * 2]])
    # The first pixel: 1/4 + 1/4; the second: 0. Both count, then the first alone, then none.
    for valid, expected in (([1.0, 1.0], 0.25), ([1.0, 0.0], 0.5), ([0.0, 0.0], 0.0)):
        loss = squared_error(student, teacher, tf.constant([[valid]]), tf.constant(1.0))
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
    halved = squared_error(student, teacher, tf.ones([1, 1, 2]), tf.constant(0.5))
    np.testing.assert_allclose(halved, 0.125, rtol=1e-6)
