"""Prepared datasets of a few tiny images, as `wss.prepare` writes them."""

import io
import os

import numpy as np
import tensorflow as tf
from PIL import Image

HEIGHT, WIDTH = 6, 8


def png(array):
    file = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(file, 'PNG')
    return file.getvalue()


def mask(i):
    """The left half is background, the right half class `1 + i`, the last row ignored."""
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[:, WIDTH // 2 :] = 1 + i
    label[-1] = 255
    return label


def record(name, i, has_label=True, image_classes=None):
    """Example `i` is an image of the value `10 * i`."""
    numbers = {
        'has_label': [int(has_label)],
        'mask_classes': [0, 1 + i] if has_label else [],
        'has_image_label': [int(image_classes is not None)],
        'image_classes': image_classes or [],
        'height': [HEIGHT],
        'width': [WIDTH],
    }
    texts = {
        'id': name.encode(),
        'image': png(np.full((HEIGHT, WIDTH, 3), 10 * i)),
        'label': png(mask(i) if has_label else np.full((HEIGHT, WIDTH), 255)),
    }
    message = tf.train.Example()
    for key, values in numbers.items():
        message.features.feature[key].int64_list.value.extend(values)
    for key, value in texts.items():
        message.features.feature[key].bytes_list.value.append(value)
    return message.SerializeToString()


def write_build(data_dir, splits, name='voc_seg/2012', version='1.0.0'):
    """Writes shards as tensorflow-datasets does; `splits` maps a split to its shards' records."""
    folder = os.path.join(data_dir, name, version)
    os.makedirs(folder)
    dataset = name.split('/')[0]
    for split, shards in splits.items():
        for number, records in enumerate(shards):
            file = f'{dataset}-{split}.tfrecord-{number:05d}-of-{len(shards):05d}'
            with tf.io.TFRecordWriter(os.path.join(folder, file)) as writer:
                for content in records:
                    writer.write(content)
    with open(os.path.join(folder, 'dataset_info.json'), 'w', encoding='utf-8') as file:
        file.write('{}')
    return folder
