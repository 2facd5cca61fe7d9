"""Workers that do not fit each other, or never come: a sentence on each, and status 1."""

import json
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = (
    'Schedule.steps = 1',
    'Labelled.amount = 4',
    'Labelled.batch_size = 2',
    'Validation.batch_size = 2',
    "Shapes.counts = {'train': 8, 'val': 3}",
    'Shapes.size = 49',
    'Views.crop_size = (49, 49)',
)


def start(workdir, cluster, index, *arguments, settings=()):
    params = [part for setting in (*SMALL, *settings) for part in ('--gin_param', setting)]
    experiment = 'gin_configs/experiments/shapes_supervised.gin'
    task = {'cluster': cluster, 'task': {'type': 'worker', 'index': index}}
    return subprocess.Popen(
        [sys.executable, '-m', 'wss.train', '--workdir', str(workdir), '--gin_file', experiment]
        + [*params, *arguments],
        cwd=ROOT,
        env=os.environ
        | {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3', 'TF_CONFIG': json.dumps(task)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors[-3000:]
    assert 'Traceback' not in errors
    return errors.strip().splitlines()[-1]


def cluster_of_two():
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(('localhost', 0))
        return {'worker': [f'localhost:{free.getsockname()[1]}' for free in (one, other)]}


def test_other_settings_are_named_on_both_before_anything_is_built(tmp_path):
    cluster = cluster_of_two()
    other = ('Experiment.seed = 7', 'DeepLabV3Plus.aspp_filters = 16', 'Compute.input_workers = 1')
    processes = [
        start(tmp_path / 'run', cluster, index, settings=settings)
        for index, settings in enumerate(((), other))
    ]
    sentences = [said(process) for process in processes]
    assert sentences[0] == sentences[1]
    assert sentences[0].startswith('The workers of this run differ: ')
    assert 'Experiment.seed is not set on worker 0 and 7 on worker 1' in sentences[0]
    assert 'aspp_filters is ' in sentences[0]
    assert 'input_workers' not in sentences[0]
    assert not (tmp_path / 'run').exists()


def test_a_worker_that_waits_in_vain_gives_up(tmp_path):
    process = start(tmp_path / 'run', cluster_of_two(), 0, '--wait_minutes', '0.1')
    assert said(process).startswith('Not all workers have started within 0.1 minutes: localhost:')
    assert not (tmp_path / 'run').exists()
