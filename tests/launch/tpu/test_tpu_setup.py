"""`setup`: what is packed, and machines that do not answer or cannot install."""

import os
import re
import subprocess
import tarfile

import pytest

READY = 'wss-ready TensorFlow 2.15.1'
FAILED = '##### Command execution on worker {} failed with exit status {}. Continuing.'


def pod(cloud, installed, copied=None, **workers):
    """A cloud with four machines; `workers` says what single ones answer to `true`."""
    return (
        ('queued-resources describe', cloud.resource('ACTIVE')),
        ('tpu-vm describe', cloud.machines(count=4)),
        ('tpu-vm scp', copied or {}),
        ('tpu.install', installed),
        *((f'--worker={name[1:]} --command=true', answers) for name, answers in workers.items()),
        ('--command=true', {}),
    )


@pytest.fixture
def checkout(load, tmp_path, monkeypatch):
    """A repository in place of this one, with a file of each kind."""
    module = load('checkout')
    root = tmp_path / 'repository'
    root.mkdir()
    for name in ('kept.py', 'changed.py', 'gone.py'):
        (root / name).write_text('old')
    (root / '.gitignore').write_text('data/\n')
    git = ['git', '-C', str(root), '-c', 'user.name=n', '-c', 'user.email=e']
    for command in (['init', '-q'], ['add', '.'], ['commit', '-qm', 'First']):
        subprocess.run([*git, *command], check=True)
    (root / 'changed.py').write_text('changed')
    (root / 'gone.py').unlink()
    (root / 'new é.gin').write_text('new')
    (root / 'data').mkdir()
    (root / 'data' / 'image.jpg').write_text('large')
    monkeypatch.setattr(module, 'ROOT', root)
    return module


def test_the_working_tree_is_packed_as_it_is(checkout, tmp_path):
    printed = checkout.pack(tmp_path / 'new' / 'a.tar.gz')
    with tarfile.open(tmp_path / 'new' / 'a.tar.gz') as archive:
        names = {'.gitignore', 'kept.py', 'changed.py', 'new é.gin', 'REVISION'}
        assert set(archive.getnames()) == names
        assert re.fullmatch(rb'[0-9a-f]{40}\+', archive.extractfile('REVISION').read())
        assert archive.extractfile('changed.py').read() == b'changed'
    assert printed.startswith('4 files, revision ') and '+, 3 uncommitted changes' in printed


def test_a_checkout_that_is_too_large_names_its_largest(checkout, tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, 'MOST_MEGABYTES', 10e-6)
    (checkout.ROOT / 'huge.bin').write_text('x' * 100)
    with pytest.raises(checkout.Failure, match=r'huge\.bin; move them away'):
        checkout.pack(tmp_path / 'a.tar.gz')
    assert not (tmp_path / 'a.tar.gz').exists()


def test_a_folder_without_git_is_refused(checkout, tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, 'ROOT', tmp_path)
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    with pytest.raises(checkout.Failure, match='Clone the repository with git'):
        checkout.pack(tmp_path / 'a.tar.gz')


def test_all_machines_are_installed_and_counted(cloud):
    cloud.plays(*pod(cloud, {'output': '\n'.join([READY] * 4)}))
    result = cloud.quick('setup')
    assert result.returncode == 0, result.stderr
    assert 'Packed' in result.stdout and 'TensorFlow 2.15.1' in result.stdout
    assert cloud.verbs()[-2:] == ['scp all', 'ssh all']
    with tarfile.open(cloud.remembered / 'wss.tar.gz') as archive:
        assert {'setup.py', 'wss/train.py', 'launch/tpu/install.py'} <= set(archive.getnames())


def test_changes_since_setup_are_listed(checkout, tmp_path):
    archive = tmp_path / 'a.tar.gz'
    assert checkout.changed_since_setup(archive) == []
    checkout.pack(archive)
    assert checkout.changed_since_setup(archive) == []
    later = archive.stat().st_mtime + 1
    os.utime(checkout.ROOT / 'kept.py', (later, later))
    (checkout.ROOT / 'data' / 'image.jpg').touch()
    assert checkout.changed_since_setup(archive) == ['kept.py']


def test_a_silent_worker_is_named_and_asked_again(cloud):
    partly = {'status': 255, 'output': READY, 'errors': FAILED.format(2, 255)}
    good = {'output': '\n'.join([READY] * 4)}
    cloud.plays(*pod(cloud, [partly, good], _2=cloud.DEAD))
    result = cloud.quick('setup')
    assert result.returncode == 0, result.stderr
    assert 'worker 2 does not answer); trying again' in result.stdout


def test_a_worker_that_stays_silent_ends_it_with_its_name(cloud):
    cloud.plays(*pod(cloud, {}, copied=cloud.DEAD, _1=cloud.DEAD, _3=cloud.DEAD))
    result = cloud.quick('setup')
    assert result.returncode == 75
    assert 'in 2 attempts: worker 1, 3 does not answer' in result.stderr
    assert cloud.verbs().count('scp all') == 2


def test_three_of_four_are_not_all(cloud):
    cloud.plays(*pod(cloud, {'output': '\n'.join([READY] * 3)}))
    result = cloud.quick('setup')
    assert result.returncode == 75 and 'could not be set up' in result.stderr


def test_an_installation_that_fails_is_not_tried_again(cloud):
    errors = f'pip install absl-py failed:\nno network\n{FAILED.format(3, 1)}'
    cloud.plays(*pod(cloud, {'status': 1, 'errors': errors}))
    result = cloud.quick('setup')
    assert result.returncode == 1
    assert 'The installation failed' in result.stderr and 'worker 3' in result.stderr
    assert 'no network' in result.stderr
    assert cloud.verbs().count('ssh all') == 1


def test_a_training_that_runs_keeps_its_program(cloud):
    cloud.plays(*pod(cloud, {'status': 1, 'errors': 'wss-busy: training runs on this machine'}))
    result = cloud.quick('setup')
    assert result.returncode == 1 and 'Training runs on wss' in result.stderr


@pytest.mark.parametrize(
    ('state', 'printed'), [('PROVISIONING', 'is PROVISIONING'), (None, 'is missing')]
)
def test_without_machines_nothing_is_packed(cloud, state, printed):
    cloud.plays(('describe', cloud.resource(state) if state else cloud.ABSENT))
    result = cloud.quick('setup')
    assert result.returncode == 1 and printed in result.stderr
    assert not (cloud.remembered / 'wss.tar.gz').exists()
