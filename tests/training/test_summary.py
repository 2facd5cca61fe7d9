"""The lines that a run prints before its first step, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.training import summary

INFO = DatasetInfo('test', ('ground', 'red', 'green'), ((0, 0, 0), (9, 0, 0), (0, 9, 0)))
ONE = {'logical': ['/device:CPU:0'], 'gpus': [], 'replicas': 1}


def make_examples(count, label=None, **changes):
    """Examples whose masks are all the same; without one they must not be read."""

    def load(index):
        assert label is not None
        return {'label': tf.constant(label)}

    names = tuple(f'a{i}' for i in range(count))
    return Examples(names, load, True, (30, 40), INFO, **changes)


def facts(**changes):
    given = {
        'workdir': 'runs/mine',
        'examples': {
            'labelled': make_examples(
                2,
                class_pixels=np.array([[600, 100, 0], [300, 0, 0]]),
                sizes=np.array([[30, 40], [20, 40]]),
            ),
            'unlabelled': make_examples(1234),
            'validation': make_examples(5),
        },
        'batch_sizes': {'labelled': 2, 'unlabelled': 4},
        'crop_size': (17, 33),
        'steps': 12000,
        'devices': ONE,
        'precision': 'float32',
    }
    return summary.Facts(**given | changes)


def test_the_lines_of_a_run():
    assert summary.lines(facts()) == [
        'Run folder: runs/mine',
        'Images: 2 labelled, 1,234 unlabelled, 5 validation.',
        'Crops: 33x17 of images of typically 40x25 pixels (width x height).',
        'Shares of the labelled pixels (3 classes): ground 90.0 %, red 10.0 %, green 0 %.',
        'No labelled mask shows: green.',
        'Steps: 12,000 of 2 labelled + 4 unlabelled images.',
        'Device: CPU; precision float32.',
    ]


def test_images_that_were_held_out_are_counted():
    unlabelled = make_examples(9, held_out={'val': 1234, 'test': 2})
    found = summary.lines(facts(examples=facts().examples | {'unlabelled': unlabelled}))
    assert found[1] == (
        'Images: 2 labelled, 9 unlabelled (1,234 of val, 2 of test left out), 5 validation.'
    )


def test_masks_are_read_where_their_pixels_are_not_counted():
    labelled = make_examples(3, [[0, 0, 1], [2, 255, 255]])
    found = summary.lines(facts(examples={'labelled': labelled}, batch_sizes={'labelled': 2}))
    assert 'Images: 3 labelled.' in found
    assert 'Crops: 33x17 of images of up to 40x30 pixels (width x height).' in found
    assert any('ground 50.0 %, red 25.0 %, green 25.0' in line for line in found)
    many = summary.lines(facts(examples={'labelled': make_examples(1000, [[0, 0, 1]])}))
    shares = 'ground 66.7 %, red 33.3 %, green 0 %.'
    counted = '3 classes, counted in 64 of 1,000 masks'
    assert ' '.join(many).count(f'Shares of the labelled pixels ({counted}): {shares}') == 1
    assert 'None of these masks shows: green.' in many


def test_small_shares_are_not_called_nothing():
    first, second = summary.class_lines(('a', 'b', 'c'), np.array([10**6, 1, 0]), 2, 2)
    assert first.endswith('(3 classes): a 100.0 %, b below 0.1 %, c 0 %.')
    assert second == 'No labelled mask shows: c.'


def test_lines_of_many_classes_are_broken_but_not_before_a_unit():
    names = [f'class number {i}' for i in range(60)]
    found = summary.class_lines(names, np.ones(60), 1, 1)
    assert len(found) > 5 and all(len(line) <= 100 for line in found)
    assert not any(line.startswith('%') for line in found)


@pytest.mark.parametrize(
    ('devices', 'expected'),
    [
        (ONE, 'CPU'),
        (ONE | {'replicas': 2}, '2 replicas, each on a CPU'),
        (
            {'logical': ['/device:GPU:0', '/device:CPU:0'], 'gpus': ['H200'], 'replicas': 1},
            'GPU (H200)',
        ),
        (
            {'logical': ['/device:TPU:0', '/device:CPU:0'], 'gpus': [], 'replicas': 8},
            '8 replicas, each on a TPU',
        ),
    ],
)
def test_devices(devices, expected):
    assert summary.device(devices) == expected


def test_all_sizes_alike():
    assert summary.sizes(make_examples(2, sizes=np.array([[30, 40]] * 2))) == 'images of 40x30'
