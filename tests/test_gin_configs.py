"""Every gin file parses, and every experiment takes a step (on random images of its classes)."""

import pathlib

import gin
import pytest

from wss import config, experiment, losses
from wss.methods.weight_update import WeightUpdate

ROOT = pathlib.Path(__file__).resolve().parents[1] / 'gin_configs'
FILES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob('*.gin'))
EXPERIMENTS = [name for name in FILES if name.startswith('experiments/')]


def test_there_are_experiments():
    assert EXPERIMENTS


@pytest.mark.parametrize('name', FILES)
def test_every_file_parses(name):
    config.parse([name])


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_every_experiment_says_its_command(name):
    first = (ROOT / name).read_text().splitlines()[0]
    assert first.startswith('# python -m wss.')
    assert f'gin_configs/{name}' in first


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_every_experiment_takes_a_step(name, tiny, tmp_path):
    config.parse([name], ['Views.crop_size = (65, 65)', 'Views.cutout_half_size = 6'])
    settings = gin.get_bindings('experiment.run')
    info = settings['make_dataset']().info  # Folders and files are not looked at for this.
    splits = {
        settings.get('labelled_split', 'train'): 4,
        settings.get('unlabelled_split', 'train'): 4,
        'val': 2,
    }
    result = config.configured(experiment.run)(
        tmp_path / 'run',
        experiment.Train(),
        make_dataset=lambda: tiny.Squares(info, splits, size=49),
        steps=1,
        labelled_list=None,
        labelled_count=2,
        unlabelled_list=None,
        validation_split='val',
        labelled_batch_size=1,
        unlabelled_batch_size=1,
        evaluation_batch_size=1,
        picture_every=0,
    )
    assert result['last']['step'] == 1


def test_the_options_of_the_authors_program_reach_the_method(tiny):
    settings = ['WeightUpdate.average_decay = 0.9', 'SupervisedLoss.label_weights = (1, 2.5, 0)']
    config.parse(['methods/pseudoseg_authors.gin'], settings)
    network = tiny.make_network(num_classes=3, num_image_classes=2)
    method = gin.get_bindings('experiment.run')['make_method'](network, tiny.make_info())
    assert method.weight_update == WeightUpdate(1.0, 2.0, 0.9)
    assert method.supervised_loss == losses.SupervisedLoss((1, 2.5, 0))
    used = gin.operative_config_str()
    assert 'WeightUpdate.bias_multiplier = 2.0' in used
    assert 'SupervisedLoss.label_weights = (1, 2.5, 0)' in used
    with pytest.raises(ValueError, match=r'label_weights is 3, but must be a tuple'):
        config.parse(['methods/pseudoseg_authors.gin'], ['SupervisedLoss.label_weights = 3'])
