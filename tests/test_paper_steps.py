"""Experiments of the paper as `wss.train` runs them, with a few images and small backbones."""

import dataclasses
import functools
import hashlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.configuration import gin_files
from wss.datasets.lists import official
from wss.experiment import Experiment
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
    short = dataclasses.replace(official.LISTS[name], sha256=digest, count=len(ids))
    monkeypatch.setitem(official.LISTS, name, short)


def train(data, method, network, *settings):
    """Takes a step of the paper, which is two of half its batch; returns `config.gin`."""
    params = [
        'batch_size = 2',
        'Schedule.reference_batch_size = 4',
        'Schedule.steps = 1',
        'Validation.batch_size = 2',
        'Validation.size = None',
        'Schedule.picture_every = 0',
        'Views.crop_size = (65, 65)',
        'Views.cutout_half_size = 6',
        *settings,
    ]
    files = [f'networks/{network}.gin', f'datasets/{data}.gin', f'methods/{method}.gin']
    gin_files.parse(files, params)
    # A setting that nothing used is an error of `operative`.
    result = gin_files.build(Experiment).train('run', gin_files.operative)
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
    settings = train(
        'voc_16_3', 'pseudoseg_weak_paper', 'xception_65_imagenet', "OfficialList.folder = 'lists'"
    )
    assert 'PseudoSeg.weak_labels = True' in settings
    assert 'Update.bias_multiplier = 2.0' in settings
    assert ids(folder / 'run/labelled.txt') == ['2007_000000', '2007_000002']
    # The splits of this small build share ids, and those of val are held out.
    assert len(ids(folder / 'run/unlabelled.txt')) == COUNTS['train_aug'] - COUNTS['val']
    assert 'the learning rate 0.0035 at first: 1 steps of 4' in capsys.readouterr().out


def test_unlabelled_images_on_coco_elsewhere(folder, monkeypatch):
    write_prepared(folder / 'disk', 'coco_seg/2017', 'train2017/00000000000')
    write_backbone(folder / 'weights/model.ckpt', 'resnet_v1_50_beta')
    publish(monkeypatch, folder / 'lists', 'coco/512_all', ['train2017/000000000001'])
    train(
        'coco_512',
        'pseudoseg_paper',
        'resnet_v1_50_imagenet',
        "OfficialList.folder = 'lists'",
        "data_dir = 'disk/data'",
        "checkpoint = 'weights/model.ckpt'",
    )
    assert ids(folder / 'run/labelled.txt') == ['train2017/000000000001']
    assert len(ids(folder / 'run/unlabelled.txt')) == COUNTS['train'] - COUNTS['val']


def test_supervised_on_a_sample_of_cityscapes(folder):
    write_prepared(folder, 'cityscapes_seg/fine', 'ulm_000000_00000')
    write_backbone(folder / 'checkpoints/resnet_v1_101_beta/model.ckpt', 'resnet_v1_101_beta')
    settings = train(
        'cityscapes_30', 'supervised_paper', 'resnet_v1_101_imagenet', 'Labelled.amount = 2'
    )
    assert 'Update.bias_multiplier = 2.0' in settings
    assert len(ids(folder / 'run/labelled.txt')) == 2
    assert not (folder / 'run/unlabelled.txt').exists()


def test_the_records_that_the_authors_publish(folder):
    for split, count in COUNTS.items():
        path = folder / f'data/pascal_voc_seg/{split}-00000-of-00001'
        write(path, [deeplab_record(f'{split}_', i) for i in range(count)])
    write_backbone(folder / 'checkpoints/xception_65/model.ckpt', 'xception_65')
    train('voc_records_4', 'pseudoseg_paper', 'xception_65_imagenet')
    assert ids(folder / 'run/labelled.txt') == ['4_clean_0', '4_clean_1']
    assert len(ids(folder / 'run/unlabelled.txt')) == COUNTS['train_aug']
