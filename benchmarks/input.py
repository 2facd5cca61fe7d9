"""How fast the input pipeline is alone, and where its time goes.

    python benchmarks/input.py [--json] [--data_dir D --split train_aug]

Photographs of 500x375 pixels (generated, or those of a dataset that `wss.prepare` built) are read
from records, decoded, scaled by 0.5 to 2, cropped to 513x513, changed into both views and put into
batches, on two cores. For comparison, plain `tf.data` decodes, scales and crops the same images,
without views.
"""

import argparse
import functools
import io
import json
import os
import pathlib
import statistics
import tempfile
import time

import numpy as np
import tensorflow as tf
from PIL import Image

from wss.datasets.prepared import Prepared
from wss.pipeline import batches
from wss.pipeline.shares import Share
from wss.views import colour, geometry
from wss.views.views import Views

_NAME = 'voc_seg/2012'
_PADDING = (127.5, 127.5, 127.5)
_COLOURS = ('brightness', 'contrast', 'saturation', 'hue')
_STILL = dict.fromkeys(_COLOURS, 0.0)


def photograph(seed: int, height: int = 375, width: int = 500) -> np.ndarray:
    """Makes noise with the spectrum of a photograph, uint8 `[height, width, 3]`."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), 120.0)
    for cells, strength in ((4, 50), (16, 40), (64, 20), (200, 10), (500, 12)):
        noise = random.normal(size=(max(2, cells * height // width), cells, 3))
        image += strength * tf.image.resize(noise, (height, width), 'bicubic').numpy()
    return np.clip(image, 0, 255).astype(np.uint8)


def write_records(data_dir: str, count: int) -> None:
    """Writes a split `train` of generated photographs as `wss.prepare` writes it."""
    folder = os.path.join(data_dir, _NAME, '1.0.0')
    os.makedirs(folder)
    mask = np.random.default_rng(0).integers(0, 21, (8, 10)).astype(np.uint8)
    mask = np.kron(mask, np.ones((47, 50), np.uint8))[:375]
    with tf.io.TFRecordWriter(f'{folder}/voc_seg-train.tfrecord-00000-of-00001') as writer:
        for i in range(count):
            features = tf.train.Example().features
            content = {
                'id': f'image{i}'.encode(),
                'image': _encoded(photograph(i), 'JPEG', quality=90),
                'label': _encoded(mask, 'PNG'),
            }
            numbers = {'height': 375, 'width': 500, 'has_label': 1, 'has_image_label': 0}
            for name, value in content.items():
                features.feature[name].bytes_list.value.append(value)
            for name, value in numbers.items():
                features.feature[name].int64_list.value.append(value)
            writer.write(tf.train.Example(features=features).SerializeToString())
    pathlib.Path(folder, 'dataset_info.json').write_text('{}', encoding='utf-8')


def _encoded(array, kind, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def plain(example, seed, info, padding_value):
    """Decodes, scales, pads and crops in the simplest way."""
    del info
    seeds = tf.random.experimental.stateless_split(seed, 2)
    scale = tf.random.stateless_uniform([], seeds[0], 0.5, 2.0)
    size = tf.cast(tf.cast(tf.shape(example['image'])[:2], tf.float32) * scale, tf.int32)
    image = tf.image.resize(example['image'], size) - padding_value
    image = tf.image.pad_to_bounding_box(
        image, 0, 0, tf.maximum(size[0], 513), tf.maximum(size[1], 513)
    )
    return {'image': tf.image.stateless_random_crop(image + padding_value, [513, 513, 3], seeds[1])}


def stages(views: Views, info) -> dict:
    """Returns the stages of a pair of views; each does the work of the one before too."""

    def sizes(example, seed):
        del seed
        return {'shape': tf.shape(example['image'])}

    def scaled(example, seed):
        place = geometry.sample_geometry(
            tf.shape(example['image'])[:2], views.crop_size, views.scales, 0.5, seed
        )
        visible = geometry.visible_crop(example['image'], place, views.crop_size)
        return place, visible

    def resampled(example, seed):
        return {'mean': tf.reduce_mean(scaled(example, seed)[1][:1])}

    def coloured(example, seed):
        strengths = [getattr(views, name) for name in _COLOURS]
        return {
            'mean': tf.reduce_mean(colour.jitter(scaled(example, seed)[1], *strengths, seed)[:1])
        }

    pair = functools.partial(views.unlabelled, info=info, padding_value=_PADDING)
    return {
        'read and decode': sizes,
        'scale and crop': resampled,
        'colours': coloured,
        'padding, CutOut, masks and batch': pair,
    }


def measure_rate(examples, make_views, batch_size: int, count: int, repeats: int) -> dict:
    """Measures a stream: elements a second (median, least, most), and CPU time of one in ms."""
    share = Share('--batch', batch_size)
    stream = batches.stream_batches(examples, make_views, share, seed=0)
    rates, milliseconds = [], []
    iterator = iter(batches.with_threads(stream, batches.cores()))
    for _ in range(4):  # Batches that were made ahead do not count.
        next(iterator)
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            next(iterator)
        elements = count * batch_size
        rates.append(elements / (time.perf_counter() - start))
        milliseconds.append(1e3 * (time.process_time() - cpu) / elements)
    return {
        'rate': statistics.median(rates),
        'least': min(rates),
        'most': max(rates),
        'milliseconds': statistics.median(milliseconds),
    }


def measure(arguments, data_dir: str) -> dict:
    """Measures everything; returns the content of the JSON object."""
    dataset = Prepared(_NAME, data_dir)
    images = dataset.examples(arguments.split, 'none')
    with_masks = dataset.examples(arguments.split, 'available')
    views, still, authors = Views(), Views(**_STILL), Views(contrast_mean='image')
    options = {'info': dataset.info, 'padding_value': _PADDING}

    def rate(examples, make_views):
        return measure_rate(
            examples, make_views, arguments.batch, arguments.batches, arguments.repeats
        )

    rows = {
        'weak and strong view': (images, functools.partial(views.unlabelled, **options)),
        'the same, with masks': (with_masks, functools.partial(views.unlabelled, **options)),
        "pair, contrast_mean = 'image'": (
            images,
            functools.partial(authors.unlabelled, **options),
        ),
        'labelled view': (with_masks, functools.partial(views.labelled, **options)),
        'pair without colours': (images, functools.partial(still.unlabelled, **options)),
        'plain decode and crop': (images, functools.partial(plain, **options)),
    }
    rates = {name: rate(*row) for name, row in rows.items()}
    totals = {
        name: rate(images, stage)['milliseconds']
        for name, stage in stages(views, dataset.info).items()
    }
    shares = np.diff([0.0, *totals.values()]).tolist()
    return {
        'pairs_per_second': rates['weak and strong view']['rate'],
        'cores': len(os.sched_getaffinity(0)),
        'images': len(images),
        'rates': rates,
        'milliseconds': dict(zip(totals, shares, strict=True)),
    }


def show(results: dict) -> None:
    """Prints the results as two tables."""
    print(f'{results["images"]} images, {results["cores"]} cores\n')
    print(f'{"a second":34}{"median":>9}{"least":>9}{"most":>9}{"CPU ms":>9}')
    for name, row in results['rates'].items():
        print(f'{name:34}' + ''.join(f'{value:9.1f}' for value in row.values()))
    print(f'\n{"where the time of a pair goes":34}{"CPU ms":>9}')
    for name, value in results['milliseconds'].items():
        print(f'{name:34}{value:9.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data_dir', help='folder of wss.prepare; generated images if left out')
    parser.add_argument('--split', default='train', help='split of voc_seg in --data_dir')
    parser.add_argument('--images', type=int, default=64, help='images that are generated')
    parser.add_argument('--cores', type=int, default=2, help='cores to run on')
    parser.add_argument('--batch', type=int, default=8, help='elements of a batch')
    parser.add_argument('--batches', type=int, default=20, help='batches that are timed at once')
    parser.add_argument('--repeats', type=int, default=5, help='how many times they are timed')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    arguments = parser.parse_args()
    for name in ('images', 'cores', 'batch', 'batches', 'repeats'):
        if getattr(arguments, name) < 1:
            parser.error(f'--{name} must be 1 or more')
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[: arguments.cores])
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.data_dir:
            write_records(folder, arguments.images)
        try:
            results = measure(arguments, arguments.data_dir or folder)
        except (FileNotFoundError, ValueError) as error:
            parser.error(str(error))
    if arguments.json:
        print(json.dumps(results))
    else:
        show(results)


if __name__ == '__main__':
    main()
