"""The package as people install it: a source archive, a wheel made from it, and its scripts."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = ('wss', 'gin_configs', 'docs', 'setup.py', 'pyproject.toml', 'MANIFEST.in')


pytest.importorskip('setuptools')


def run(*command, cwd, **environment):
    """Runs a program; returns what it prints."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={'PATH': '/usr/bin:/bin', 'HOME': str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """The folder that a wheel was installed to; the wheel was made from a source archive."""
    home = tmp_path_factory.mktemp('packaging')
    (home / 'copy').mkdir()
    pages = [path.name for path in ROOT.iterdir() if path.suffix in ('.md', '.cff')]
    for name in (*SOURCES, 'LICENSE', *pages):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(ROOT / name, home / 'copy' / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, home / 'copy' / name)
    run(sys.executable, 'setup.py', '-q', 'sdist', '--dist-dir', home, cwd=home / 'copy')
    (archive,) = home.glob('wss-*.tar.gz')
    with tarfile.open(archive) as file:
        names = {name.split('/', 1)[-1] for name in file.getnames()}
        file.extractall(home / 'unpacked')
    assert {'SECURITY.md', 'CITATION.cff', 'docs/evidence.json'} < names
    (source,) = (home / 'unpacked').iterdir()
    pip = (sys.executable, '-m', 'pip', '-q', '--disable-pip-version-check')
    alone = ('--no-deps', '--no-index')
    run(*pip, 'wheel', *alone, '--no-build-isolation', '-w', home, source, cwd=home)
    (wheel,) = home.glob('wss-*.whl')
    run(*pip, 'install', *alone, '--target', home / 'site', wheel, cwd=home)
    with zipfile.ZipFile(wheel) as file:
        assert not [name for name in file.namelist() if name.startswith(('tests', 'benchmarks'))]
    return home


def test_an_installed_copy_trains_outside_of_the_repository(installed):
    """Its own gin files and weights are found; nothing of the repository is on the path."""
    site = {'PYTHONPATH': str(installed / 'site'), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    folder = installed / 'elsewhere'
    folder.mkdir()
    where = run(sys.executable, '-c', 'import wss; print(wss.__file__)', cwd=folder, **site)
    assert where.startswith(str(installed / 'site'))
    settings = ('Schedule.steps = 1', "Shapes.counts = {'train': 8, 'val': 2}", 'Shapes.size = 49')
    sizes = ('Views.crop_size = (49, 49)', 'Labelled.amount = 4', 'Labelled.batch_size = 2')
    given = [f'--gin_param={value}' for value in (*settings, *sizes, 'Unlabelled.batch_size = 2')]
    script = installed / 'site/bin/wss-train'
    assert os.access(script, os.X_OK)
    said = run(
        sys.executable,
        script,
        '--workdir=run',
        '--gin_file=experiments/shapes_pseudoseg.gin',
        *given,
        cwd=folder,
        **site,
    )
    assert 'Steps: 1 of 2 labelled + 2 unlabelled images.' in said
    assert (folder / 'run/result.json').is_file()


def test_an_installed_copy_runs_the_demo(installed):
    """Both trainings, their scores and the picture of the demo, in one step each."""
    folder = installed / 'demo'
    folder.mkdir()
    settings = ('Schedule.steps = 1', "Shapes.counts = {'train': 12, 'val': 2, 'test': 5}")
    said = run(
        sys.executable,
        installed / 'site/bin/wss-demo',
        '--workdir=runs/demo',
        *(f'--gin_param={value}' for value in (*settings, 'Labelled.batch_size = 2')),
        cwd=folder,
        PYTHONPATH=str(installed / 'site'),
        TF_CPP_MIN_LOG_LEVEL='3',
    )
    assert 'Training PseudoSeg.' in said
    assert {'results.json', 'panel.png'} < {path.name for path in (folder / 'runs/demo').iterdir()}
