"""Evaluations image by image, and what they write."""

import csv
import dataclasses

import numpy as np
import pytest
from PIL import Image

from wss.inference import evaluation


@pytest.fixture(scope='module')
def found(trained):
    return trained.experiment.evaluate_images(trained.workdir, 'last')


def test_the_scores_are_those_of_batches(trained, found):
    expected = trained.experiment.evaluate(trained.workdir, 'last')
    assert {name: found.scores[name] for name in expected} == expected
    assert set(found.scores) - set(expected) == {
        f'boundary_{measure}_{distance}'
        for measure in ('iou', 'miou')
        for distance in ('3_pixels', '2_percent')
    }
    counts = found.images.counts.sum(axis=0)
    np.testing.assert_array_equal(counts[0], np.diag(found.confusion))
    np.testing.assert_array_equal(counts[1], found.confusion.sum(axis=1))
    np.testing.assert_array_equal(counts[2], found.confusion.sum(axis=0))


def test_details_are_written(found, tmp_path):
    for _ in range(2):  # Again, over those of before.
        found.write(tmp_path / 'details')
    with open(tmp_path / 'details/images.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert sorted(row['id'] for row in rows) == sorted(found.examples.ids)
    assert [float(row['miou']) for row in rows] == sorted(float(row['miou']) for row in rows)
    right, true = (found.images.counts[:, part].sum(axis=-1) for part in (0, 1))
    for row in rows:
        number = found.examples.ids.index(row['id'])
        assert float(row['pixel_accuracy']) == pytest.approx(right[number] / true[number], abs=1e-6)
        assert int(row['pixels']) == 33 * 33
    for name in ('confusion.png', 'worst.jpg'):
        with Image.open(tmp_path / 'details' / name) as picture:
            picture.load()


def test_runs_of_other_classes_are_not_compared(found):
    info = dataclasses.replace(found.examples.info, class_names=('none', 'a', 'b'))
    other = dataclasses.replace(found, examples=dataclasses.replace(found.examples, info=info))
    with pytest.raises(ValueError, match=r'The runs have other classes: .*; and none, a, b\.'):
        evaluation.compare(found, other)
    compared = evaluation.compare(found, found)
    assert compared['miou']['difference'] == 0 and compared['miou']['first'] > 0
    assert list(compared['iou']) == list(found.examples.info.class_names)
