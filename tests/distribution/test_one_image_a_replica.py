"""The smallest batches that the checks before step 1 let through, with every method."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = (
    'Schedule.steps = 1',
    'Labelled.amount = 4',
    'Labelled.batch_size = 2',
    'Unlabelled.batch_size = 2',
    'Validation.split = None',
    "Shapes.counts = {'train': 8, 'val': 3}",
    'Shapes.size = 49',
    'Views.crop_size = (49, 49)',
)


@pytest.mark.parametrize('method', ['pseudoseg', 'supervised'])
def test_one_image_a_replica_trains(tmp_path, method):
    experiment = f'gin_configs/experiments/shapes_{method}.gin'
    params = [part for setting in SMALL for part in ('--gin_param', setting)]
    done = subprocess.run(
        [sys.executable, '-m', 'wss.train', '--workdir', str(tmp_path / 'run'), '--replicas', '2']
        + ['--gin_file', experiment, *params],
        cwd=ROOT,
        env=os.environ
        | {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'step 1/1' in done.stdout
