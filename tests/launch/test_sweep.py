"""Sweeps from start to table with a stand-in for training, and one of real runs."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
from sweeping import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRID = ['--grid', 'A.b = [1, 2]']


def test_a_sweep_from_start_to_table(sweeps, capsys):
    assert sweeps.start(*GRID, '--seeds', '2', '--gin_param', 'run.steps = 9') == 0
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0', 'b=1,seed=1', 'b=2,seed=1']
    params = ['run.steps = 9', 'run.seed = 1', 'A.b = 2']
    assert sweeps.starts()[3]['arguments'] == [
        *('--workdir', 'sweep/b=2,seed=1', '--gin_file', 'base.gin'),
        *(word for line in params for word in ('--gin_param', line)),
    ]
    # Seeds 0 and 1 score 0.5 and 0.6: deviation 0.1 / sqrt(2).
    row = '| `1` | 2 | 55.00 ± 7.07 (n = 2) | 60.00 ± 7.07 (n = 2) |'
    assert row in (sweeps.path / 'sweep' / 'table.md').read_text()
    said = capsys.readouterr().out
    assert row in said and '[1/4] b=1,seed=0: finished' in said
    log = (sweeps.path / 'sweep' / 'b=2,seed=1' / 'train.log').read_text()
    assert log.startswith('# sweep: ') and "--gin_param 'A.b = 2'" in log


def test_a_finished_sweep_starts_nothing_and_may_grow(sweeps):
    assert sweeps.start(*GRID) == 0
    assert sweeps.start(*GRID) == 0
    assert len(sweeps.starts()) == 2
    assert sweeps.start('--grid', 'A.b = [1, 2, 3]', '--seeds', '2') == 0
    assert sweeps.names()[2:] == ['b=3,seed=0', 'b=1,seed=1', 'b=2,seed=1', 'b=3,seed=1']
    assert sweeps.start('--grid', 'A.b = [3]') == 0  # The table keeps what earlier commands had.
    assert len(sweeps.starts()) == 6
    rows = (sweeps.path / 'sweep' / 'table.csv').read_text().splitlines()
    assert [row.split(',')[:3] for row in rows[1:]] == [
        ['3', '2', '2'],
        ['1', '2', '2'],
        ['2', '2', '2'],
    ]


def test_failed_runs_are_told_and_retried_on_request(sweeps, capsys):
    say = ['step 1/9  loss 1.000 = a 1.000', 'The disk is full.']
    sweeps.plays(b_1__seed_0=[{'status': 1, 'say': say}, {'miou': 0.25}])
    assert sweeps.start(*GRID) == 1
    said = capsys.readouterr().out
    assert 'failed after' in said and 'with status 1: The disk is full.' in said
    assert '- `b=1,seed=0`: failed: The disk is full.' in said
    assert '--retry_failed' in said
    assert sweeps.start(*GRID) == 1
    assert len(sweeps.starts()) == 2
    assert sweeps.start(*GRID, '--retry_failed') == 0
    assert sweeps.names()[2:] == ['b=1,seed=0']
    assert '| `1` | 1 | 25.00 (n = 1) |' in (sweeps.path / 'sweep' / 'table.md').read_text()
    assert sweeps.start(*GRID) == 0  # And are no longer failed.


def test_a_run_without_a_readable_result_has_failed(sweeps, capsys):
    sweeps.plays(seed_0=[{'no_result': True}])
    assert sweeps.start() == 1
    assert 'sweep/seed=0/result.json cannot be read from here' in capsys.readouterr().out


def test_a_run_without_scores_has_finished(sweeps):
    sweeps.plays(seed_0=[{'no_scores': True}])
    assert sweeps.start() == 0
    assert '| 1 | - | - |' in (sweeps.path / 'sweep' / 'table.md').read_text()


@pytest.mark.parametrize('play', [{'status': 143}, {'status': 75}, {'kill': 9}, {'kill': 11}])
def test_interrupted_runs_go_on_by_themselves(sweeps, capsys, play):
    sweeps.plays(b_1__seed_0=[play, play])
    assert sweeps.start(*GRID, '--retries', '2') == 0
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0', 'b=1,seed=0', 'b=1,seed=0']
    assert 'it will go on' in capsys.readouterr().out


def test_interruptions_are_counted(sweeps, capsys):
    sweeps.plays(seed_0=[{'kill': 9}, {'status': 75}, {'miou': 0.5}])
    assert sweeps.start('--retries', '1') == 1
    said = capsys.readouterr().out
    assert 'interrupted 2 times, at last by the loss of another worker; given up' in said
    assert sweeps.start() == 0  # Which is no failure, so the same command goes on.
    assert len(sweeps.starts()) == 3


def test_a_run_stopped_by_hand_is_left_for_the_next_command(sweeps):
    sweeps.plays(b_1__seed_0=[{'status': 130}])
    assert sweeps.start(*GRID) == 1
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0']
    assert sweeps.start(*GRID) == 0


def test_two_equal_failures_at_the_start_end_a_sweep(sweeps, capsys):
    fail = [{'status': 1, 'say': ['A has no setting b.']}]
    sweeps.plays(b_1__seed_0=fail, b_2__seed_0=fail)
    assert sweeps.start('--grid', 'A.b = [1, 2, 3]') == 1
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0']
    said = capsys.readouterr().out
    assert 'two runs failed with the same sentence before any took a step' in said
    assert '- `b=3,seed=0`: waiting' in said


def test_different_failures_do_not(sweeps):
    fail = [[{'status': 1, 'say': [f'{text} is bad.']}] for text in 'xy']
    sweeps.plays(b_1__seed_0=fail[0], b_2__seed_0=fail[1])
    assert sweeps.start('--grid', 'A.b = [1, 2, 3]') == 1
    assert len(sweeps.starts()) == 3


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_runs_save_and_the_next_sweep_goes_on(sweeps, number, status):
    sweeps.plays(b_1__seed_0=[{'wait': True}], b_2__seed_0=[{'wait': True}])
    process = sweeps.background(*GRID, '--seeds', '2', '--jobs', '2')
    runs = [sweeps.path / 'sweep' / f'b={value},seed=0' for value in (1, 2)]
    for run in runs:
        sweeps.wait_for(run.name, 'ready')
    process.send_signal(number)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == status
    assert [(run / 'saved').read_text() for run in runs] == [number.name] * 2
    assert 'Stopping: 2 runs will save and end' in said
    assert f'No further run was started: stopped by {number.name}' in said
    assert 'The same command goes on with the others.' in said
    assert '0 of 2 (1 stopped, 1 waiting)' in said
    assert sweeps.start(*GRID, '--seeds', '2') == 0
    assert len(sweeps.starts()) == 6


def test_the_second_signal_kills(sweeps):
    sweeps.plays(seed_0=[{'wait': 'deaf'}])
    process = sweeps.background()
    sweeps.wait_for('seed=0', 'ready')
    process.send_signal(signal.SIGINT)
    assert 'started' in process.stdout.readline()
    assert 'Stopping: 1 run will' in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


def test_a_full_disk_lets_the_runs_save(sweeps, capsys, monkeypatch):
    sweeps.plays(seed_1=[{'wait': True}])
    write = tables.write

    def full(home, runs, axes):
        if runs[0].state == 'finished':
            sweeps.wait_for('seed=1', 'ready')
            raise OSError(28, 'No space left on device')
        write(home, runs, axes)

    monkeypatch.setattr(tables, 'write', full)
    assert sweeps.start('--seeds', '2', '--jobs', '2') == 1
    said = capsys.readouterr().err
    assert said.startswith('sweep cannot be written: No space left on device. The runs were told')
    assert (sweeps.path / 'sweep' / 'seed=1' / 'saved').read_text() == 'SIGTERM'


def test_a_run_that_cannot_be_started_has_failed(sweeps, capsys):
    (sweeps.path / 'sweep').mkdir()
    (sweeps.path / 'sweep' / 'b=1,seed=0').write_text('')
    assert sweeps.start(*GRID) == 1
    assert 'b=1,seed=0: it could not be started: [Errno 17]' in capsys.readouterr().out
    assert sweeps.names() == ['b=2,seed=0']


# Closes what it inherits, as ssh does, and becomes the training.
CLOSES = 'import os, sys; os.closerange(3, 256); os.execv(sys.argv[1], sys.argv[1:])'


@pytest.mark.parametrize('slot', ['local', f'{sys.executable} -c {shlex.quote(CLOSES)} TRAIN'])
def test_runs_that_a_killed_sweep_left_are_not_started_twice(sweeps, capsys, slot):
    sweeps.plays(seed_0=[{'wait': True}])
    process = sweeps.background('--slot', slot.replace('TRAIN', f'{sweeps.train} {{flags}}'))
    sweeps.wait_for('seed=0', 'ready')
    said = sweeps.refused(capsys)
    assert f'process {process.pid}: sweep' in said
    left = _until(lambda: re.search(r'process (\d+): seed=0', sweeps.refused(capsys)))
    process.kill()
    process.wait()
    said = sweeps.refused(capsys)
    assert f'works in sweep (process {left[1]}: seed=0)' in said
    os.kill(int(left[1]), signal.SIGTERM)
    sweeps.wait_for('seed=0', 'saved')
    _until(lambda: sweeps.start() == 0)
    assert sweeps.names() == ['seed=0', 'seed=0']


def _until(look):
    for _ in range(500):
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError('It did not happen.')


SMALL = (
    'run.steps = 2',
    'run.log_every = 1',
    'run.labelled_batch_size = 2',
    'run.evaluation_batch_size = 2',
    "Shapes.counts = {'train': 8, 'val': 3}",
    'Shapes.size = 49',
    'Views.crop_size = (49, 49)',
)


def test_a_real_sweep_and_a_misspelt_one(tmp_path):
    command = [sys.executable, ROOT / 'launch' / 'sweep.py', '--workdir', 'sweep', '--jobs', '2']
    command += ['--gin_file', 'experiments/shapes_supervised.gin', '--seeds', '2']
    command += [word for line in SMALL for word in ('--gin_param', line)]
    options = {'cwd': tmp_path, 'capture_output': True, 'text': True}
    grid = ['--grid', 'momentum_poly.lerning_rate = [0.1, 0.2]']
    result = subprocess.run([*command, *grid], **options, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(
        'momentum_poly has no setting lerning_rate; did you mean learning_rate? '
    )
    assert 'So 4 of 4 runs cannot start' in result.stderr
    assert not list(tmp_path.iterdir())
    result = subprocess.run(command, **options, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    results = [
        json.loads((tmp_path / 'sweep' / f'seed={seed}' / 'result.json').read_text())
        for seed in (0, 1)
    ]
    mean = 50 * sum(result['last']['miou'] for result in results)
    assert f'| 2 | {mean:.2f} ± ' in result.stdout
    config = (tmp_path / 'sweep' / 'seed=1' / 'config.gin').read_text()
    assert 'experiment.run.seed = 1\n' in config
