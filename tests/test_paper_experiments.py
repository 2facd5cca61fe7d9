"""The experiments that the pages list: each is built, and takes a step; heads of files are true."""

import functools
import itertools
import pathlib
import re

import gin
import numpy as np
import pytest
import tensorflow as tf

from wss.configuration import gin_files
from wss.datasets import classes
from wss.datasets.lists import official
from wss.experiment import Experiment
from wss.pipeline.frame import Frame
from wss.runs.configuration import settings

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'gin_configs'
PAPER = sorted(path.stem for path in (CONFIGS / 'experiments' / 'paper').glob('*.gin'))

NETWORKS = {  # Title, variant of the backbone, weight decay.
    'resnet_v1_50_imagenet': ('ResNet-50', 'resnet_v1_50_beta', 1e-4),
    'resnet_v1_101_imagenet': ('ResNet-101', 'resnet_v1_101_beta', 1e-4),
    'xception_65_imagenet': ('Xception-65', 'xception_65', 4e-5),
}
METHODS = ('supervised_paper', 'pseudoseg_paper', 'pseudoseg_weak_paper')
TITLES = {'voc': 'PASCAL VOC 2012', 'coco': 'COCO 2017', 'cityscapes': 'Cityscapes'}
EVALUATED = {'voc': (513, 513), 'coco': (641, 641), 'cityscapes': (1025, 2049)}
STEPS = {'voc': 30_000, 'coco': 200_000, 'cityscapes': 100_000}
# The official list of a dataset file, or how many images are labelled.
LABELLED = {
    **{f'voc_{n}': f'voc/{n}_clean' for n in (2, 4, 8)},
    **{f'voc_16_{n}': f'voc/16_clean_{n}' for n in (3, 14, 20)},
    'voc': 1464,
    **{f'coco_{n}': f'coco/{n}_all' for n in (32, 64, 128, 256, 512)},
    'cityscapes_4': 744,
    'cityscapes_8': 372,
    'cityscapes_30': 100,
}
# Parts of other files, which are not chosen by themselves.
INCLUDED = {'datasets': {'voc_recipe'}, 'methods': {'paper_batch', 'strong_views'}}
NOT_FOUND = '\N{EN DASH}'  # A published score that could not be traced.
MODULES = {'deeplab', 'mobilenet_v2', 'pseudoseg', 'resnet_v1', 'small', 'supervised', 'xception'}
# A step of these on a few networks says enough.
RIVALS = ('fixmatch', 'unimatch', 'mean_teacher', 'cps')
OF_RIVALS = ('small_pretrained', 'mobilenet_v2_imagenet')
CROP = (33, 33)
NARROW = [f'DeepLabV3Plus.{name} = 8' for name in ('aspp_filters', 'decoder_filters')]


def table_rows(page):
    """Yields the cells of each row of the tables of a page, and the heading above it."""
    heading = None
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith('#'):
            heading = line.lstrip('# ')
        elif line.startswith('| '):
            yield heading, [cell.strip() for cell in line.strip('|').split('|')]


def names_in(cell):
    return re.findall(r'`(\w+)`', cell)


@functools.cache
def results():
    """The published score of every combination in RESULTS.md, '' where none is known."""
    found, networks = {}, None
    for _, cells in table_rows('RESULTS.md'):
        if cells[0] == '`datasets/`':
            networks = [name for cell in cells[3:] for name in names_in(cell)]
        elif len(cells) == 6:
            for network, cell in zip(networks, cells[3:], strict=True):
                score, ours = cell.split(' / ')
                assert ours == '†'
                combination = (*names_in(cells[0]), *names_in(cells[2]), network)
                found[combination] = '' if score == NOT_FOUND else score
    return found


@functools.cache
def parts():
    """The files that docs/experiments.md lists, by folder."""
    folders = {'Datasets': 'datasets', 'Methods': 'methods', 'Networks': 'networks'}
    found = {folder: [] for folder in folders.values()}
    for heading, cells in table_rows('docs/experiments.md'):
        if heading in folders and not cells[0].endswith('/`'):
            found[folders[heading]] += names_in(cells[0])
    return found


@functools.cache
def flops_of_an_image():
    """Operations of a step by image (pair), from the table: `{(data, method, network): flops}`."""
    found = {}
    for _, cells in table_rows('docs/experiments.md'):
        if cells[0] in TITLES:
            for network, cell in zip(NETWORKS, cells[2:], strict=True):
                found[(cells[0], *names_in(cells[1]), network)] = float(cell.replace(',', '')) * 1e9
    return found


def files_of(*names):
    folders = ('datasets', 'methods', 'networks')
    return [f'{folder}/{name}.gin' for folder, name in zip(folders, names, strict=True)]


def family(data):
    return data.split('_')[0]


def build(files):
    """Builds an experiment from files; returns it with its method, all variables included."""
    gin_files.parse(files, NARROW)
    experiment = gin_files.build(Experiment)
    info = experiment.data.make_dataset().info  # No file of it is read for this.
    sizes = {'num_classes': info.num_classes, 'num_image_classes': info.num_image_classes}
    method = experiment.make_method(experiment.make_network(**sizes), info)
    if method.needs_second_network:
        method.second_network = experiment.make_network(**sizes)
    method.set_recipe(experiment.update, experiment.supervised_loss)
    return experiment, method


def take_step(experiment, method):
    """Takes a step on noise; returns its losses by name."""
    method.build_variables(CROP)
    method.compile(optimizer=experiment.make_optimiser(steps=1))
    random = np.random.default_rng(0)
    info = method.info
    image_label = tf.constant(random.integers(0, 2, (1, info.num_image_classes)), tf.float32)
    label = tf.constant(random.integers(0, info.num_classes, (1, *CROP)), tf.int32)
    image = tf.constant(random.uniform(0, 255, (1, *CROP, 3)), tf.float32)
    shared = {'valid': tf.ones((1, *CROP)), 'image_label': image_label}
    labelled = {'image': image, 'label': label, **shared}
    unlabelled = {'weak': image, 'strong': 255 - image, 'strong_2': image, **shared}
    losses = method.train_step({'labelled': labelled, 'unlabelled': unlabelled})
    return {name: float(value) for name, value in losses.items()}


@pytest.fixture(scope='module')
def step_once():
    """From files to losses; those that build the same network and method share a step."""
    taken = {}

    def step(files):
        experiment, method = build(files)
        of_parts = {
            name: value
            for name, value in settings(gin.config_str()).items()
            if name.split('.')[0] in MODULES
        }
        key = (method.info.name, type(method).__name__, *sorted(of_parts.items()))
        if key not in taken:
            taken[key] = take_step(experiment, method)
            assert np.isfinite(list(taken[key].values())).all(), files
        return experiment, taken[key]

    yield step
    assert len(taken) < 80  # Or sharing no longer works.


def test_every_combination_of_results_takes_a_step(shallow, step_once):
    assert set(results()) == {
        (data, method, network)
        for data, method, network in itertools.product(LABELLED, METHODS, NETWORKS)
        if method != 'pseudoseg_weak_paper' or family(data) == 'voc'
    }
    for data, method, network in results():
        experiment, losses = step_once(files_of(data, method, network))
        check_settings(data, method, network, experiment)
        assert ('consistency' in losses) == (method != 'supervised_paper')


def test_the_page_lists_every_part():
    for folder, names in parts().items():
        there = {path.stem for path in (CONFIGS / folder).glob('*.gin')}
        assert len(names) == len(set(names))
        assert set(names) == there - INCLUDED.get(folder, set())


def test_every_method_takes_a_step_with_every_network(shallow, step_once):
    for method, network in itertools.product(parts()['methods'], parts()['networks']):
        if method in RIVALS and network not in OF_RIVALS:
            continue
        _, losses = step_once(files_of('voc_4', method, network))
        # The baseline has the supervised loss, their sum and the norm of the gradient.
        assert (len(losses) > 3) == (not method.startswith('supervised')), method


@pytest.mark.parametrize('name', RIVALS)
def test_strong_views_of_the_rivals(name):
    """Those of UniMatch's paper: colours (0.5, 0.5, 0.5, 0.25), grey, blur, CutMix; no CutOut."""
    gin_files.parse(files_of('voc_4', name, 'small_pretrained'))
    views = gin_files.build(Experiment).data.make_views()
    assert (views.brightness, views.contrast, views.saturation, views.hue) == (0.5, 0.5, 0.5, 0.25)
    assert (views.jitter_probability, views.greyscale_probability) == (0.8, 0.2)
    assert (views.blur_probability, views.blur_sigma) == (0.5, (0.1, 2.0))
    assert (views.cutmix_probability, views.cutout_probability) == (0.5, 0.0)
    assert views.strong_views == (2 if name == 'unimatch' else 1)


def test_every_dataset_goes_with_every_method_and_network(shallow):
    """Files contradict each other in pairs, so pairs are enough."""
    listed = parts()
    for data in listed['datasets']:
        for method in listed['methods']:
            build(files_of(data, method, 'small_pretrained'))
        for network in listed['networks']:
            gin_files.parse(files_of(data, 'pseudoseg_weak_paper', network), NARROW)


def check_settings(data, method, network, experiment):
    """Checks that what is bound is what the names of the files say."""
    labelled, unlabelled = experiment.data.labelled, experiment.data.unlabelled
    assert experiment.schedule.steps == STEPS[family(data)]
    assert experiment.schedule.reference_batch_size == 64
    assert labelled.batch_size == unlabelled.batch_size == 64
    if isinstance(LABELLED[data], str):
        assert labelled.list_file.name == LABELLED[data]
    else:
        assert labelled.list_file is None
        assert (labelled.amount or 1464) == LABELLED[data]
    assert labelled.split == 'train'
    assert unlabelled.split == ('train_aug' if family(data) == 'voc' else 'train')
    assert experiment.data.validation.split == 'val'
    assert experiment.data.validation.size == EVALUATED[family(data)]
    assert experiment.data.make_dataset().info == classes.BY_NAME[f'{family(data)}_seg']
    views = experiment.data.make_views()
    assert views.crop_size == ((513, 1025) if family(data) == 'cityscapes' else (513, 513))
    assert views.scales == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert (views.cutout_half_size, views.image_labels) == (50, 'view')
    optimiser = experiment.make_optimiser(steps=experiment.schedule.steps)
    assert float(optimiser.learning_rate) == np.float32(0.007)

    bound = settings(gin.config_str())
    _, variant, decay = NETWORKS[network]
    backbone = 'xception.Xception' if 'xception' in variant else 'resnet_v1.ResNetV1'
    assert bound[f'{backbone}.variant'] == f"'{variant}'"
    assert bound['checkpoint'] == f"'checkpoints/{variant}/model.ckpt'"
    assert (experiment.update.weight_decay, experiment.update.bias_multiplier) == (decay, 2.0)
    weak = bound.get('pseudoseg.PseudoSeg.weak_labels', 'False')
    assert weak == str(method == 'pseudoseg_weak_paper')


def test_the_headline_numbers_have_files():
    coco = [f'coco_{n}_pseudoseg_xception_65' for n in (32, 64, 128, 256, 512)]
    voc = ['voc_4_pseudoseg_xception_65', 'voc_all_pseudoseg_resnet_v1_101']
    assert set(PAPER) == {*coco, *voc, 'cityscapes_4_pseudoseg_resnet_v1_101'}


@pytest.mark.parametrize('name', PAPER)
def test_the_head_says_what_is_bound(name):
    path = f'gin_configs/experiments/paper/{name}.gin'
    data, network = re.fullmatch(r'(\w+)_pseudoseg_(\w+)', name).groups()
    data, network = data.removesuffix('_all'), f'{network}_imagenet'
    gin_files.parse(files_of(data, 'pseudoseg_paper', network))
    of_parts = gin.config_str()
    gin_files.parse([path])
    assert gin.config_str() == of_parts
    schedule, batch = gin_files.build(Experiment).schedule, 64
    count = LABELLED[data]
    count = count if isinstance(count, int) else official.LISTS[count].count
    share = f'1/{data.split("_")[1]}' if '_' in data else 'all of train'
    cost = flops_of_an_image()[family(data), 'pseudoseg_paper', network] * batch * schedule.steps
    mantissa, exponent = f'{cost:.1e}'.split('e+')
    score = results()[data, 'pseudoseg_paper', network].rstrip(' ‡¶')

    head = [line for line in (ROOT / path).read_text().splitlines() if line.startswith('#')]
    assert head[0] == f'# python -m wss.train --workdir runs/{name} --gin_file {path}'
    assert head[1] == (
        f'# {TITLES[family(data)]}, {share} ({count:,} labelled images), PseudoSeg, '
        f'{NETWORKS[network][0]}.'
    )
    assert head[2] == (
        f'# {schedule.steps:,} steps of 64 + 64 images. Cost: about {mantissa}e{exponent} FLOP, '
        f'{round(cost / 50e12 / 3600)} hours at 50 TFLOP/s.'
    )
    assert head[3].startswith(f'# Published mIoU: {score} % (')
    source = re.search(r'googleinterns/wss issue \d+|public leaderboards', head[3])[0]
    assert source in (ROOT / 'RESULTS.md').read_text()


@pytest.mark.parametrize(
    ('name', 'largest'),
    [('voc', (500, 500)), ('coco', (640, 640)), ('cityscapes', (1024, 2048))],
)
def test_whole_images_are_padded_as_in_the_paper(name, largest):
    """The largest images of VOC, COCO and Cityscapes fit exactly, at output stride 16."""
    own = Frame(16, (0.0, 0.0, 0.0)).padded_size(largest)
    assert tuple(own.numpy()) == EVALUATED[name]
