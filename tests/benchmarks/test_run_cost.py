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
