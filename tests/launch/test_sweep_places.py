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


def test_runs_side_by_side_share_the_cores(sweeps):
    sweeps.plays(seed_0=[{'wait': True}], seed_1=[{'wait': True}], seed_2=[{'wait': True}])
    process = sweeps.background('--seeds', '3', '--jobs', '2')
    for seed in (0, 1):
        sweeps.wait_for(f'seed={seed}', 'ready')
    assert sorted(sweeps.names()) == ['seed=0', 'seed=1']  # Two at a time.
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    if hasattr(os, 'sched_getaffinity') and len(os.sched_getaffinity(0)) > 1:
        first, second = (set(start['cores']) for start in sweeps.starts())
        assert not first & second
        assert first | second == os.sched_getaffinity(0)


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
    # Named as from there; this side reads the result through the same path.
    workdir = str(sweeps.path / 'sweep')
    sweeps.plays(seed_0=[{'status': 255}])  # The connection broke.
    slots = ['--slot', 'ssh one \'cd "over there" && {command}\'', '--slot', 'ssh two {command}']
    text = """A.b = ["it's; $HOME \\"here\\""]"""
    assert sweeps.start(*slots, '--workdir', workdir, '--seeds', '2', '--grid', text) == 0
    param = """A.b = 'it\\'s; $HOME "here"\'"""
    assert all(start['arguments'][-1] == param for start in sweeps.starts())
    assert {*(sweeps.path / 'hosts').read_text().split()} == {'one', 'two'}


def test_a_broken_connection_is_an_interruption_for_commands_only(sweeps):
    sweeps.plays(seed_0=[{'status': 255}])
    assert sweeps.start() == 1
    assert len(sweeps.starts()) == 1


def test_tpu_and_gpu_slots(sweeps):
    assert sweeps.start('--slot', 'tpu=mine', '--slot', 'gpu=1', '--seeds', '2') == 0
    tpu, gpu = sorted(sweeps.starts(), key=lambda start: start['name'])
    assert tpu['arguments'][-2:] == ['--tpu', 'mine'] and tpu['gpu'] is None
    assert '--tpu' not in gpu['arguments'] and gpu['gpu'] == '1'


def test_programs_that_start_training_themselves(sweeps):
    text = """A.b = ["it's"]"""
    slot = f'nice {sweeps.train} {{flags}}'
    assert sweeps.start('--slot', slot, '--grid', text) == 0
    quoted = f"sh -c '{sweeps.train} {{flags}} --tpu x'"
    assert sweeps.start('--slot', quoted, '--grid', text, '--seeds', '2') == 0
    flags = ['--workdir', 'sweep/b=it_s,seed=1', '--gin_file', 'base.gin']
    flags += ['--gin_param', 'run.seed = 1', '--gin_param', '''A.b = "it's"''']
    first, second = (start['arguments'] for start in sweeps.starts())
    assert first == [word.replace('seed=1', 'seed=0').replace('= 1', '= 0') for word in flags]
    assert second == [*flags, '--tpu', 'x']


def test_dry_run_prints_the_commands_and_writes_nothing(sweeps, capsys):
    sweeps.plays(b_1__seed_0=[{}], b_2__seed_0=[{'status': 1, 'say': ['Bad.']}])
    assert sweeps.start(*GRID) == 1
    files = sorted(sweeps.path.rglob('*'))
    capsys.readouterr()
    wrapped = "nice sh -c 'cd x && {command}'"
    flags = [*GRID, '--seeds', '2', '--slot', wrapped, '--slot', 'tpu=t', '--dry_run']
    assert sweeps.start(*flags) == 0
    lines = capsys.readouterr().out.splitlines()
    path = '' if not sweeps.starts()[0]['path'] else f'PYTHONPATH={sweeps.starts()[0]["path"]} '
    command = f'{sweeps.train} --workdir sweep/b=1,seed=1 --gin_file base.gin '
    command += "--gin_param 'run.seed = 1' --gin_param 'A.b = 1'"
    assert lines[0] == f'# In the slot {wrapped}:'
    assert shlex.split(lines[1]) == ['nice', 'sh', '-c', f'cd x && {command}']
    assert lines[3] == '# In the slot tpu=t:'
    assert lines[4] == f'{path}{command} --tpu t'
    assert lines[6:] == ['# b=1,seed=0: finished', '# b=2,seed=0: failed: Bad.']
    assert sorted(sweeps.path.rglob('*')) == files


def test_workdirs_on_gs(sweeps, monkeypatch):
    """A stand-in for TensorFlow reads `gs://` from a folder, where the runs are started too."""
    there = sweeps.path / 'bucket'

    class NotFoundError(Exception):
        pass

    def open_file(path):
        try:
            return (there / path.removeprefix('gs://')).open()
        except FileNotFoundError as error:
            raise NotFoundError from error

    errors = types.SimpleNamespace(NotFoundError=NotFoundError, OpError=OSError)
    io = types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=open_file))
    monkeypatch.setitem(sys.modules, 'tensorflow', types.SimpleNamespace(io=io, errors=errors))
    program = sweeps.path / 'train.sh'
    program.write_text(
        f'shift\ndir=$1\nshift\nexec {sweeps.train} --workdir "bucket/${{dir#gs://}}" "$@"\n'
    )
    command = f'sh {program}'
    flags = ['--workdir', 'gs://mine/deep/sweep/', '--train_command', command]
    assert sweeps.start(*flags, '--seeds', '2') == 0
    assert (there / 'mine' / 'deep' / 'sweep' / 'seed=1' / 'result.json').exists()
    local = sweeps.path / 'runs' / 'sweep'
    assert '| 2 | 55.00 ± 7.07' in (local / 'table.md').read_text()
    assert 'gs://mine/deep/sweep/seed=0' in (local / 'seed=0' / 'train.log').read_text()
    assert sweeps.start(*flags, '--seeds', '2') == 0
    assert len(sweeps.starts()) == 2
    other = [*flags, '--workdir', 'gs://other/sweep']
    assert sweeps.start(*other) == 1


def test_a_sweep_needs_no_tensorflow(sweeps):
    code = (
        'import sys, sweep\n'
        f'assert sweep.main({sweeps.arguments!r}) == 0\n'
        "assert 'tensorflow' not in sys.modules and 'wss' not in sys.modules\n"
    )
    env = {**os.environ, 'PYTHONPATH': str(ROOT / 'launch')}
    subprocess.run([sys.executable, '-c', code], env=env, check=True, stdout=subprocess.DEVNULL)
