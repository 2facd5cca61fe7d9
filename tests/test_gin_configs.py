"""Every gin file parses, and every experiment takes a step (on random images of its classes)."""

import dataclasses
import functools
import hashlib
import json
import pathlib
import re

import gin
import numpy as np
import pytest
import tensorflow as tf

from wss.configuration import gin_files
from wss.datasets.lists import official
from wss.experiment import Experiment
from wss.methods import losses
from wss.methods.update import Update
from wss.networks.backbones import mobilenet_v2, resnet_v1, xception
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.weights.tf1_names import variable_names
from wss.runs.configuration import settings

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
    experiment = gin_files.build(Experiment)
    data = experiment.data
    info = data.make_dataset().info  # Folders and files are not looked at for this.
    splits = {data.labelled.split: 4, data.unlabelled.split: 4, 'val': 2}
    labelled = {'list_file': None, 'amount': 2, 'every_class': False, 'batch_size': 2}
    data = dataclasses.replace(
        data,
        make_dataset=lambda: tiny.Squares(info, splits, size=49),
        labelled=dataclasses.replace(data.labelled, **labelled),
        unlabelled=dataclasses.replace(data.unlabelled, list_file=None, batch_size=2),
        validation=dataclasses.replace(data.validation, batch_size=1),
    )
    schedule = dataclasses.replace(experiment.schedule, steps=1, picture_every=0)
    experiment = dataclasses.replace(experiment, data=data, schedule=schedule)
    # A test has no such weights.
    if re.search(r'@(tf1_checkpoint|keras_applications)\.', gin.config_str()):
        experiment = dataclasses.replace(experiment, initial_weights=None)
    assert experiment.train(tmp_path / 'run')['last']['step'] == 1


def test_parts_train_as_they_are(tmp_path):
    """Without an experiment, in an order that is not that of the pages, on a few scenes."""
    files = ['networks/small_shapes.gin', 'datasets/shapes.gin', 'methods/pseudoseg.gin']
    few = ["Shapes.counts = {'train': 3, 'val': 2}", 'Schedule.steps = 1']
    small = ['Labelled.batch_size = 2', 'Unlabelled.batch_size = 2']
    gin_files.parse(files, [*few, *small])
    result = gin_files.build(Experiment).train(tmp_path / 'run', gin_files.operative)
    assert result['last']['step'] == 1


def test_only_networks_set_the_weight_decay():
    def sets_decay(name):
        return 'weight_decay' in (ROOT / name).read_text()

    # The one experiment trains an image classifier.
    allowed = r'networks/\w+\.gin|experiments/shapes_pretrain\.gin'
    assert all(re.fullmatch(allowed, name) for name in FILES if sets_decay(name))
    for name in FILES:
        if name.startswith('networks/'):
            gin_files.parse([name])
            decay = 1e-4 if 'resnet' in name else 4e-5
            if name == 'networks/mobilenet_v2_imagenet.gin':  # AdamW has a decay of its own.
                decay = 0.0
            assert float(settings(gin.config_str())['update.Update.weight_decay']) == decay


@pytest.mark.parametrize('folder', ['datasets', 'methods', 'networks'])
def test_parts_set_nothing_of_the_others(folder):
    """So that each can be exchanged alone."""
    wiring = ROOT / 'experiment.gin'
    # Strong views belong to a method; crops, scales and the size of the square to a dataset.
    views = {'strong_views', 'cutout_probability', 'cutmix_probability'}
    views |= {f'{name}_probability' for name in ('jitter', 'greyscale', 'blur')}
    ours = {
        'datasets': {'Experiment': set(), 'momentum_poly': set(), 'Update': set()},
        'methods': {'Experiment': {'make_method'}, 'Data': set(), 'Views': views},
        'networks': {'Experiment': {'make_network', 'initial_weights'}, 'Data': set()},
    }[folder]
    gin_files.parse([str(wiring)])
    shared = set(settings(gin.config_str()))
    for name in FILES:
        if name.startswith(f'{folder}/'):
            gin_files.parse([name])
            own = set(settings(gin.config_str())) - shared
            for setting in own:
                part, field = ('', *setting.split('.'))[-2:]
                assert field in ours.get(part, {field}), (name, setting)


@pytest.mark.parametrize('name', [*resnet_v1.VARIANTS, *xception.MIDDLE_UNITS, 'mobilenet_v2'])
def test_every_backbone_has_a_file(name):
    gin_files.parse([f'networks/{name}.gin'])
    backbone = gin.get_bindings('DeepLabV3Plus')['make_backbone']()
    if name == 'mobilenet_v2':
        assert isinstance(backbone, mobilenet_v2.MobileNetV2)
        return
    family = xception.Xception if name in xception.MIDDLE_UNITS else resnet_v1.ResNetV1
    assert list(backbone.convolutions) == list(family(name).convolutions)


@pytest.mark.parametrize(
    ('network', 'weight_decay'), [('xception_65', 4e-5), ('resnet_v1_50_beta', 1e-4)]
)
def test_published_weights_become_a_run(network, weight_decay, tiny, tmp_path, shallow, capsys):
    """`steps = 0` turns a TensorFlow 1 checkpoint into a folder that can be evaluated."""
    checkpoint, values = write_checkpoint(tmp_path, network)
    file = tmp_path / 'published.gin'
    file.write_text(
        'from __gin__ import dynamic_registration\n'
        'from wss import experiment\n'
        'from wss.datasets import shapes\n'
        'from wss.networks.weights import tf1_checkpoint\n'
        'from wss.pipeline import data\n'
        'from wss.training import schedule\n'
        "include 'datasets/shapes.gin'\n"
        "include 'methods/supervised.gin'\n"
        f"include 'networks/{network}.gin'\n"
        f"checkpoint = '{checkpoint}'\n"
        'experiment.Experiment.initial_weights = @tf1_checkpoint.load_model\n'
        'tf1_checkpoint.load_model.path = %checkpoint\n'
        'schedule.Schedule.steps = 0\n'
        "shapes.Shapes.counts = {'train': 2, 'val': 2}\n"
        'data.Labelled.batch_size = 1\n'
    )
    gin_files.parse([str(file)])
    experiment = gin_files.build(Experiment)
    assert experiment.update.weight_decay == weight_decay
    result = experiment.train(tmp_path / 'run', gin_files.operative)
    assert result['last'] == result['best']
    said = capsys.readouterr().out
    assert f'Loaded from {checkpoint}: backbone (' in said
    assert 'Start fresh: nothing. Not used of the file: nothing;' in said

    gin_files.parse_run(tmp_path / 'run')
    scores = gin_files.build(Experiment).evaluate(tmp_path / 'run', 'last')
    assert scores['iou'] == result['last']['iou']
    method = gin_files.build(Experiment).load(tmp_path / 'run', 'best')
    kernel = values['logits/semantic/weights']
    np.testing.assert_array_equal(method.network.logits.kernel, kernel)
    assert method.update.weight_decay == weight_decay


def test_an_official_list_becomes_a_run(tmp_path, monkeypatch):
    """The list is looked for when the run trains, and its name is part of the configuration."""
    content = b'train-000004\ntrain-000001\n'
    known = official.Published('lists/toy.txt', hashlib.sha256(content).hexdigest(), 2)
    monkeypatch.setitem(official.LISTS, 'voc/toy', known)
    (tmp_path / 'lists').mkdir()
    (tmp_path / 'lists' / 'toy.txt').write_bytes(content)
    file = tmp_path / 'official.gin'
    file.write_text(
        'from __gin__ import dynamic_registration\n'
        'from wss.datasets import shapes\n'
        'from wss.datasets.lists import official\n'
        'from wss.pipeline import data\n'
        'from wss.training import schedule\n'
        "include 'datasets/shapes.gin'\n"
        "include 'methods/supervised.gin'\n"
        "include 'networks/small.gin'\n"
        'data.Labelled.list_file = @official.OfficialList()\n'
        "official.OfficialList.name = 'voc/toy'\n"
        'schedule.Schedule.steps = 0\n'
        "shapes.Shapes.counts = {'train': 6, 'val': 2}\n"
        'data.Labelled.batch_size = 1\n'
    )
    workdir, folder = tmp_path / 'run', f"OfficialList.folder = '{tmp_path / 'lists'}'"
    gin_files.parse([str(file)], [folder])
    gin_files.build(Experiment).train(workdir, gin_files.operative)
    assert (workdir / 'labelled.txt').read_bytes() == content
    source = json.loads((workdir / 'lists.json').read_text())['labelled']['list']
    assert source['official'] == {'name': 'voc/toy', 'url': known.url}
    assert "OfficialList.name = 'voc/toy'" in (workdir / 'config.gin').read_text()

    # The list is not needed to evaluate. The same list at another place is the same run.
    (tmp_path / 'lists').rename(tmp_path / 'moved')
    gin_files.parse_run(workdir)
    gin_files.build(Experiment).evaluate(workdir, 'last')
    gin_files.parse_run(workdir, [f"OfficialList.folder = '{tmp_path / 'moved'}'"])
    gin_files.build(Experiment).train(workdir, gin_files.operative)
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


def test_the_options_of_the_authors_program_reach_the_experiment():
    params = ['Update.average_decay = 0.9', 'SupervisedLoss.label_weights = (1, 2.5, 0)']
    gin_files.parse(
        ['methods/pseudoseg_authors.gin', 'datasets/shapes.gin', 'networks/small.gin'], params
    )
    experiment = gin_files.build(Experiment)
    expected = Update(4e-5, 1.0, 2.0, average_decay=0.9, statistics_warm_up=False)
    assert experiment.update == expected
    assert experiment.supervised_loss == losses.SupervisedLoss((1, 2.5, 0))
    used = gin.operative_config_str()
    assert 'Update.bias_multiplier = 2.0' in used
    assert 'SupervisedLoss.label_weights = (1, 2.5, 0)' in used
    with pytest.raises(ValueError, match=r'label_weights is 3, but must be a tuple'):
        gin_files.parse(['methods/pseudoseg_authors.gin'], ['SupervisedLoss.label_weights = 3'])
