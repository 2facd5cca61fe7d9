"""Experiments of the paper as `wss.train` runs them, on a few images and with small backbones."""

import dataclasses
import functools
import hashlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss import experiment
from wss.configuration import gin_files
from wss.datasets.lists import official as official_lists
from wss.networks import deeplab
from wss.networks.backbones import resnet_v1, xception
from wss.networks.weights import tf1_names

SIZE = 48
COUNTS = {'train': 3, 'train_aug': 4, 'val': 2, '4_clean': 2}


def png(array):
    data = io.BytesIO()
    Image.fromarray(array).save(data, 'PNG')
    return data.getvalue()


def scene(i):
    """Returns an image of noise, and a mask with one square of class `1 + i`."""
    image = np.random.default_rng(i).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[4:30, 6:32] = 1 + i
    return png(image), png(mask)


def prepared_record(name, i):
    """What `wss.prepare` writes of an image with a mask."""
    image, mask = scene(i)
    return {
        'id': [f'{name}{i}'.encode()],
        'image': [image],
        'label': [mask],
        'has_label': [1],
        'mask_classes': [0, 1 + i],
        'has_image_label': [0],
        'image_classes': [],
        'height': [SIZE],
        'width': [SIZE],
    }


def deeplab_record(name, i):
    """What DeepLab's tools write of an image with a mask."""
    image, mask = scene(i)
    return {
        'image/filename': [f'{name}{i}'.encode()],
        'image/encoded': [image],
        'image/segmentation/class/encoded': [mask],
    }


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            message = tf.train.Example()
            for key, values in record.items():
                feature = message.features.feature[key]
                of_bytes = any(isinstance(value, bytes) for value in values)
                (feature.bytes_list if of_bytes else feature.int64_list).value.extend(values)
            writer.write(message.SerializeToString())


def write_prepared(folder, build, name):
    place = folder / 'data' / build / '1.0.0'
    for split, count in COUNTS.items():
        path = place / f'{build.split("/")[0]}-{split}.tfrecord-00000-of-00001'
        write(path, [prepared_record(name, i) for i in range(count)])
    (place / 'dataset_info.json').write_text('{}')


def write_backbone(path, variant):
    """Writes the TensorFlow 1 checkpoint of a backbone."""
    family = xception.Xception if variant == 'xception_65' else resnet_v1.ResNetV1
    network = deeplab.DeepLabV3Plus(3, 2, functools.partial(family, variant))
    network(tf.zeros([1, 33, 33, 3]))
    values = {n: v.numpy() for n, v in tf1_names.variable_names(network)['backbone'].items()}
    path.parent.mkdir(parents=True)
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(values),
        shape_and_slices=[''] * len(values),
        tensors=list(values.values()),
    )


def publish(monkeypatch, folder, name, ids):
    """Writes an official list into a folder, with other ids than it has."""
    path = folder / f'{name}.txt'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(f'{line}\n' for line in ids))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    short = dataclasses.replace(official_lists.LISTS[name], sha256=digest, count=len(ids))
    monkeypatch.setitem(official_lists.LISTS, name, short)


def train(name, *settings):
    """Takes a step as the paper has it, which is two of half its batch; returns `gin_files.gin`."""
    params = [
        'batch_size = 1',
        'run.reference_batch_size = 2',
        'run.steps = 1',
        'run.evaluation_batch_size = 2',
        'run.picture_every = 0',
        'Views.crop_size = (65, 65)',
        'Views.cutout_half_size = 6',
        *settings,
    ]
    gin_files.parse([f'experiments/paper/{name}.gin'], params)
    run = gin_files.configured(experiment.run)
    # The text is made of what was used, and a setting that was not is an error.
    result = run('run', experiment.Train(gin_files.operative_text))
    assert result['steps'] == 2
    with open('run/config.gin') as file:
        return file.read()


@pytest.fixture
def folder(tmp_path, monkeypatch, shallow):
    """The folder in which a run is started, where the default paths begin."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ids(path):
    return sorted(path.read_text().split())


def test_image_level_labels_on_voc(folder, monkeypatch, capsys):
    write_prepared(folder, 'voc_seg/2012', '2007_00000')
    write_backbone(folder / 'checkpoints/xception_65/model.ckpt', 'xception_65')
    publish(monkeypatch, folder / 'lists', 'voc/16_clean_3', ['2007_000002', '2007_000000'])
    settings = train('voc_16_3_pseudoseg_weak_xception_65', "official_lists.find.folder = 'lists'")
    assert 'PseudoSeg.weak_labels = True' in settings
    assert 'WeightUpdate.bias_multiplier = 2.0' in settings
    assert ids(folder / 'run/labelled.txt') == ['2007_000000', '2007_000002']
    assert len(ids(folder / 'run/unlabelled.txt')) == COUNTS['train_aug']
    assert 'the learning rate 0.0035 at first: 1 steps of 2' in capsys.readouterr().out


def test_unlabelled_images_on_coco_elsewhere(folder, monkeypatch):
    write_prepared(folder / 'disk', 'coco_seg/2017', 'train2017/00000000000')
    write_backbone(folder / 'weights/model.ckpt', 'resnet_v1_50_beta')
    publish(monkeypatch, folder / 'lists', 'coco/512_all', ['train2017/000000000001'])
    train(
        'coco_512_pseudoseg_resnet_v1_50',
        "official_lists.find.folder = 'lists'",
        "data_dir = 'disk/data'",
        "checkpoint = 'weights/model.ckpt'",
    )
    assert ids(folder / 'run/labelled.txt') == ['train2017/000000000001']
    assert len(ids(folder / 'run/unlabelled.txt')) == COUNTS['train']


def test_supervised_on_a_draw_of_cityscapes(folder):
    write_prepared(folder, 'cityscapes_seg/fine', 'ulm_000000_00000')
    write_backbone(folder / 'checkpoints/resnet_v1_101_beta/model.ckpt', 'resnet_v1_101_beta')
    settings = train('cityscapes_30_supervised_resnet_v1_101', 'run.labelled_count = 2')
    assert 'WeightUpdate.bias_multiplier = 2.0' in settings
    assert len(ids(folder / 'run/labelled.txt')) == 2
    assert not (folder / 'run/unlabelled.txt').exists()


def test_the_records_that_the_authors_publish(folder):
    for split, count in COUNTS.items():
        path = folder / f'data/pascal_voc_seg/{split}-00000-of-00001'
        write(path, [deeplab_record(f'{split}_', i) for i in range(count)])
    write_backbone(folder / 'checkpoints/xception_65/model.ckpt', 'xception_65')
    train('voc_records_4_pseudoseg_xception_65')
    assert ids(folder / 'run/labelled.txt') == ['4_clean_0', '4_clean_1']
    assert len(ids(folder / 'run/unlabelled.txt')) == COUNTS['train_aug']
