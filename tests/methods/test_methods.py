"""Which loss reaches which weights, which statistics move, and what the options change."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.tiny_backbone import TinyBackbone
from wss.datasets.info import DatasetInfo
from wss.methods import losses
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.update import Update
from wss.networks.deeplab import DeepLabV3Plus

CROP = (33, 33)


def make_info(has_background):
    return DatasetInfo('test', ('a', 'b', 'c'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), has_background)


def make_method(kind, has_background=True, update=None, supervised_loss=None, **options):
    keras.utils.set_random_seed(1)
    info = make_info(has_background)
    network = DeepLabV3Plus(
        info.num_classes,
        info.num_image_classes,
        TinyBackbone,
        aspp_filters=16,
        decoder_filters=16,
        low_level_filters=16,
        aspp_rates=(1, 2, 3),
        aspp_dropout=0.0,
    )
    method = kind(network, info, **options)
    method.set_recipe(update or Update(), supervised_loss or losses.SupervisedLoss())
    method.build_variables(CROP)
    return method


def make_batch(info, seed=0, known=True):
    random = np.random.default_rng(seed)

    def images():
        return tf.constant(random.uniform(0, 255, (2, *CROP, 3)), tf.float32)

    def masks():
        return tf.constant(random.integers(0, 3, (2, *CROP)), tf.int32)

    label = tf.constant(random.integers(0, 2, (2, info.num_image_classes)), tf.float32)
    labelled = {'image': images(), 'label': masks(), 'valid': tf.ones([2, *CROP])}
    labelled['image_label'] = tf.ones_like(label)
    unlabelled = {'weak': images(), 'strong': images(), 'valid': tf.ones([2, *CROP])}
    if known:
        unlabelled |= {'label': masks(), 'image_label': label}
    return labelled, unlabelled


def reached(method, loss_name, batch):
    """Names of the parts of the method in which a loss changes any weight."""
    variables = {
        'backbone': method.network.backbone.trainable_variables,
        'decoder': method.network.aspp.trainable_variables
        + method.network.low_level.trainable_variables
        + [v for layer in method.network.decoder for v in layer.trainable_variables]
        + method.network.logits.trainable_variables,
        'classifier': method.network.classifier.trainable_variables,
        'sgc': method.sgc.trainable_variables,
    }
    flat = [v for group in variables.values() for v in group]
    assert len(flat) == len(method.trainable_variables)
    with tf.GradientTape() as tape:
        loss = method.compute_losses(*batch)[loss_name]
    gradients = dict(zip([v.ref() for v in flat], tape.gradient(loss, flat), strict=True))

    def moved(variable):
        gradient = gradients[variable.ref()]
        return gradient is not None and float(tf.reduce_max(tf.abs(gradient))) > 0

    return {part for part, group in variables.items() if any(moved(v) for v in group)}


@pytest.mark.parametrize('has_background', [True, False])
def test_which_loss_reaches_which_weights(has_background):
    method = make_method(PseudoSeg, has_background)
    batch = make_batch(method.info)
    assert reached(method, 'supervised', batch) == {'backbone', 'decoder'}
    assert reached(method, 'consistency', batch) == {'backbone', 'decoder'}
    assert reached(method, 'classification', batch) == {'backbone', 'classifier'}
    assert reached(method, 'sgc', batch) == {'sgc'}


def test_consistency_reaches_weights_through_the_strong_view_alone():
    method = make_method(PseudoSeg)
    labelled, unlabelled = make_batch(method.info)
    with tf.GradientTape() as tape:
        tape.watch([unlabelled['weak'], unlabelled['strong']])
        loss = method.compute_losses(labelled, unlabelled)['consistency']
    weak, strong = tape.gradient(loss, [unlabelled['weak'], unlabelled['strong']])
    assert weak is None or not np.any(weak)
    assert np.any(strong)


def test_weak_mode_trains_the_classifier_on_the_unlabelled_stream():
    for weak_labels, stream in [(True, 'weak'), (False, 'image')]:
        method = make_method(PseudoSeg, weak_labels=weak_labels)
        labelled, unlabelled = make_batch(method.info)
        with tf.GradientTape() as tape:
            tape.watch([unlabelled['weak'], labelled['image']])
            loss = method.compute_losses(labelled, unlabelled)['classification']
        weak, image = tape.gradient(loss, [unlabelled['weak'], labelled['image']])
        used = {'weak': weak, 'image': image}
        assert np.any(used.pop(stream))
        other = next(iter(used.values()))
        assert other is None or not np.any(other)


def test_weak_mode_gates_by_the_given_labels():
    method = make_method(PseudoSeg, weak_labels=True)
    _, unlabelled = make_batch(method.info)
    unlabelled['image_label'] = tf.constant([[1.0, 0.0], [0.0, 0.0]])
    features = method.network.features(unlabelled['weak'])
    gate = method.gate(unlabelled, features)
    cam, _ = method.activation_and_sgc(features, gate, unlabelled['valid'], training=False)
    assert not np.any(cam[0, ..., 1]) and not np.any(cam[1])


def test_predicted_gate_needs_no_labels():
    method = make_method(PseudoSeg)
    labelled, unlabelled = make_batch(method.info, known=False)
    method.network.classifier.set_weights([np.zeros((16, 2), np.float32), np.float32([0.1, -0.1])])
    features = method.network.features(unlabelled['weak'])
    np.testing.assert_array_equal(method.gate(unlabelled, features), [[1, 0], [1, 0]])
    method.compute_losses(labelled, unlabelled)
    assert method.quality['fused'].summary() == {}


def test_consistency_by_an_independent_computation():
    """Zero logits layers make every distribution known: uniform decoder, SGC from its bias."""
    method = make_method(PseudoSeg, sgc_variant=1, consistency_weight=2.0)
    labelled, unlabelled = make_batch(method.info)
    for layer in (method.network.logits, method.sgc.output_convolution):
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    method.sgc.output_convolution.bias.assign([np.log(4.0), 0.0, 0.0])
    # Decoder logits 0, SGC (ln 4, 0, 0) everywhere: mean square ln(4)^2 / 6, r = sqrt 6 / ln 4.
    sgc = np.exp([np.sqrt(6.0), 0, 0]) / np.exp([np.sqrt(6.0), 0, 0]).sum()
    fused = (np.full(3, 1 / 3) + sgc) / 2
    sharp = fused**2 / (fused**2).sum()
    weak_logits = tf.zeros([2, 9, 9, 3])
    label = method.pseudo_label(
        weak_logits, tf.constant(np.log([4.0, 1, 1]), tf.float32) + weak_logits
    )
    np.testing.assert_allclose(label[0, 0, 0], sharp, rtol=1e-5)
    # The strong logits are 0: cross-entropy ln 3 whatever the label, times the weight of 2.
    losses = method.compute_losses(labelled, unlabelled)
    np.testing.assert_allclose(losses['consistency'], 2 * np.log(3.0), rtol=1e-5)
    unlabelled['valid'] = tf.zeros([2, *CROP])
    assert float(method.compute_losses(labelled, unlabelled)['consistency']) == 0.0


@pytest.mark.parametrize(
    'options, label',
    [
        # softmax(d) of d = (ln 2, 0, 0) is (1/2, 1/4, 1/4); squared and scaled (4, 1, 1) / 6.
        ({'source': 'decoder'}, [4 / 6, 1 / 6, 1 / 6]),
        ({'source': 'decoder', 'temperature': 1.0}, [1 / 2, 1 / 4, 1 / 4]),
        ({'source': 'decoder', 'soft': False}, [1, 0, 0]),
        # softmax(s) of s = (0, 0, ln 3) is (1/5, 1/5, 3/5); squared (1, 1, 9) / 11.
        ({'source': 'att'}, [1 / 11, 1 / 11, 9 / 11]),
        ({'source': 'att', 'soft': False}, [0, 0, 1]),
        # Their mean without calibration is (7, 4.5, 8.5) / 20.
        ({'calibrate': False, 'temperature': 1.0}, [0.35, 0.225, 0.425]),
        ({'calibrate': False, 'soft': False}, [0, 0, 1]),
    ],
)
def test_the_strong_view_learns_the_configured_label(options, label):
    """Biases alone make both logits known: d in both views, s from SGC."""
    method = make_method(PseudoSeg, sgc_variant=1, **options)
    for layer, bias in (
        (method.network.logits, [np.log(2.0), 0, 0]),
        (method.sgc.output_convolution, [0, 0, np.log(3.0)]),
    ):
        layer.set_weights([np.zeros_like(layer.get_weights()[0]), np.float32(bias)])
    loss = method.compute_losses(*make_batch(method.info))['consistency']
    expected = -np.dot(label, np.log([1 / 2, 1 / 4, 1 / 4]))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def test_mixed_views_by_an_independent_computation(monkeypatch):
    """Images, pseudo labels, confidences and valid pixels change places inside the boxes."""
    random = np.random.default_rng(3)
    method = make_method(PseudoSeg, source='decoder', temperature=1.0, threshold=0.5)
    labelled, unlabelled = make_batch(method.info)
    unlabelled['valid'] = tf.constant(random.integers(0, 2, (2, *CROP)), tf.float32)
    unlabelled['box'] = tf.constant([[0, 8, 16, 33], [0, 0, 0, 0]])
    # Logits of a view follow from nothing but its pixels: every 4th of them, times a matrix.
    matrix = random.normal(0, 0.01, (3, 3)).astype(np.float32)

    def decode(features, size, training=False):
        return tf.tensordot(features['pixels'], tf.constant(matrix), 1)

    real = method.network.features

    def features(images, training=False):
        return {**real(images, training), 'pixels': images[:, ::4, ::4] - 128.0}

    monkeypatch.setattr(method.network, 'decode', decode)
    monkeypatch.setattr(method.network, 'features', features)
    loss = method.compute_losses(labelled, unlabelled)['consistency']

    weak, strong = (unlabelled[name].numpy()[:, ::4, ::4] - 128.0 for name in ('weak', 'strong'))
    target = softmax(weak @ matrix)
    # Nearest neighbours of 33 pixels on 9: pixel floor(i * 33 / 9).
    nearest = np.floor(np.arange(9) * 33 / 9).astype(int)
    valid = unlabelled['valid'].numpy()[:, nearest][:, :, nearest]
    confident = target.max(-1) >= 0.5
    # The box has rows 0..15 and columns 8..32 of the first image: 4 rows of the strong pixels.
    strong[0, :4, 2:] = strong[1, :4, 2:]
    in_box = (nearest < 16)[:, None] & (nearest >= 8)
    for values in (target, valid, confident):
        values[0][in_box] = values[1][in_box]
    cross_entropy = -(target * np.log(softmax(strong @ matrix))).sum(-1)
    expected = (cross_entropy * valid * confident).sum() / valid.sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    assert 0.1 < confident.mean() < 0.9


def test_pictures_show_the_mixed_view():
    method = make_method(PseudoSeg)
    labelled, unlabelled = make_batch(method.info)
    unlabelled['box'] = tf.constant([[0, 0, 33, 33], [0, 0, 0, 0]])
    shown = method.pictures(labelled, unlabelled)['images']['strong view']
    np.testing.assert_array_equal(shown[0], unlabelled['strong'][1])
    np.testing.assert_array_equal(shown[1], unlabelled['strong'][1])


def test_the_consistency_loss_warms_up():
    """With uniform distributions it is ln 3 times 2, times the share of the 4 steps."""
    method = make_method(
        PseudoSeg, sgc_variant=1, temperature=1.0, consistency_weight=2.0, consistency_warm_up=4
    )
    for layer in (method.network.logits, method.sgc.output_convolution):
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    method.compile(optimizer=keras.optimizers.SGD())
    batch = make_batch(method.info)
    for step, share in ((0, 0.0), (1, 0.25), (4, 1.0), (9, 1.0)):
        method.optimizer.iterations.assign(step)
        loss = method.compute_losses(*batch)['consistency']
        np.testing.assert_allclose(loss, share * 2 * np.log(3.0), rtol=1e-5)


def test_threshold_leaves_doubtful_pixels_out():
    options = {'sgc_variant': 1, 'temperature': 1.0}
    losses = {}
    for threshold in (0.0, 0.9):
        method = make_method(PseudoSeg, threshold=threshold, **options)
        for layer in (method.network.logits, method.sgc.output_convolution):
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
        losses[threshold] = float(method.compute_losses(*make_batch(method.info))['consistency'])
    np.testing.assert_allclose(losses[0.0], np.log(3.0), rtol=1e-5)
    assert losses[0.9] == 0.0


def test_hard_labels_are_not_sharpened():
    method = make_method(PseudoSeg, soft=False)
    logits = tf.constant([[[[0.0, 1.0, 0.0]]]])
    expected = np.exp([0, np.sqrt(3.0), 0]) / np.exp([0, np.sqrt(3.0), 0]).sum()
    np.testing.assert_allclose(method.pseudo_label(logits, logits)[0, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize('fast, passes', [(False, [False, True, True, True]), (True, [True] * 3)])
def test_backbone_passes_of_a_step(fast, passes):
    """The labelled images take one pass; the activation map an inference pass, unless fast."""
    method = make_method(PseudoSeg, cam_from_training_pass=fast)
    modes, features = [], method.network.features

    def counted(images, training=False):
        modes.append(training)
        return features(images, training=training)

    method.network.features = counted
    method.compute_losses(*make_batch(method.info))
    assert modes == passes


def test_an_update_of_supervised_by_hand():
    """SGD without momentum moves each weight by the rate times its gradient, decay included."""
    method = make_method(Supervised, update=Update(weight_decay=0.1))
    batch = make_batch(method.info)
    kernel = method.network.logits.kernel
    with tf.GradientTape() as tape:
        loss = method.compute_losses(*batch)['supervised']
    expected = kernel - 0.5 * (tape.gradient(loss, kernel) + 0.1 * kernel)
    method.compile(optimizer=keras.optimizers.SGD(0.5))
    values = method.train_step({'labelled': batch[0], 'unlabelled': batch[1]})
    np.testing.assert_allclose(kernel, expected, atol=1e-6)
    assert values['loss'] == values['supervised']


def test_weight_decay_counts_the_kernels_of_the_network_alone():
    """Ones in every weight make the sum of squares the number of weights that decay."""
    method = make_method(PseudoSeg, update=Update(weight_decay=0.1))
    for variable in method.trainable_variables:
        variable.assign(tf.ones_like(variable))
    backbone = [v for v in method.network.backbone.trainable_variables if v.name[-8:] == 'kernel:0']
    backbone = sum(int(tf.size(v)) for v in backbone if 'depthwise_kernel' not in v.name)
    # ASPP: pooling, 1x1 and three pointwise kernels from 16 to 16, the projection from 5 * 16;
    # the low-level map 16 to 16, the decoder from 32 and from 16, logits 16 to 3, classifier 2.
    aspp, decoder = (5 + 5) * 16 * 16, (1 + 2 + 1) * 16 * 16
    expected = 0.5 * 0.1 * (backbone + aspp + decoder + 16 * 3 + 16 * 2)
    np.testing.assert_allclose(method.decay_loss(), expected, rtol=1e-5)


def test_the_options_of_the_supervised_loss_reach_decoder_and_sgc():
    """Known logits, uniform for decoder and SGC: ln 3 a pixel, times the weight of its class."""
    loss = losses.SupervisedLoss(label_weights=(0.5, 2.0, 0.0))
    for kind in (Supervised, PseudoSeg):
        options = {} if kind is Supervised else {'sgc_variant': 1}
        method = make_method(kind, supervised_loss=loss, **options)
        layers = [method.network.logits]
        if kind is PseudoSeg:
            layers.append(method.sgc.output_convolution)
        for layer in layers:
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
        labelled, unlabelled = make_batch(method.info)
        counts = np.bincount(labelled['label'].numpy().ravel(), minlength=3)
        expected = np.log(3.0) * np.dot(counts, [0.5, 2.0, 0.0]) / counts.sum()
        values = method.compute_losses(labelled, unlabelled)
        for name in {'supervised', 'sgc'} & set(values):
            np.testing.assert_allclose(values[name], expected, rtol=1e-5)


def test_hard_pixel_mining_follows_the_steps_of_the_optimiser():
    method = make_method(Supervised, supervised_loss=losses.SupervisedLoss(None, 0.25, 2))
    method.compile(optimizer=keras.optimizers.SGD(0.0))
    labelled, _ = make_batch(method.info)
    logits = method.network(labelled['image'], training=True)[0]
    found = [float(method.train_step({'labelled': labelled})['supervised']) for _ in range(4)]
    expected = [
        float(losses.supervised(logits, labelled['label'], 255, None, share))
        for share in (1.0, 0.625, 0.25, 0.25)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_label_weights_of_another_number_of_classes():
    with pytest.raises(ValueError, match='has 2 weights; the dataset has 3 classes'):
        make_method(Supervised, supervised_loss=losses.SupervisedLoss((1.0, 2.0)))


@pytest.mark.parametrize('kind', [Supervised, PseudoSeg])
@pytest.mark.parametrize('has_background', [True, False])
def test_a_few_steps_lower_the_supervised_loss(kind, has_background):
    method = make_method(kind, has_background)
    labelled, unlabelled = make_batch(method.info)
    labelled['label'] = tf.cast(labelled['image'][..., 0] > 127, tf.int32)
    method.compile(optimizer=keras.optimizers.SGD(0.05, 0.9))
    step = tf.function(method.train_step)
    history = [step({'labelled': labelled, 'unlabelled': unlabelled}) for _ in range(12)]
    assert float(history[-1]['supervised']) < 0.9 * float(history[0]['supervised'])
    assert all(np.isfinite(float(v)) for values in history for v in values.values())


def test_evaluation_counts_labelled_pixels():
    method = make_method(Supervised)
    method.network.logits.set_weights([np.zeros((1, 1, 16, 3), np.float32), np.float32([0, 1, 0])])
    label = np.full((2, *CROP), 255, np.int32)
    label[0, 0, :3] = [0, 1, 1]
    method.test_step({'image': tf.zeros([2, *CROP, 3]), 'label': tf.constant(label)})
    np.testing.assert_array_equal(method.confusion.result(), [[0, 1, 0], [0, 2, 0], [0, 0, 0]])


def test_quality_is_measured_where_masks_are_known():
    method = make_method(PseudoSeg)
    method.compute_losses(*make_batch(method.info))
    for name in ('decoder', 'sgc', 'fused'):
        assert set(method.quality[name].summary()) == {'accuracy', 'miou', 'confident'}


@pytest.mark.parametrize('weak', [False, True])
def test_the_classifier_is_measured_against_image_labels(weak):
    method = make_method(PseudoSeg, weak_labels=weak)
    labelled, unlabelled = make_batch(method.info)
    unlabelled['image_label'] = tf.constant([[1.0, 0.0], [1.0, 1.0]])
    # Predicts class 1 always and class 2 never, whatever the image.
    method.network.classifier.kernel.assign(tf.zeros_like(method.network.classifier.kernel))
    method.network.classifier.bias.assign([1.0, -1.0])
    method.compute_losses(labelled, unlabelled)
    classes = method.info.class_names[1:]
    assert method.quality['classifier'].summary() == {
        'precision/mean': 1.0,
        f'precision/{classes[0]}': 1.0,
        'recall/mean': 0.5,
        f'recall/{classes[0]}': 1.0,
        f'recall/{classes[1]}': 0.0,
    }


@pytest.mark.parametrize('has_background', [True, False])
def test_pictures_have_their_shapes(has_background):
    method = make_method(PseudoSeg, has_background)
    shown = method.pictures(*make_batch(method.info))
    assert set(shown['images']) == {'image', 'strong view'}
    assert set(shown['scores']) == {'CAM', 'SGC', 'pseudo label'}
    assert all(value.shape == (2, *CROP) for value in shown['labels'].values())
    assert all(value.shape[-1] == 3 for value in shown['scores'].values())


@pytest.mark.parametrize(
    'options, word',
    [
        ({'source': 'cam'}, 'source'),
        ({'temperature': 0.0}, 'temperature'),
        ({'threshold': 1.5}, 'threshold'),
        ({'monitored_confidence': 7}, 'monitored_confidence is 7'),
        ({'consistency_warm_up': -1}, 'consistency_warm_up is -1'),
        ({'sgc_multiplier': 0.0}, 'sgc_multiplier is 0.0'),
        ({'sgc_batch_norm_decay': 3.0}, 'sgc_batch_norm_decay is 3.0'),
        ({'gate_threshold': -0.1}, 'gate_threshold'),
        ({'consistency_weight': -1.0}, 'consistency_weight'),
        ({'attention_blocks': 5}, 'attention_blocks'),
    ],
)
def test_options_outside_their_range(options, word):
    with pytest.raises(ValueError, match=word):
        make_method(PseudoSeg, **options)
