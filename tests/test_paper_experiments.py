"""The experiments of the paper: which there are, and whether their heads say what is bound."""

import functools
import pathlib
import re

import gin
import numpy as np
import pytest

from wss.configuration import gin_files
from wss.datasets import classes
from wss.datasets.lists import official as official_lists
from wss.methods.update import WeightUpdate
from wss.pipeline import evaluation

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'gin_configs' / 'experiments' / 'paper'
NAMES = sorted(path.stem for path in FOLDER.glob('*.gin'))

NETWORKS = {  # Title, variant of the backbone, weight decay.
    'resnet_v1_50': ('ResNet-50', 'resnet_v1_50_beta', 1e-4),
    'resnet_v1_101': ('ResNet-101', 'resnet_v1_101_beta', 1e-4),
    'xception_65': ('Xception-65', 'xception_65', 4e-5),
}
METHODS = {
    'supervised': 'supervised',
    'pseudoseg': 'PseudoSeg',
    'pseudoseg_weak': 'PseudoSeg with image-level labels',
}
TITLES = {
    'voc': 'PASCAL VOC 2012',
    'voc_records': 'PASCAL VOC 2012 as the authors publish it',
    'coco': 'COCO 2017',
    'cityscapes': 'Cityscapes',
}
# What the head says, and the official list (or the images of the split, or of the draw).
SPLITS = {
    'voc': {
        '2': ('1/2', 'voc/2_clean'),
        '4': ('1/4', 'voc/4_clean'),
        '8': ('1/8', 'voc/8_clean'),
        '16_3': ('1/16, draw 3', 'voc/16_clean_3'),
        '16_14': ('1/16, draw 14', 'voc/16_clean_14'),
        '16_20': ('1/16, draw 20', 'voc/16_clean_20'),
        'all': ('all of train', 1464),
    },
    'coco': {n: (f'1/{n}', f'coco/{n}_all') for n in ('32', '64', '128', '256', '512')},
    'cityscapes': {'4': ('1/4', 744), '8': ('1/8', 372), '30': ('1/30', 100)},
    'voc_records': {'4': ('1/4', '4_clean')},
}
STEPS = {'voc': 30_000, 'voc_records': 30_000, 'coco': 200_000, 'cityscapes': 100_000}


def parts(name):
    """Takes the name of an experiment apart: data, split, method and network."""
    pattern = '(voc_records|voc|coco|cityscapes)_(.+?)_({})_({})'.format(
        '|'.join(sorted(METHODS, key=len, reverse=True)), '|'.join(NETWORKS)
    )
    return re.fullmatch(pattern, name).groups()


def test_every_combination_of_the_paper_is_there():
    expected = {'voc_records_4_pseudoseg_xception_65'}
    for data in ('voc', 'coco', 'cityscapes'):
        for split in SPLITS[data]:
            for network in NETWORKS:
                expected |= {f'{data}_{split}_{m}_{network}' for m in ('supervised', 'pseudoseg')}
    expected |= {f'voc_all_pseudoseg_weak_{network}' for network in NETWORKS}
    expected |= {f'voc_{s}_pseudoseg_weak_xception_65' for s in ('2', '4', '8', '16_3')}
    assert set(NAMES) == expected
    assert f'{len(NAMES)} in all' in (ROOT / 'docs' / 'experiments.md').read_text()


def labelled(split):
    """Returns how many labelled images an entry of `SPLITS` stands for."""
    if isinstance(split, int):
        return split
    return official_lists.LISTS[split if '/' in split else f'voc/{split}'].count


def table_rows(path):
    """Yields the cells of each row of the tables in a Markdown file."""
    for line in (ROOT / path).read_text().splitlines():
        if line.startswith('| '):
            yield [cell.strip() for cell in line.strip('|').split('|')]


@functools.cache
def flops_of_an_image():
    """Operations of a step by image (pair), from the table: `{(data, method, network): flops}`."""
    found = {}
    for cells in table_rows('docs/experiments.md'):
        if cells[0] in SPLITS and cells[1].strip('`') in METHODS:
            for network, cell in zip(NETWORKS, cells[2:], strict=True):
                found[cells[0], cells[1].strip('`'), network] = float(cell.replace(',', '')) * 1e9
    return found


@functools.cache
def published_scores():
    """Scores in the tables of RESULTS.md by experiment, '' for none."""
    found = {}
    for cells in table_rows('RESULTS.md'):
        if len(cells) == 8 and cells[0].startswith('`'):
            for network, score, ours in zip(NETWORKS, cells[2::2], cells[3::2], strict=True):
                if ours:
                    found[f'{cells[0].strip("`")}_{network}'] = score
    return found


def test_the_table_of_results_has_the_experiments():
    assert set(published_scores()) == set(NAMES) - {'voc_records_4_pseudoseg_xception_65'}


@pytest.mark.parametrize('name', NAMES)
def test_the_head_says_what_is_bound(name):
    data, split, method, network = parts(name)
    path = f'gin_configs/experiments/paper/{name}.gin'
    gin_files.parse([path])
    settings = gin.get_bindings('experiment.run')
    steps, batch = settings['steps'], settings['labelled_batch_size']
    assert (steps, batch, settings['unlabelled_batch_size']) == (STEPS[data], 64, 64)
    assert settings['reference_batch_size'] == 64
    text, chosen = SPLITS[data][split]
    images = '64' if method == 'supervised' else '64 + 64'
    cost = flops_of_an_image()[data.split('_')[0], method, network] * batch * steps
    mantissa, exponent = f'{cost:.1e}'.split('e+')
    hours = round(cost / 50e12 / 3600)

    head = [line for line in (ROOT / path).read_text().splitlines() if line.startswith('#')]
    assert head[0] == f'# python -m wss.train --workdir runs/{name} --gin_file {path}'
    assert head[1] == (
        f'# {TITLES[data]}, {text} ({labelled(chosen):,} labelled images), {METHODS[method]}, '
        f'{NETWORKS[network][0]}.'
    )
    assert head[2] == (
        f'# {steps:,} steps of {images} images. Cost: about {mantissa}e{exponent} FLOP, '
        f'{hours} hours at 50 TFLOP/s.'
    )
    score = published_scores()[name.replace('voc_records', 'voc')].rstrip(' ‡')
    if score:
        assert head[3].startswith(f'# Published mIoU: {score} % (')
        source = re.search(r'googleinterns/wss issue \d+', head[3])[0]
        assert source in (ROOT / 'RESULTS.md').read_text()
    else:
        assert head[3] == '# Published mIoU: not found for this backbone; see RESULTS.md.'


@pytest.mark.parametrize('name', NAMES)
def test_what_is_bound_is_what_the_name_says(name):
    data, split, method, network = parts(name)
    gin_files.parse([f'experiments/paper/{name}.gin'])
    settings = gin.get_bindings('experiment.run')
    chosen = SPLITS[data][split][1]
    if data == 'voc_records':
        assert settings['labelled_split'] == chosen
    elif isinstance(chosen, str):
        assert gin.get_bindings('official_lists.find')['name'] == chosen
        assert settings['labelled_split'] == 'train'
    else:
        assert settings.get('labelled_count', 1464) == chosen
    unlabelled = {'voc': 'train_aug', 'voc_records': 'train_aug'}.get(data, 'train')
    assert settings['unlabelled_split'] == unlabelled
    assert settings['validation_split'] == 'val'
    info = settings['make_dataset']().info
    assert info == classes.BY_NAME[f'{data.split("_")[0]}_seg']

    _, variant, decay = NETWORKS[network]
    family = 'Xception' if 'xception' in variant else 'ResNetV1'
    assert gin.get_bindings(family)['variant'] == variant
    assert f"checkpoint = 'checkpoints/{variant}/model.ckpt'" in gin.config_str()
    views = settings['make_views']()
    assert views.crop_size == ((513, 1025) if data == 'cityscapes' else (513, 513))
    assert views.scales == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert (views.cutout_half_size, views.image_labels) == (50, 'view')
    optimizer = settings['make_optimizer'](steps=settings['steps'])
    assert float(optimizer.learning_rate) == np.float32(0.007)
    made = gin.get_bindings('Supervised' if method == 'supervised' else 'PseudoSeg')
    assert made['weight_decay'] == decay
    assert made['weight_update'] == WeightUpdate(bias_multiplier=2.0)
    assert made.get('weak_labels', False) == (method == 'pseudoseg_weak')


@pytest.mark.parametrize(
    ('largest', 'padded'),
    [((500, 500), (513, 513)), ((640, 640), (641, 641)), ((1024, 2048), (1025, 2049))],
)
def test_whole_images_are_padded_as_in_the_paper(largest, padded):
    """The largest images of VOC, COCO and Cityscapes, at output stride 16."""
    assert evaluation.evaluation_size(largest, 16) == padded
