"""Where the runs of a sweep are: slots, other hosts, folders that are not local."""

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRID = ['--grid', 'A.b = [1, 2]']
TRAIN = f'{sys.executable} -m wss.train {{flags}}'


def test_as_many_runs_at_a_time_as_there_are_jobs(sweeps):
    sweeps.plays(seed_0=[{'wait': True}], seed_1=[{'wait': True}])
    process = sweeps.background('--seeds', '3', '--jobs', '2')
    for seed in (0, 1):
        sweeps.wait_for(f'seed={seed}', 'ready')
    assert sorted(sweeps.names()) == ['seed=0', 'seed=1']
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143


def test_runs_through_ssh(sweeps, monkeypatch):
    bin_folder = sweeps.path / 'bin'
    bin_folder.mkdir()
    # As ssh does: the words joined by blanks, for a shell on the other side.
    (bin_folder / 'ssh').write_text(
        '#!/bin/sh\nhost=$1; shift; echo "$host" >> "$STAND_IN/hosts"; exec sh -c "$*"\n'
    )
    (bin_folder / 'ssh').chmod(0o755)
    monkeypatch.setenv('PATH', f'{bin_folder}:{os.environ["PATH"]}')
    (sweeps.path / 'over there').mkdir()
    monkeypatch.setenv('PYTHONPATH', str(sweeps.path))
    # Named as from there; this side reads the result through the same path.
    workdir = str(sweeps.path / 'sweep')
    sweeps.plays(seed_0=[{'status': 255}])  # The connection broke.
    slots = ['--slot', f'ssh one \'cd "over there" && {TRAIN}\'', '--slot', f"ssh two '{TRAIN}'"]
    text = """A.b = ["it's; $HOME here"]"""
    assert sweeps.start(*slots, '--workdir', workdir, '--seeds', '2', '--grid', text) == 0
    assert len(sweeps.starts()) == 2
    assert all(
        start['arguments'][-1] == """A.b = "it's; $HOME here\"""" for start in sweeps.starts()
    )
    assert {*(sweeps.path / 'hosts').read_text().split()} == {'one', 'two'}


def test_a_broken_connection_is_an_interruption(sweeps):
    sweeps.plays(seed_0=[{'status': 255}])
    assert sweeps.start('--slot', TRAIN) == 0
    assert len(sweeps.starts()) == 2


def test_tpu_and_gpu_slots(sweeps):
    assert sweeps.start('--slot', 'tpu=mine', '--slot', 'gpu=1', '--seeds', '2') == 0
    tpu, gpu = sorted(sweeps.starts(), key=lambda start: start['name'])
    assert tpu['arguments'][-2:] == ['--tpu', 'mine'] and tpu['gpu'] != '1'
    assert '--tpu' not in gpu['arguments'] and gpu['gpu'] == '1'


def test_programs_that_start_training_themselves(sweeps):
    text = """A.b = ["it's"]"""
    assert sweeps.start('--slot', f'nice {TRAIN}', '--grid', text) == 0
    quoted = f"sh -c '{TRAIN} --tpu x'"
    assert sweeps.start('--slot', quoted, '--grid', text, '--seeds', '2') == 0
    flags = ['--workdir', 'sweep/b=it_s,seed=1', '--gin_file', 'base.gin']
    flags += ['--gin_param', 'Experiment.seed = 1', '--gin_param', '''A.b = "it's"''']
    first, second = (start['arguments'] for start in sweeps.starts())
    assert first == [word.replace('seed=1', 'seed=0').replace('= 1', '= 0') for word in flags]
    assert second == [*flags, '--tpu', 'x']


def test_dry_run_prints_the_commands_and_writes_nothing(sweeps, capsys):
    sweeps.plays(b_1__seed_0=[{}], b_2__seed_0=[{'status': 1}])
    assert sweeps.start(*GRID) == 1
    files = sorted(sweeps.path.rglob('*'))
    capsys.readouterr()
    slot = f"nice sh -c 'cd x && {TRAIN}'"
    assert sweeps.start(*GRID, '--slot', slot, '--slot', 'tpu=t', '--seeds', '2', '--dry_run') == 0
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    train = f'{sys.executable} -m wss.train'
    flags = '--workdir sweep/b={},seed={} --gin_file base.gin '
    flags += "--gin_param 'Experiment.seed = {}' --gin_param 'A.b = {}'"
    assert lines == [
        ['nice', 'sh', '-c', f'cd x && {train} {flags.format(2, 0, 0, 2)}'],
        shlex.split(f'{train} {flags.format(1, 1, 1, 1)} --tpu t'),
        ['nice', 'sh', '-c', f'cd x && {train} {flags.format(2, 1, 1, 2)}'],
    ]
    assert sorted(sweeps.path.rglob('*')) == files


def test_workdirs_on_gs(sweeps, monkeypatch, capsys):
    """A stand-in for TensorFlow reads `gs://` from a folder, where the runs are started too."""
    there = sweeps.path / 'bucket'

    class OpError(Exception):
        message = 'missing'

    def open_file(path):
        try:
            return (there / path.removeprefix('gs://')).open()
        except FileNotFoundError as error:
            raise OpError from error

    errors = types.SimpleNamespace(OpError=OpError)
    io = types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=open_file))
    monkeypatch.setitem(sys.modules, 'tensorflow', types.SimpleNamespace(io=io, errors=errors))
    program = sweeps.path / 'train.sh'
    program.write_text(
        f'shift\ndir=$1\nshift\nexec {sys.executable} -m wss.train '
        '--workdir "bucket/${dir#gs://}" "$@"\n'
    )
    flags = ['--workdir', 'gs://mine/deep/sweep/', '--slot', f'sh {program} {{flags}}']
    assert sweeps.start(*flags, '--seeds', '2') == 0
    assert (there / 'mine' / 'deep' / 'sweep' / 'seed=1' / 'result.json').exists()
    local = sweeps.path / 'runs' / 'sweep'
    assert '| 2 | 55.00 ± 7.07' in (local / 'table.md').read_text()
    assert 'gs://mine/deep/sweep/seed=0' in (local / 'seed=0' / 'train.log').read_text()
    assert sweeps.start(*flags, '--seeds', '2') == 0
    assert len(sweeps.starts()) == 2
    capsys.readouterr()
    other = sweeps.refused(capsys, *flags, '--workdir', 'gs://other/sweep')
    assert '--workdir was gs://mine/deep/sweep and is gs://other/sweep' in other


def test_a_sweep_needs_the_standard_library_alone(sweeps):
    arguments = [*sweeps.arguments, '--skip_check', '--slot', TRAIN]
    code = f'import sys, sweep\nsys.exit(sweep.main({arguments!r}))'
    # -S: without the installed packages.
    env = {**os.environ, 'PYTHONPATH': str(ROOT / 'launch')}
    command = [sys.executable, '-S', '-c', code]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
