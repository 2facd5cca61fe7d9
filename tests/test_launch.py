"""The scripts of `launch`, with a stand-in for Python that says where it was started and how."""

import pathlib
import shutil
import subprocess

import pytest

LAUNCH = pathlib.Path(__file__).resolve().parents[1] / 'launch'


@pytest.fixture
def root(tmp_path):
    """A repository with an environment that is made already, and a folder beside it."""
    root = tmp_path / 'repository'
    shutil.copytree(LAUNCH, root / 'launch')
    (root / 'setup.py').write_text('')
    (root / 'tests').mkdir()
    (root / 'tests' / 'test_inside.py').write_text('')
    python = root / '.venv' / 'bin' / 'python'
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "in $PWD: $*"\n')
    python.chmod(0o755)
    (tmp_path / 'beside').mkdir()
    (tmp_path / 'beside' / 'test_own.py').write_text('')
    return root


def started(folder, script, *arguments):
    """The last line that the stand-in said: the folder and the arguments of what was started."""
    command = ['bash', str(script), *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()[-1]


def test_the_demo_runs_where_it_is_started(root):
    beside = root.parent / 'beside'
    said = started(beside, root / 'launch' / 'demo.sh', '--workdir', 'mine')
    defaults = f'--workdir {root}/runs/demo'  # Of two workdirs the last counts.
    assert said == f'in {beside}: -m wss.demo {defaults} --workdir mine'


def test_the_quick_demo_has_a_folder_of_its_own(root):
    said = started(root, root / 'launch' / 'demo.sh', '--quick')
    assert said.endswith(f'-m wss.demo --workdir {root}/runs/demo_quick --quick')


def test_an_installation_shows_what_pip_does(root):
    python = root / '.venv' / 'bin' / 'python'
    python.write_text(
        '#!/bin/sh\n'
        'case "$*" in *"pip install"*) echo Collecting tensorflow; echo Requirement already; esac\n'
    )
    (root / '.venv' / 'wss-installed').unlink(missing_ok=True)
    command = ['bash', str(root / 'launch' / 'demo.sh')]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '  Collecting tensorflow\n' in result.stdout
    assert 'already' not in result.stdout


def test_an_installation_that_fails_ends_the_script(root):
    python = root / '.venv' / 'bin' / 'python'
    python.write_text('#!/bin/sh\ncase "$*" in *"pip install"*) exit 3; esac\n')
    command = ['bash', str(root / 'launch' / 'demo.sh')]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert not (root / '.venv' / 'wss-installed').exists()


@pytest.mark.parametrize(
    ('given', 'passed'),
    [
        (['test_own.py::test_x', '-k', 'beside'], '{beside}/test_own.py::test_x -k beside'),
        (['../beside/test_own.py'], '{beside}/../beside/test_own.py'),
        (['tests/test_inside.py', '-q'], 'tests/test_inside.py -q'),
        (['/absolute/test_x.py'], '/absolute/test_x.py'),
        (['-q'], '-n 2 --dist worksteal -q'),  # All tests, by two processes.
    ],
)
def test_paths_of_tests_start_where_the_script_is_started(root, given, passed):
    beside = root.parent / 'beside'
    said = started(beside, root / 'launch' / 'test.sh', *given)
    assert said == f'in {root}: -m pytest {passed.format(beside=beside)}'
