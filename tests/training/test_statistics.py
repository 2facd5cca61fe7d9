"""Moving statistics in whole runs: short, imported, frozen, and from batches of one image."""

import functools
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.small_batches import make_batch
from wss.configuration import sentences
from wss.methods.losses import SupervisedLoss
from wss.methods.update import Update
from wss.networks import batch_norm
from wss.networks.network import Network, same_in_training

CROP = (33, 33)


def counts(method):
    """Updates of a layer of each part."""
    network = method.network
    layers = {
        'backbone': network.backbone.stem.batch_norm,
        'aspp': network.aspp.image_pooling.batch_norm,
        'decoder': network.decoder[1].pointwise.batch_norm,
    }
    if hasattr(method, 'sgc'):
        layers['sgc'] = method.sgc.batch_norm
    return {name: layer.updates and int(layer.updates) for name, layer in layers.items()}


def make_method(tiny, kind='pseudoseg', update=None, synchronise=False, **options):
    keras.utils.set_random_seed(1)
    info = tiny.make_info()
    network = tiny.make_network(num_classes=3, num_image_classes=2)
    method = getattr(tiny, kind)(network, info, **options)
    method.set_recipe(update or Update(), SupervisedLoss())
    if synchronise:
        method.synchronise_batch_norm()
    method.build_variables(CROP)
    return method


def import_backbone(method):
    """Sets the backbone as an import of weights would."""
    for variable in method.network.backbone.variables:
        if 'moving' in variable.name:
            variable.assign(variable + 0.25)


def trained_method(experiment):
    """The method that an experiment trained, caught on its way."""
    caught = []
    make = experiment.make_method

    def make_method(*parts):
        caught.append(make(*parts))
        return caught[-1]

    object.__setattr__(experiment, 'make_method', make_method)
    return caught


def test_every_pass_in_training_mode_is_an_update(tiny, tmp_path):
    experiment = tiny.experiment(
        make_method=tiny.pseudoseg, initial_weights=import_backbone, validation_split=None
    )
    caught = trained_method(experiment)
    experiment.train(tmp_path)
    # Four steps of weak view, strong view and labelled images; SGC sees the first and the last.
    assert counts(caught[0]) == {'backbone': -1, 'aspp': 12, 'decoder': 12, 'sgc': 8}


def test_without_imported_weights_the_backbone_is_fresh_too(tiny, tmp_path):
    experiment = tiny.experiment(validation_split=None)
    caught = trained_method(experiment)
    experiment.train(tmp_path)
    assert counts(caught[0]) == {'backbone': 4, 'aspp': 4, 'decoder': 4}


def test_a_constant_decay_counts_nothing(tiny):
    method = make_method(tiny, update=Update(statistics_warm_up=False))
    assert set(counts(method).values()) == {None}
    assert not any('updates' in v.name for v in method.variables)


def test_a_short_run_is_evaluated_by_what_it_learned(tiny):
    """With the constant decay of 0.9997 the statistics of the decoder are initial values."""
    distances = {}
    for warm_up in (True, False):
        method = make_method(tiny, 'supervised', Update(statistics_warm_up=warm_up))
        method.compile(optimizer=keras.optimizers.SGD(0.0))
        step = tf.function(method.train_step, autograph=False)
        labelled = make_batch(CROP)['labelled']
        for _ in range(20):
            step({'labelled': labelled})
        seen, used = (method.network(labelled['image'], training=t)[0] for t in (True, False))
        distances[warm_up] = float(tf.norm(used - seen) / tf.norm(seen))
    assert distances[True] < 0.35 < 0.6 < distances[False], distances


def test_a_run_of_a_constant_decay_can_still_be_loaded(tiny, tmp_path):
    tiny.experiment(steps=2, statistics_warm_up=False).train(tmp_path)
    tiny.experiment(steps=2).load(tmp_path)


class Pooled(Network):
    """A network of a user whose head has a batch norm of Keras after image pooling."""

    def __init__(self, num_classes, num_image_classes, make_backbone):
        super().__init__(num_classes, num_image_classes, make_backbone)
        self.norm = keras.layers.BatchNormalization(momentum=0.9997)
        self.logits = keras.layers.Conv2D(num_classes, 1, dtype='float32')
        self.classifier = keras.layers.Dense(num_image_classes, dtype='float32')

    def decode(self, features, size, training=False):
        maps = features[self.last_block]
        pooled = tf.reduce_mean(maps, axis=[1, 2], keepdims=True)
        return self.logits(maps + self.norm(pooled, training=training))


def refused(experiment, workdir):
    with pytest.raises(ValueError) as raised:
        experiment.train(workdir)
    assert not any(workdir.iterdir())
    return sentences.user_sentence(raised.value)


@pytest.mark.parametrize(
    ('changes', 'start'),
    [
        ({'labelled_batch_size': 1}, 'Labelled.batch_size is 1: batch norm of '),
        ({'unlabelled_batch_size': 1}, 'Unlabelled.batch_size is 1: batch norm of '),
        (
            {'labelled_batch_size': 1, 'unlabelled_batch_size': 1},
            'Labelled.batch_size is 1 and Unlabelled.batch_size is 1: batch norm of ',
        ),
    ],
)
def test_a_batch_of_one_image_is_refused(tiny, tmp_path, changes, start):
    text = refused(tiny.experiment(make_method=tiny.pseudoseg, **changes), tmp_path)
    assert text.startswith(start) and 'aspp/image_pooling' in text
    assert text.endswith(
        'one value a channel, of which the variance is 0. Set it to 2 or more, or set '
        "Update.freeze_batch_norm = 'all'."
    )


def test_a_network_of_ones_own_is_checked_too(tiny, tmp_path):
    make_network = functools.partial(
        Pooled, make_backbone=tiny.make_network.keywords['make_backbone']
    )
    experiment = tiny.experiment(make_network=make_network, labelled_batch_size=1)
    assert refused(experiment, tmp_path).startswith('Labelled.batch_size is 1: batch norm of ')


def test_batches_of_one_image_that_are_fine(tiny, tmp_path):
    # Supervised training has no unlabelled images, frozen batch norm takes no statistics, and no
    # step changes anything where there is none.
    fine = {
        'unused': {'unlabelled_batch_size': 1},
        'frozen': {'labelled_batch_size': 1, 'freeze_batch_norm': 'all'},
        'no steps': {'labelled_batch_size': 1, 'steps': 0},
    }
    for name, changes in fine.items():
        experiment = tiny.experiment(
            **{'steps': 2, 'initial_weights': import_backbone, 'validation_split': None} | changes
        )
        experiment.train(tmp_path / name)


@pytest.mark.parametrize('synchronise', [False, True])
@pytest.mark.parametrize('part', ['backbone', 'all'])
def test_frozen_batch_norm_keeps_everything(tiny, part, synchronise):
    update = Update(freeze_batch_norm=part)
    method = make_method(tiny, update=update, synchronise=synchronise)
    method.import_weights(import_backbone)
    method.compile(optimizer=keras.optimizers.SGD(0.1))
    norms = [layer.variables for layer in batch_norm.layers_of(method.network.backbone)]
    head = method.network.decoder[0].pointwise.batch_norm
    before = [[v.numpy() for v in norm] for norm in norms], [v.numpy() for v in head.variables]
    labelled, unlabelled = make_batch(CROP).values()
    method.train_step({'labelled': labelled, 'unlabelled': unlabelled})
    for norm, values in zip(norms, before[0], strict=True):
        for variable, value in zip(norm, values, strict=True):
            np.testing.assert_array_equal(variable, value)
    moved = [np.any(v.numpy() != w) for v, w in zip(head.variables, before[1], strict=True)]
    assert any(moved) == (part == 'backbone')
    trainable = {v.ref() for v in method.trainable_variables}
    assert method.network.backbone.stem.batch_norm.gamma.ref() not in trainable
    assert (head.gamma.ref() in trainable) == (part == 'backbone')


def test_a_frozen_backbone_needs_one_pass_less(tiny):
    """The losses are those of both passes, in both modes of PseudoSeg."""
    for weak_labels in (False, True):
        found = []
        for spared in (False, True):
            method = make_method(
                tiny, update=Update(freeze_batch_norm='backbone'), weak_labels=weak_labels
            )
            import_backbone(method)
            method.network.backbone.noise = None if spared else keras.layers.Dropout(0.0)
            passes, backbone = [], method.network.backbone.call

            def call(images, training=False, passes=passes, backbone=backbone):
                passes.append(training)
                return backbone(images, training=training)

            method.network.backbone.call = call
            assert same_in_training(method.network.backbone) == spared
            losses = method.compute_losses(**make_batch(CROP))
            found.append({name: float(loss) for name, loss in losses.items()})
            assert len(passes) == (3 if spared else 4)
        assert found[0] == found[1]


def test_a_backbone_that_is_not_frozen_has_both_passes(tiny):
    assert not same_in_training(make_method(tiny).network.backbone)


def test_a_frozen_backbone_without_weights_is_named(tiny):
    method = make_method(tiny, update=Update(freeze_batch_norm='backbone'))
    with pytest.warns(UserWarning, match=r"Update\.freeze_batch_norm is 'backbone', but batch "):
        method.import_weights(None)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        method.import_weights(import_backbone)


def test_an_unknown_part_to_freeze():
    with pytest.raises(ValueError, match=r"Update\.freeze_batch_norm is 'decoder'; it can be"):
        Update(freeze_batch_norm='decoder')


def test_averages_and_frozen_layers_resume(tiny, tmp_path):
    """A run that is loaded has as many averages as the one that trained."""
    experiment = tiny.experiment(
        steps=2,
        average_decay=0.9,
        freeze_batch_norm='backbone',
        initial_weights=import_backbone,
    )
    experiment.train(tmp_path)
    assert len(experiment.load(tmp_path).averages) > 10
