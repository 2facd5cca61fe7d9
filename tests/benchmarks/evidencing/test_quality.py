"""The quality of the labels of a run, by hand from the points that it wrote."""

import pytest
from evidencing import quality

from wss.runs import events

SOURCES = {'decoder': {'miou': 0.3}, 'sgc': {'miou': 0.2}, 'fused': {'miou': 0.4}}


def write(workdir, **points):
    """Writes points of a tag, `{step: value}`; `classifier_recall__mean` is `.../mean`."""
    writer = events.make_writer(workdir)
    for tag, values in points.items():
        for step, value in values.items():
            events.write_scalars(writer, {tag.replace('__', '/'): value}, step)
    events.write_text(writer, 'configuration', 'a = 1', 0)


def write_all(workdir):
    write(
        workdir,
        pseudo_label_miou__decoder={2: 0.9, 4: 0.9, 6: 0.1, 8: 0.3},
        pseudo_label_miou__sgc={2: 0.9, 6: 0.2, 8: 0.2},
        pseudo_label_miou__fused={2: 0.9, 6: 0.4, 8: 0.5},
        classifier_recall__mean={2: 0.0, 6: 0.5, 8: 0.7},
        classifier_precision__mean={2: 0.0, 8: 0.75},
    )


def test_means_of_what_was_reported_after_half_of_the_steps(tmp_path):
    write_all(tmp_path)
    found = quality.read(tmp_path, {'steps': 8, 'label_sources': SOURCES})
    crops = {'crops/decoder': 0.2, 'crops/sgc': 0.2, 'crops/fused': 0.45}
    photos = {'photos/decoder': 0.3, 'photos/sgc': 0.2, 'photos/fused': 0.4}
    assert found == pytest.approx({**crops, **photos, 'recall': 0.6, 'precision': 0.75})


def test_the_curve_has_every_point_in_percent(tmp_path):
    write_all(tmp_path)
    found = quality.curves(tmp_path)
    assert set(found) == {'decoder', 'sgc', 'fused'}
    steps, values = zip(*found['fused'], strict=True)
    assert steps == (2, 6, 8)
    assert values == pytest.approx((90, 40, 50))


def test_a_run_without_such_labels_has_none(tmp_path):
    write(tmp_path / 'a', pseudo_label_miou__teacher={8: 0.5})
    assert quality.read(tmp_path / 'a', {'steps': 8}) is None
    assert quality.read(tmp_path / 'b', {'steps': 8}) is None  # There are no events.
    write_all(tmp_path / 'c')
    assert quality.read(tmp_path / 'c', {'steps': 8}) is None  # No label source was measured.
    less = {'steps': 8, 'label_sources': SOURCES | {'sgc': {'miou': None}}}
    assert quality.read(tmp_path / 'c', less) is None
