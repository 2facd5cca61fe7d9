"""What a run costs: the counts, and what the command prints."""

import json
import sys

import numpy as np
import pytest
import run_cost
import tensorflow as tf

from wss.datasets.info import DatasetInfo

FILES = [
    'datasets/voc.gin',
    'methods/supervised_paper.gin',
    'networks/resnet_v1_50_imagenet.gin',
]


def test_cost_of_a_run(shallow, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['run_cost.py', '--json'])
    for file in FILES:
        sys.argv += ['--gin_file', file]
    sys.argv += ['--gin_param', 'Views.crop_size = (65, 129)', '--gin_param', 'batch_size = 8']
    run_cost.main()
    result = json.loads(capsys.readouterr().out)
    flops = result['flops_per_image_pair']
    assert flops > 0
    # The steps of the file are those of 64 images, whatever the batch.
    expected = {'crop': '65x129', 'batch': 64, 'steps': 30_000}
    expected |= {'flops_per_image_pair': flops, 'flops_of_the_run': flops * 64 * 30_000}
    assert result == expected


def test_unlabelled_images_cost_more_than_labelled_ones(shallow):
    small = ['Views.crop_size = (65, 65)']
    alone = run_cost.measure(FILES, small)['flops_per_image_pair']
    method = 'methods/pseudoseg_paper.gin'
    both = run_cost.measure([FILES[0], method, FILES[2]], small)['flops_per_image_pair']
    # One view more is trained and two passes are not: a backward pass is about two forward ones.
    assert 1.8 * alone < both < 3.5 * alone


def check_spec(spec, tensor):
    assert spec.is_compatible_with(tensor)


def test_noise_has_the_shapes_of_a_batch_and_labels_of_the_classes():
    batch = run_cost.noise(3, 2, (5, 7), 2, 3)
    assert batch['labelled']['image'].shape == (2, 5, 7, 3)
    assert batch['unlabelled']['strong_2'].shape == (3, 5, 7, 3)
    assert batch['unlabelled']['image_label'].shape == (3, 2)
    assert 100 < np.std(batch['unlabelled']['weak']) * np.sqrt(12) < 400  # Uniform in 0..255.
    assert set(np.unique(batch['labelled']['label'])) == {0, 1, 2}
    assert np.all(batch['labelled']['valid'] == 1)
    # What is timed is what is counted.
    info = DatasetInfo('three', ('a', 'b', 'c'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    tf.nest.map_structure(check_spec, run_cost.batch_spec(info, (5, 7), 2, 3), batch)


def test_steps_are_timed_with_the_batch_of_the_experiment(shallow, monkeypatch):
    made = []
    noise = run_cost.noise

    def noted(*given):
        made.append(noise(*given))
        return made[-1]

    monkeypatch.setattr(run_cost, 'noise', noted)
    small = ['Views.crop_size = (65, 65)', 'batch_size = 2', 'Unlabelled.batch_size = 3']
    files = [FILES[0], 'methods/pseudoseg_paper.gin', FILES[2]]
    found = run_cost.measure(files, small, timed=2)
    assert made[0]['labelled']['image'].shape == (2, 65, 65, 3)
    assert made[0]['unlabelled']['weak'].shape == (3, 65, 65, 3)
    assert found['timed_batch'] == '2 + 3'
    assert found['seconds_per_step'] > 0
    assert 'seconds_per_step' not in run_cost.measure(files, small)


def test_times_are_compared_only_where_steps_are_timed(monkeypatch, capsys):
    words = ['--gin_file', FILES[0], '--compare_onednn']
    monkeypatch.setattr(sys, 'argv', ['run_cost.py', *words])
    with pytest.raises(SystemExit):
        run_cost.main()
    assert '--compare_onednn compares times; set --time, too' in capsys.readouterr().err
