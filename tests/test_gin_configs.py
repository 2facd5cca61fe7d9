"""Every gin file parses, and every experiment takes a step (on random images of its classes)."""

import functools
import hashlib
import json
import logging
import pathlib
import re

import gin
import numpy as np
import pytest
import tensorflow as tf

from wss import experiment
from wss.configuration import gin_files
from wss.datasets.lists import official as official_lists
from wss.methods import losses
from wss.methods.update import WeightUpdate
from wss.networks.backbones import resnet_v1, xception
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.weights.tf1_names import variable_names

ROOT = pathlib.Path(__file__).resolve().parents[1] / 'gin_configs'
FILES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob('*.gin'))
# Those of the paper share their parts and have tests of their own (test_paper_experiments.py).
EXPERIMENTS = [name for name in FILES if re.fullmatch(r'experiments/[^/]+', name)]


def test_there_are_experiments():
    assert EXPERIMENTS


@pytest.mark.parametrize('name', FILES)
def test_every_file_parses(name):
    gin_files.parse([name])


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_every_experiment_says_its_command(name):
    first = (ROOT / name).read_text().splitlines()[0]
    assert first.startswith('# python -m wss.')
    assert f'gin_configs/{name}' in first


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_every_experiment_takes_a_step(name, tiny, tmp_path, shallow):
    gin_files.parse([name], ['Views.crop_size = (65, 65)', 'Views.cutout_half_size = 6'])
    settings = gin.get_bindings('experiment.run')
    published = {}
    if '@tf1_checkpoint.' in gin.config_str():  # Those weights are not at hand.
        published['initial_weights'] = None
    info = settings['make_dataset']().info  # Folders and files are not looked at for this.
    splits = {
        settings.get('labelled_split', 'train'): 4,
        settings.get('unlabelled_split', 'train'): 4,
        'val': 2,
    }
    result = gin_files.configured(experiment.run)(
        tmp_path / 'run',
        experiment.Train(),
        make_dataset=lambda: tiny.Squares(info, splits, size=49),
        steps=1,
        labelled_list=None,
        labelled_count=2,
        labelled_every_class=False,
        unlabelled_list=None,
        validation_split='val',
        labelled_batch_size=1,
        unlabelled_batch_size=1,
        evaluation_batch_size=1,
        picture_every=0,
        **published,
    )
    assert result['last']['step'] == 1


@pytest.mark.parametrize('name', [*resnet_v1.VARIANTS, *xception.MIDDLE_UNITS])
def test_every_backbone_has_a_file(name):
    gin_files.parse([f'networks/{name}.gin'])
    backbone = gin.get_bindings('DeepLabV3Plus')['make_backbone']()
    family = xception.Xception if name in xception.MIDDLE_UNITS else resnet_v1.ResNetV1
    assert list(backbone.convolutions) == list(family(name).convolutions)


@pytest.mark.parametrize(
    ('network', 'weight_decay'), [('xception_65', 4e-5), ('resnet_v1_50_beta', 1e-4)]
)
def test_published_weights_become_a_run(network, weight_decay, tiny, tmp_path, shallow, caplog):
    """`steps = 0` turns a TensorFlow 1 checkpoint into a folder that can be evaluated."""
    caplog.set_level(logging.INFO, 'wss')
    checkpoint, values = write_checkpoint(tmp_path, network)
    file = tmp_path / 'published.gin'
    file.write_text(
        'from __gin__ import dynamic_registration\n'
        'from wss import experiment\n'
        'from wss.datasets import shapes\n'
        'from wss.methods import supervised\n'
        'from wss.networks import tf1_checkpoint\n'
        "include 'datasets/shapes.gin'\n"
        "include 'methods/supervised.gin'\n"
        f"include 'networks/{network}.gin'\n"
        f"checkpoint = '{checkpoint}'\n"
        'experiment.run.initial_weights = @tf1_checkpoint.load_model\n'
        'tf1_checkpoint.load_model.path = %checkpoint\n'
        f'supervised.Supervised.weight_decay = {weight_decay}\n'
        'experiment.run.steps = 0\n'
        "shapes.Shapes.counts = {'train': 2, 'val': 2}\n"
        'experiment.run.labelled_batch_size = 1\n'
    )
    gin_files.parse([str(file)])
    run = gin_files.configured(experiment.run)
    result = run(tmp_path / 'run', experiment.Train(gin_files.operative_text))
    assert result['last'] == result['best']
    assert f'Loaded from {checkpoint}: backbone (' in caplog.text
    assert 'Start fresh: nothing. Not used of the file: nothing;' in caplog.text

    gin_files.parse_run(tmp_path / 'run')
    run = gin_files.configured(experiment.run)
    scores = run(tmp_path / 'run', experiment.Evaluate('last'))
    assert scores['iou'] == result['last']['iou']
    method = run(tmp_path / 'run', experiment.Load('best'))
    kernel = values['logits/semantic/weights']
    np.testing.assert_array_equal(method.network.logits.kernel, kernel)
    assert method.weight_decay == weight_decay


def test_an_official_list_becomes_a_run(tmp_path, monkeypatch):
    """The list is looked for when the run trains, and its name is part of the configuration."""
    content = b'train-000004\ntrain-000001\n'
    known = official_lists.OfficialList('lists/toy.txt', hashlib.sha256(content).hexdigest(), 2)
    monkeypatch.setitem(official_lists.LISTS, 'voc/toy', known)
    (tmp_path / 'lists').mkdir()
    (tmp_path / 'lists' / 'toy.txt').write_bytes(content)
    file = tmp_path / 'official.gin'
    file.write_text(
        'from __gin__ import dynamic_registration\n'
        'from wss import experiment\n'
        'from wss.datasets import official_lists\n'
        'from wss.datasets import shapes\n'
        "include 'datasets/shapes.gin'\n"
        "include 'methods/supervised.gin'\n"
        "include 'networks/small.gin'\n"
        'experiment.run.labelled_list = @official_lists.find\n'
        "official_lists.find.name = 'voc/toy'\n"
        'experiment.run.steps = 0\n'
        "shapes.Shapes.counts = {'train': 6, 'val': 2}\n"
        'experiment.run.labelled_batch_size = 1\n'
    )
    workdir, folder = tmp_path / 'run', f"official_lists.find.folder = '{tmp_path / 'lists'}'"
    gin_files.parse([str(file)], [folder])
    gin_files.configured(experiment.run)(workdir, experiment.Train(gin_files.operative_text))
    assert (workdir / 'labelled.txt').read_bytes() == content
    source = json.loads((workdir / 'lists.json').read_text())['labelled']['list']
    assert source['official'] == {'name': 'voc/toy', 'url': known.url}
    assert "official_lists.find.name = 'voc/toy'" in (workdir / 'config.gin').read_text()

    # The list is needed neither to evaluate nor where it was; where it is now is no other run.
    (tmp_path / 'lists').rename(tmp_path / 'moved')
    gin_files.parse_run(workdir)
    gin_files.configured(experiment.run)(workdir, experiment.Evaluate('last'))
    gin_files.parse_run(workdir, [f"official_lists.find.folder = '{tmp_path / 'moved'}'"])
    gin_files.configured(experiment.run)(workdir, experiment.Train(gin_files.operative_text))
    assert str(tmp_path / 'moved') in (workdir / 'lists.json').read_text()


def write_checkpoint(folder, network):
    """Writes a whole model of the generated scenes' classes; returns its prefix and values."""
    family = xception.Xception if network in xception.MIDDLE_UNITS else resnet_v1.ResNetV1
    model = DeepLabV3Plus(7, 6, functools.partial(family, network))
    model(tf.zeros([1, 33, 33, 3]))
    parts = variable_names(model)
    values = {n: v.numpy() + 0.01 for part in parts.values() for n, v in part.items()}
    prefix = str(folder / 'model.ckpt')
    slices = [''] * len(values)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(values),
        shape_and_slices=slices,
        tensors=list(values.values()),
    )
    return prefix, values


def test_the_options_of_the_authors_program_reach_the_method(tiny):
    settings = ['WeightUpdate.average_decay = 0.9', 'SupervisedLoss.label_weights = (1, 2.5, 0)']
    gin_files.parse(['methods/pseudoseg_authors.gin'], settings)
    network = tiny.make_network(num_classes=3, num_image_classes=2)
    method = gin.get_bindings('experiment.run')['make_method'](network, tiny.make_info())
    assert method.weight_update == WeightUpdate(1.0, 2.0, 0.9)
    assert method.supervised_loss == losses.SupervisedLoss((1, 2.5, 0))
    used = gin.operative_config_str()
    assert 'WeightUpdate.bias_multiplier = 2.0' in used
    assert 'SupervisedLoss.label_weights = (1, 2.5, 0)' in used
    with pytest.raises(ValueError, match=r'label_weights is 3, but must be a tuple'):
        gin_files.parse(['methods/pseudoseg_authors.gin'], ['SupervisedLoss.label_weights = 3'])
