"""What a run costs: the counts, and what the command prints."""

import json
import sys

import run_cost

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


def test_steps_are_timed_with_the_batch_of_the_experiment(shallow):
    small = ['Views.crop_size = (65, 65)', 'batch_size = 2']
    files = [FILES[0], 'methods/pseudoseg_paper.gin', FILES[2]]
    found = run_cost.measure(files, small, timed=2)
    assert found['timed_batch'] == '2 + 2'
    assert 0 < found['least_seconds'] <= found['seconds_per_step'] <= found['most_seconds']
    assert 'seconds_per_step' not in run_cost.measure(files, small)
