"""Networks, methods and datasets in place of those that a packaged experiment includes."""

import pathlib

import gin
import pytest

from wss.configuration import gin_files
from wss.experiment import Experiment
from wss.methods.supervised import Supervised
from wss.networks.backbones.mobilenet_v2 import MobileNetV2
from wss.networks.backbones.resnet_v1 import ResNetV1
from wss.runs.configuration import settings

EXPERIMENT = 'experiments/shapes_pseudoseg.gin'
HEAD = 'from __gin__ import dynamic_registration\nfrom wss.datasets import shapes\n'
LOST = 'initial weights are random'


def bound(files, params=()):
    gin_files.parse(files, params)
    return settings(gin.config_str())


def backbone():
    """The backbone of what was parsed."""
    network = gin_files.build(Experiment).make_network(num_classes=3, num_image_classes=2)
    return network.backbone


@pytest.fixture
def mine(tmp_path):
    """A user's file, which includes a packaged experiment."""
    path = tmp_path / 'mine.gin'
    path.write_text(f"{HEAD}include '{EXPERIMENT}'\nshapes.Shapes.size = 65\n")
    return str(path)


def test_one_flag_changes_the_backbone(mine):
    for file in (EXPERIMENT, mine):
        with pytest.warns(UserWarning, match=LOST):
            found = bound([file], ['DeepLabV3Plus.make_backbone = @MobileNetV2'])
        assert isinstance(backbone(), MobileNetV2)
        assert 'experiment.Experiment.initial_weights' not in found
        assert not [name for name in found if 'SmallResNet' in name or 'npz' in name]


def test_weights_of_the_user_stay(recwarn):
    params = (
        'DeepLabV3Plus.make_backbone = @MobileNetV2',
        'Experiment.initial_weights = @keras_applications.load_backbone',
    )
    found = bound([EXPERIMENT], params)
    assert found['experiment.Experiment.initial_weights'] == '@keras_applications.load_backbone'
    assert not recwarn.list


def test_flags_alone_start_from_a_run(tmp_path):
    params = (
        'Experiment.initial_weights = @run_weights.load_run',
        f"run_weights.load_run.folder = '{tmp_path}/first'",
    )
    gin_files.parse([EXPERIMENT], params)
    weights = gin_files.build(Experiment).initial_weights
    with pytest.raises(FileNotFoundError, match='first is not the folder of a run'):
        weights(None)


@pytest.mark.parametrize(
    ('network', 'kind'),
    [
        ('networks/mobilenet_v2_imagenet.gin', MobileNetV2),
        ('networks/resnet_v1_50_imagenet.gin', ResNetV1),
    ],
)
def test_one_file_changes_the_network(mine, tmp_path, network, kind, recwarn):
    including = tmp_path / 'including.gin'
    including.write_text(f"{HEAD}include '{EXPERIMENT}'\ninclude '{network}'\n")
    for files in ([EXPERIMENT, network], [network, mine], [str(including)]):
        found = bound(files)
        assert isinstance(backbone(), kind)
        assert 'load_backbone' in found['experiment.Experiment.initial_weights']
        # Nothing of the network that it replaces is left.
        assert not [name for name in found if 'aspp' in name or 'npz' in name]
    assert not [one for one in recwarn.list if LOST in str(one.message)]


def test_another_variant_and_another_method():
    files = ['experiments/folder_pseudoseg_imagenet.gin', 'networks/resnet_v1_101_imagenet.gin']
    assert bound(files)['resnet_v1.ResNetV1.variant'] == "'resnet_v1_101_beta'"
    found = bound([EXPERIMENT, 'methods/supervised.gin'])
    assert found['experiment.Experiment.make_method'] == '@supervised.Supervised'
    assert not [name for name in found if 'sgc' in name]
    gin_files.parse([EXPERIMENT], ['Experiment.make_method = @Supervised'])
    assert issubclass(gin_files.build(Experiment).make_method, Supervised)


def test_files_that_agree_are_added():
    found = bound([EXPERIMENT, 'methods/pseudoseg_weak.gin'])
    assert found['pseudoseg.PseudoSeg.weak_labels'] == 'True'
    assert found['pseudoseg.PseudoSeg.sgc_start'] == "'identity'"


def test_files_at_one_distance_still_contradict_each_other():
    with pytest.raises(ValueError, match='The order of the files does not decide'):
        gin_files.parse(['networks/small.gin', 'networks/xception_65.gin'])


SMALL = ("Shapes.counts = {'train': 4, 'val': 1}", 'Shapes.size = 33', 'Views.crop_size = (33, 33)')


@pytest.mark.parametrize(
    ('param', 'unused'),
    [
        ('a/Schedule.steps = 3', 'a/schedule.Schedule.steps'),
        ('PseudoSeg.temperature = 0.7', 'pseudoseg.PseudoSeg.temperature'),
        (
            'learning_rate = 1',
            r'learning_rate, .* momentum_poly\.learning_rate or adamw',
        ),
    ],
)
def test_leftovers_of_a_user_are_refused_and_those_of_the_package_are_not(tmp_path, param, unused):
    method = 'Experiment.make_method = @Supervised'
    gin_files.parse([EXPERIMENT], [method, *SMALL, 'Schedule.steps = 0', param])
    with pytest.raises(ValueError, match=f'sets {unused}'):
        gin_files.build(Experiment).train(tmp_path / 'run', gin_files.operative)
    assert not pathlib.Path(tmp_path / 'run').exists()


@pytest.mark.parametrize(
    ('param', 'meant'),
    [
        ('run.learning_rate = 1', 'There is no run.learning_rate; did you mean momentum_poly.lear'),
        ('run.labelled_count = 1', 'no run.labelled_count; did you mean Labelled.amount'),
        (
            'PseudoSeg.weight_decay = 1',
            'no setting weight_decay; did you mean adamw_poly.weight',
        ),
        ('Views.steps = 1', 'Views has no setting steps; did you mean Schedule.steps'),
        ('Experiment.make_method = @Supervisd', 'There is no Supervisd .* did you mean Supervised'),
    ],
)
def test_names_are_searched_in_all_parts(param, meant):
    with pytest.raises(ValueError, match=meant):
        gin_files.parse([EXPERIMENT], [param])


def test_numbers_beyond_float32_are_refused_in_parts_of_users(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'own_rate.py').write_text(
        'from wss.training.optimisers import momentum_poly\n'
        'def make(steps, strength=1.0, rate_factor=1.0):\n'
        '    return momentum_poly(steps)\n'
    )
    own = tmp_path / 'own.gin'
    own.write_text(
        'from __gin__ import dynamic_registration\nfrom wss import experiment\nimport own_rate\n'
        f"include '{EXPERIMENT}'\nexperiment.Experiment.make_optimiser = @own_rate.make\n"
        'own_rate.make.strength = 1e999\n'
    )
    gin_files.parse([str(own)], [*SMALL, 'Schedule.steps = 0'])
    with pytest.raises(ValueError, match=r'make\.strength is inf; numbers must be finite'):
        gin_files.build(Experiment).train(tmp_path / 'run', gin_files.operative)
