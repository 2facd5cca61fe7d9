"""What runs on the machines: starting apart from the connection, states, and the installation."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

TENSORFLOW = '/usr/local/lib/python3.10/dist-packages/tensorflow/__init__.py'


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home on a machine, with the parts of the checkout that run there."""
    launch = tmp_path / 'wss-checkout' / 'launch'
    launch.mkdir(parents=True)
    root = pathlib.Path(__file__).resolve().parents[3]
    (launch / 'tpu').symlink_to(root / 'launch' / 'tpu')
    monkeypatch.setenv('HOME', str(tmp_path))
    return tmp_path


def ask(home, *arguments):
    """What the worker says; started as over a connection, which ends with it."""
    command = [sys.executable, '-m', 'tpu.worker', *arguments]
    folder = home / 'wss-checkout' / 'launch'
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    last = result.stdout.splitlines()[-1]
    assert last.startswith('wss-state ')
    return json.loads(last.removeprefix('wss-state '))


def until(home, state, *arguments):
    """Asks until it is in this state."""
    for _ in range(500):
        found = ask(home, 'state', *arguments)
        if found['state'] == state:
            return found
        time.sleep(0.01)
    raise AssertionError(f'{found} is not {state}')


def python(code):
    return [sys.executable, '-u', '-c', code]


def test_it_runs_to_its_end_and_keeps_status_and_log(home):
    code = 'import os, sys; print("step  3/12  0.1 s"); print(os.environ["TPU_NAME"]); sys.exit(75)'
    nothing = {'status': None, 'command': None, 'offset': 0, 'log': ''}
    assert ask(home, 'state') == nothing | {'state': 'none'}
    started = ask(home, 'start', 'env', 'TPU_NAME=local', *python(code))
    assert (started['state'], started['offset']) == ('started', 0)
    found = until(home, 'ended', '0')
    assert found['status'] == 75
    assert found['log'] == 'step  3/12  0.1 s\nlocal\n' and found['offset'] == len(found['log'])
    assert ask(home, 'state', '18')['log'] == 'local\n'
    assert (home / 'wss-run' / 'status').read_text() == '75'
    again = ask(home, 'start', *python('print("again")'))
    assert again['offset'] == found['offset']  # The log is continued.
    assert until(home, 'ended', str(again['offset']))['log'] == 'again\n'


def test_what_runs_is_not_started_twice(home):
    code = 'import os, time; print(os.getppid(), os.getpid()); print("h", end=""); time.sleep(99)'
    waits = python(code)
    ask(home, 'start', *waits)
    processes = []
    try:
        while not processes:
            processes = ask(home, 'state', '0')['log'].split()  # No half line.
        assert ask(home, 'start', *waits)['state'] == 'already'
        other = ask(home, 'start', 'true')
        assert other['state'] == 'busy' and other['command'] == waits
        # Without the process that waits for it, training still keeps others out.
        os.kill(int(processes[0]), signal.SIGKILL)
        assert until(home, 'running', '0') and ask(home, 'start', 'true')['state'] == 'busy'
    finally:
        os.kill(int(processes[1]), signal.SIGKILL)
    assert until(home, 'lost')['status'] is None
    assert ask(home, 'start', 'true')['state'] == 'started'
    assert until(home, 'ended')['status'] == 0


@pytest.mark.parametrize(
    ('command', 'status'),
    [
        (python('import os; os.kill(os.getpid(), 9)'), 137),
        (['no-such-program'], 127),
        (python('raise SystemExit("wrong")'), 1),
    ],
)
def test_every_end_has_a_status(home, command, status):
    ask(home, 'start', *command)
    assert until(home, 'ended')['status'] == status


def test_a_long_log_comes_in_pieces(home):
    text = ''.join(f'line {i:05d} ü\n' for i in range(20_000))
    (home / 'wss-run').mkdir()
    (home / 'wss-run' / 'log').write_text(text)
    (home / 'wss-run' / 'command.json').write_text('["true"]')
    (home / 'wss-run' / 'status').write_text('0')
    got, offset = '', 0
    for _ in range(3):
        found = ask(home, 'state', str(offset))
        got, offset = got + found['log'], found['offset']
    assert got == text and '\ufffd' not in got


def test_files_that_a_restarted_machine_has_kept_are_not_a_training(home):
    (home / 'wss-run').mkdir()
    for name in ('lock', 'log'):
        (home / 'wss-run' / name).write_text('')
    (home / 'wss-run' / 'command.json').write_text('["true"]')
    assert ask(home, 'state')['state'] == 'lost'


def test_run_reaches_a_true_worker(home, cloud):
    """From `run` on a laptop to a process on the machine and back, with a stand-in for training."""
    python3 = home / 'wss-env' / 'bin' / 'python'
    python3.parent.mkdir(parents=True)
    python3.write_text('#!/bin/sh\necho "step 1/1 of $*"\necho "$TPU_NAME" >&2\nexit 143\n')
    python3.chmod(0o755)
    (home / 'wss-env' / 'wss-installed').write_text('')
    cloud.plays(
        ('storage buckets', {'output': 'EUROPE-WEST4'}),
        ('queued-resources describe', cloud.resource('ACTIVE')),
        ('tpu-vm describe', cloud.machines()),
        ('tpu-vm ssh', {'home': str(home)}),
    )
    setting = "shapes.name = 'it''s'"
    result = cloud.quick(
        *('run', '--max_restarts', '1', '--'),
        *('--workdir', 'gs://my-bucket/a', '--gin_file', 'experiments/shapes_pseudoseg.gin'),
        *('--gin_param', setting),
    )
    line = (
        'step 1/1 of -u -m wss.train --workdir gs://my-bucket/a --gin_file '
        f'experiments/shapes_pseudoseg.gin --gin_param {setting} --strategy tpu --tpu local\n'
        'local\n'
    )
    assert result.stdout.count(line) == 2, result
    assert result.returncode == 75 and 'was terminated (exit status 143)' in result.stderr
    assert 'training: ended with exit status 143\n' in cloud.quick('status').stdout


PIP = '-m pip install --quiet '
STAND_IN = """#!/bin/sh
case "$*" in
    "-m "*) echo "$*" >>{home}/calls ;;
esac
case "$*" in
    *"-m venv"*)
        for folder; do :; done
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python" ;;
    *"--editable"*) cat {home}/pip && test ! -s {home}/pip ;;
    *"import tensorflow"*) cat {home}/imports ;;
esac
"""


@pytest.fixture
def install(home, load, monkeypatch):
    """The installation on a machine whose Python makes environments and writes its calls down."""
    install = load('install')
    python = home / 'python3'
    python.write_text(STAND_IN.format(home=home))
    python.chmod(0o755)
    (home / 'pip').write_text('')
    (home / 'imports').write_text(f'2.15.1 {TENSORFLOW}\n')
    monkeypatch.setattr(sys, 'executable', str(python))
    monkeypatch.setattr(install, 'HOME', home)
    monkeypatch.setattr(install, 'CHECKOUT', home / 'wss-checkout')
    monkeypatch.setattr(install, 'ENVIRONMENT', home / 'wss-env')
    monkeypatch.setattr(install, 'is_alive', lambda: False)

    def unpack_and_install(setup=''):
        new = home / 'wss-new' / 'launch' / 'tpu' / 'install.py'
        new.parent.mkdir(parents=True)
        new.write_text('')
        (home / 'wss-new' / 'setup.py').write_text(setup)
        monkeypatch.setattr(install, '__file__', str(new))
        (home / 'calls').write_text('')
        install.main()
        calls = (home / 'calls').read_text().splitlines()
        return [call.removeprefix(PIP) for call in calls]

    install.all = unpack_and_install
    return install


def test_it_is_installed_around_the_tensorflow_of_the_image(install, home, capsys):
    assert install.all() == [
        f'-m venv --system-site-packages {home}/wss-env',
        '--upgrade pip',
        f'--editable {home}/wss-checkout google-api-python-client oauth2client',
    ]
    assert capsys.readouterr().out == 'wss-ready TensorFlow 2.15.1\n'
    assert (home / 'wss-checkout' / 'setup.py').exists() and not (home / 'wss-new').exists()


def test_a_second_installation_takes_seconds(install):
    install.all()
    assert install.all() == []
    assert install.all('# Other requirements.')[0].startswith('-m venv')


@pytest.mark.parametrize(
    ('file', 'text', 'printed'),
    [
        ('pip', 'pip has failed', 'pip has failed'),
        ('imports', '2.15.1 {home}/wss-env/lib/tensorflow/__init__.py', 'knows no TPU'),
    ],
)
def test_an_installation_that_failed_is_not_taken_as_done(install, home, file, text, printed):
    (home / file).write_text(text.format(home=home) + '\n')
    with pytest.raises(SystemExit, match=printed):
        install.all()
    assert not (home / 'wss-env' / 'wss-installed').exists()


def test_a_machine_that_trains_keeps_its_program(install, home, monkeypatch):
    monkeypatch.setattr(install, 'is_alive', lambda: True)
    with pytest.raises(SystemExit, match='wss-busy'):
        install.all()
    assert (home / 'wss-new').exists() and not (home / 'wss-checkout' / 'setup.py').exists()
