"""Parts of a tiny experiment, shared by the tests that train."""

import dataclasses
import functools
import types

import numpy as np
import pytest
import tensorflow as tf

from tests.tiny_backbone import TinyBackbone
from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.devices.compute import Compute
from wss.experiment import Experiment
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.update import Update
from wss.networks.backbones import mobilenet_v2, resnet_v1, xception
from wss.networks.deeplab import DeepLabV3Plus
from wss.pipeline import data
from wss.runs.configuration import Configuration
from wss.training import optimisers
from wss.training.schedule import Schedule
from wss.views.views import Views


class Squares:
    """Random images with one square each; every split has the same ones."""

    def __init__(self, info, counts, size=33):
        self.info = info
        self.counts = counts
        self.size = size

    def examples(self, split, labels='required', ids=None):
        if split not in self.counts:
            raise ValueError(f'Squares has no split {split!r}; it has {", ".join(self.counts)}.')
        names = tuple(f'{split}{i}' for i in range(self.counts[split]))
        random = np.random.default_rng(0)
        side = (self.size, self.size)
        images = random.integers(0, 256, (len(names), *side, 3)).astype(np.uint8)
        label = np.zeros((len(names), *side), np.int32)
        for i in range(len(names)):
            label[i, 4:20, 6:22] = 1 + i % (self.info.num_classes - 1)
        images[label == 1] //= 4
        has_label = labels != 'none'

        def load(index):
            name = tf.gather(tf.constant(names), index)
            example = {'image': tf.gather(images, index), 'id': name}
            return example | ({'label': tf.gather(label, index)} if has_label else {})

        examples = Examples(names, load, has_label, side, self.info)
        return examples if ids is None else examples.select(ids)


def make_info(has_background=True):
    """Three classes, with or without a background."""
    names = ('ground', 'dark', 'light')
    return DatasetInfo('squares', names, ((0, 0, 0), (255, 0, 0), (0, 0, 255)), has_background)


@pytest.fixture(scope='session')
def tiny():
    """Makers of tiny parts, and `experiment(**changes)`.

    Names of changes are those of the fields of all parts; of labelled and unlabelled images and of
    validation with that word before them, such as `labelled_amount`.
    """
    partial = functools.partial
    parts = types.SimpleNamespace(
        Squares=Squares,
        make_info=make_info,
        make_dataset=partial(Squares, make_info(), {'train': 12, 'val': 5, 'all4': 4}),
        make_network=partial(
            DeepLabV3Plus,
            make_backbone=TinyBackbone,
            aspp_filters=16,
            decoder_filters=16,
            low_level_filters=16,
            aspp_rates=(1, 2, 3),
            aspp_dropout=0.0,
        ),
        pseudoseg=partial(PseudoSeg, attention_width=8),
        supervised=Supervised,
    )

    def make_experiment(**changes):
        settings = {
            'make_dataset': parts.make_dataset,
            'make_network': parts.make_network,
            'make_method': parts.supervised,
            'make_optimiser': partial(optimisers.momentum_poly, learning_rate=0.05),
            'make_views': partial(Views, crop_size=(33, 33), cutout_half_size=4),
            'steps': 4,
            'labelled_amount': 4,
            'labelled_batch_size': 2,
            'unlabelled_batch_size': 2,
            'validation_batch_size': 2,
            'evaluate_every': 2,
            'checkpoint_every': 2,
            'log_every': 2,
            'picture_every': 0,
        } | changes

        def taken(part, prefix=''):
            names = [f.name for f in dataclasses.fields(part) if prefix + f.name in settings]
            return part(**{name: settings.pop(prefix + name) for name in names})

        streams = {
            'labelled': taken(data.Labelled, 'labelled_'),
            'unlabelled': taken(data.Unlabelled, 'unlabelled_'),
            'validation': taken(data.Validation, 'validation_'),
        }
        names = ('make_dataset', 'make_views', 'long_side')
        made = {name: settings.pop(name) for name in names if name in settings}
        return Experiment(
            data=data.Data(**made, **streams),
            schedule=taken(Schedule),
            compute=taken(Compute),
            update=taken(Update),
            **settings,
        )

    parts.experiment = make_experiment
    return parts


@pytest.fixture(scope='session')
def trained(tiny, tmp_path_factory):
    """The folder of a finished PseudoSeg run with every output. Tests leave it as it is."""
    workdir = tmp_path_factory.mktemp('runs') / 'pseudoseg'
    experiment = tiny.experiment(make_method=tiny.pseudoseg, picture_every=4)
    configuration = Configuration('Schedule.steps = 4\n')
    result = experiment.train(workdir, lambda: configuration)
    return types.SimpleNamespace(workdir=workdir, experiment=experiment, result=result)


@pytest.fixture
def shallow(monkeypatch):
    """Makes the large backbones shallow and narrow, so that a step takes seconds."""
    monkeypatch.setattr(resnet_v1, '_WIDTHS', (4, 8, 12, 16))
    for name, variant in resnet_v1.VARIANTS.items():
        less = dataclasses.replace(variant, units=(2, 1, 1, 1))
        monkeypatch.setitem(resnet_v1.VARIANTS, name, less)
    for name in xception.MIDDLE_UNITS:
        monkeypatch.setitem(xception.MIDDLE_UNITS, name, 1)
    stages = [
        # The decoder takes a map of the second unit of this stage. A stage changes the width.
        dataclasses.replace(stage, width=4 * number, units=2 if number == 2 else 1)
        for number, stage in enumerate(mobilenet_v2._STAGES, 1)
    ]
    monkeypatch.setattr(mobilenet_v2, '_STAGES', tuple(stages))
    names = ['expanded_conv', *(f'expanded_conv_{number}' for number in range(2, 8))]
    monkeypatch.setattr(mobilenet_v2.MobileNetV2, 'blocks', tuple(names))
