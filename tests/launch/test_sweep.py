"""Sweeps from start to table with a stand-in for training, and one of real runs."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import pytest
from sweeping import report

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRID = ['--grid', 'A.b = [1, 2]']


def test_a_sweep_from_start_to_table(sweeps, capsys):
    assert sweeps.start(*GRID, '--seeds', '2', '--gin_param', 'Schedule.steps = 9') == 0
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0', 'b=1,seed=1', 'b=2,seed=1']
    params = ['Schedule.steps = 9', 'Experiment.seed = 1', 'A.b = 2']
    assert sweeps.starts()[3]['arguments'] == [
        *('--workdir', 'sweep/b=2,seed=1', '--gin_file', 'base.gin'),
        *(word for line in params for word in ('--gin_param', line)),
    ]
    # Seeds 0 and 1 score 0.5 and 0.6: deviation 0.1 / sqrt(2).
    row = '| `1` | 2 | 55.00 ± 7.07 (n = 2) | 60.00 ± 7.07 (n = 2) |'
    assert row in sweeps.read('table.md')
    printed = capsys.readouterr().out
    assert row in printed and '[1/4] b=1,seed=0: finished' in printed
    log = sweeps.read('b=2,seed=1/train.log')
    assert log.startswith('# sweep: ') and "--gin_param 'A.b = 2'" in log
    summary = json.loads(sweeps.read('sweep.json'))
    assert summary['configurations'][0]['last']['miou']['mean'] == pytest.approx(0.55)
    assert [run['state'] for run in summary['runs']] == ['finished'] * 4


def test_a_finished_sweep_starts_nothing_and_may_grow(sweeps):
    assert sweeps.start(*GRID) == 0
    assert sweeps.start(*GRID) == 0
    assert len(sweeps.starts()) == 2
    assert sweeps.start('--grid', 'A.b = [1, 2, 3]', '--seeds', '2') == 0
    assert sweeps.names()[2:] == ['b=3,seed=0', 'b=1,seed=1', 'b=2,seed=1', 'b=3,seed=1']
    assert sweeps.start('--grid', 'A.b = [3]') == 0  # The table keeps what earlier commands had.
    assert len(sweeps.starts()) == 6
    rows = sweeps.read('table.md').splitlines()[2:5]
    assert [row.split(' | ')[:2] for row in rows] == [
        ['| `3`', '2'],
        ['| `1`', '2'],
        ['| `2`', '2'],
    ]


def test_a_run_left_out_of_a_command_stays_in_the_table(sweeps):
    sweeps.plays(b_1__seed_0=[{'status': 1}])
    assert sweeps.start(*GRID) == 1
    assert sweeps.start('--grid', 'A.b = [2]') == 0
    assert '- `b=1,seed=0`: left out' in sweeps.read('table.md')


def test_failed_runs_are_reported_and_the_same_command_starts_them_again(sweeps, capsys):
    play = {'status': 1, 'step': True, 'print': ['Reading.', 'The disk is full.', '']}
    sweeps.plays(b_1__seed_0=[play, {'miou': 0.25}])
    assert sweeps.start(*GRID) == 1
    printed = capsys.readouterr().out
    assert '[1/2] b=1,seed=0: failed after 0:0' in printed
    assert '- `b=1,seed=0`: failed: The disk is full.' in printed
    assert 'The same command starts or resumes the unfinished runs.' in printed
    assert sweeps.start(*GRID) == 0
    assert sweeps.names()[2:] == ['b=1,seed=0']
    assert '| `1` | 1 | 25.00 (n = 1) |' in sweeps.read('table.md')


def test_a_run_without_a_readable_result_has_failed(sweeps, capsys):
    sweeps.plays(seed_0=[{'no_result': True}])
    assert sweeps.start() == 1
    assert 'sweep/seed=0/result.json cannot be read from here' in capsys.readouterr().out


def test_a_run_without_scores_has_finished(sweeps):
    sweeps.plays(seed_0=[{'no_scores': True}])
    assert sweeps.start() == 0
    assert '| 1 | - | - |' in sweeps.read('table.md')


@pytest.mark.parametrize('play', [{'status': 143}, {'status': 75}, {'kill': 9}, {'kill': 11}])
def test_interrupted_runs_are_resumed(sweeps, capsys, play):
    sweeps.plays(b_1__seed_0=[play, play])
    assert sweeps.start(*GRID, '--retries', '2') == 0
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0', 'b=1,seed=0', 'b=1,seed=0']
    assert 'interrupted, will be resumed after' in capsys.readouterr().out


def test_interruptions_are_counted(sweeps, capsys):
    sweeps.plays(seed_0=[{'kill': 9}, {'status': 75}, {'miou': 0.5}])
    assert sweeps.start('--retries', '1') == 1
    assert 'interrupted 2 times, last with status 75' in capsys.readouterr().out
    assert sweeps.start() == 0
    assert len(sweeps.starts()) == 3


def test_a_run_stopped_by_hand_is_left_for_the_next_command(sweeps):
    sweeps.plays(b_1__seed_0=[{'status': 130}])
    assert sweeps.start(*GRID) == 1
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0']
    assert sweeps.start(*GRID) == 0


def test_two_failures_at_the_start_end_a_sweep(sweeps, capsys):
    fail = [{'status': 1, 'print': ['A has no setting b.']}]
    sweeps.plays(b_1__seed_0=fail, b_2__seed_0=fail)
    assert sweeps.start('--grid', 'A.b = [1, 2, 3]') == 1
    assert sweeps.names() == ['b=1,seed=0', 'b=2,seed=0']
    printed = capsys.readouterr().out
    assert 'No further run was started: two runs failed before any took a step.' in printed
    assert '- `b=3,seed=0`: waiting' in printed


def test_later_failures_do_not(sweeps):
    fail = [{'status': 1, 'step': True}]
    sweeps.plays(b_1__seed_0=fail, b_2__seed_0=[{'status': 1}])
    assert sweeps.start('--grid', 'A.b = [1, 2, 3]') == 1
    assert len(sweeps.starts()) == 3


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_runs_save_and_the_next_sweep_resumes_them(sweeps, number, status):
    sweeps.plays(b_1__seed_0=[{'wait': True}], b_2__seed_0=[{'wait': True}])
    process = sweeps.background(*GRID, '--seeds', '2', '--jobs', '2')
    runs = [f'b={value},seed=0' for value in (1, 2)]
    for run in runs:
        sweeps.wait_for(run, 'ready')
    process.send_signal(number)
    printed = process.communicate(timeout=30)[0]
    assert process.returncode == status
    assert [sweeps.read(f'{run}/saved') for run in runs] == [number.name] * 2
    assert 'Stopping; runs that save and end: 2.' in printed
    assert f'No further run was started: stopped by {number.name}' in printed
    assert '- `b=2,seed=0`: stopped' in printed and '- `b=2,seed=1`: waiting' in printed
    assert sweeps.start(*GRID, '--seeds', '2') == 0
    assert len(sweeps.starts()) == 6


def test_a_second_signal_is_passed_on_too(sweeps):
    sweeps.plays(seed_0=[{'wait': 'slow'}])
    process = sweeps.background()
    for file in ('ready', 'asked'):
        sweeps.wait_for('seed=0', file)
        process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert sweeps.read('seed=0/saved') == 'SIGINT'


def test_a_full_disk_lets_the_runs_save(sweeps, capsys, monkeypatch):
    sweeps.plays(seed_1=[{'wait': True}])
    write = report.write

    def full(home, runs, shared):
        if runs[0].state == 'finished':
            sweeps.wait_for('seed=1', 'ready')
            raise OSError(28, 'No space left on device', 'sweep/table.md')
        write(home, runs, shared)

    monkeypatch.setattr(report, 'write', full)
    assert sweeps.start('--seeds', '2', '--jobs', '2') == 1
    assert "No space left on device: 'sweep/table.md'" in capsys.readouterr().err
    assert sweeps.read('seed=1/saved') == 'SIGTERM'


# Closes what it inherits, as ssh does, and becomes the training.
CLOSES = 'import os, sys; os.closerange(3, 256); os.execv(sys.argv[1], sys.argv[1:])'
AS_SSH = f'{sys.executable} -c {shlex.quote(CLOSES)} {sys.executable} -m wss.train {{flags}}'


@pytest.mark.parametrize('slot', ['local', AS_SSH])
def test_runs_that_a_killed_sweep_left_are_not_started_twice(sweeps, capsys, slot):
    sweeps.plays(seed_0=[{'wait': True}])
    process = sweeps.background('--slot', slot)
    sweeps.wait_for('seed=0', 'ready')
    assert 'Another sweep, or a run that a killed sweep left' in sweeps.refused(capsys)
    process.kill()
    process.wait()
    assert 'works in sweep; wait for it' in sweeps.refused(capsys)
    os.kill(sweeps.starts()[0]['process'], signal.SIGTERM)
    sweeps.wait_for('seed=0', 'saved')
    for _ in range(500):
        if sweeps.start() == 0:
            break
        time.sleep(0.02)
    assert sweeps.names() == ['seed=0', 'seed=0']


SMALL = (
    'Schedule.steps = 2',
    'Schedule.log_every = 1',
    'Labelled.batch_size = 2',
    'Validation.batch_size = 2',
    "Shapes.counts = {'train': 8, 'val': 3}",
    'Shapes.size = 49',
    'Views.crop_size = (49, 49)',
)


@pytest.mark.skipif(
    not (ROOT / 'wss' / 'configuration' / 'gin_files.py').exists(), reason='needs the new names'
)
def test_a_real_sweep_and_a_misspelt_one(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    command = [sys.executable, ROOT / 'launch' / 'sweep.py', '--workdir', 'sweep', '--jobs', '2']
    command += ['--gin_file', 'experiments/shapes_supervised.gin', '--seeds', '2']
    command += [word for line in SMALL for word in ('--gin_param', line)]
    options = {'cwd': tmp_path, 'capture_output': True, 'text': True}
    grid = ['--grid', 'momentum_poly.lerning_rate = [0.1, 0.2]']
    result = subprocess.run([*command, *grid], **options, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(
        'momentum_poly has no setting lerning_rate; did you mean momentum_poly.learning_rate? '
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
    assert 'Experiment.seed = 1\n' in config
