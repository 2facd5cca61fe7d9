"""Installs the unpacked checkout on a machine of a TPU. Runs there, by `tpu_pod.py setup`.

    (cd wss-new/launch && python3 -m tpu.install --stack reference)

The checkout becomes `~/wss-checkout`, its virtual environment is `~/wss-env`. TensorFlow is never
pip's choice: on the reference stack it is the image's own build, which knows the TPU and fits the
server of a pod; on the newer one it is `tensorflow-tpu`.
"""

import argparse
import fcntl
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from tpu.worker import is_alive

HOME = pathlib.Path.home()
# A folder `wss` would pass for the package to every Python that is started beside it.
CHECKOUT, ENVIRONMENT, STAMP = HOME / 'wss-checkout', HOME / 'wss-env', 'wss-installed'
# With these TensorFlow finds the machines of a pod by its name; it does not ask for them itself.
RESOLVER = ('google-api-python-client', 'oauth2client')
# tensorflow-tpu allows versions of libtpu that came later.
NEXT_TENSORFLOW = ('tensorflow-tpu==2.20.0', 'libtpu<=0.0.30')
_TENSORFLOW_VERSION = 'from importlib.metadata import version; print(version("tensorflow"))'
_LIST_REQUIREMENTS = 'from importlib.metadata import requires; print(*requires("wss"), sep="\\n")'


def without_tensorflow(requirements: list[str]) -> tuple[list[str], list[str]]:
    """Splits what wss requires.

    Args:
        requirements: Lines as in a package's metadata, with markers.

    Returns:
        What pip may install as it likes, and what asks for a TensorFlow (tf-keras), which is to be
        installed without its own requirements. TensorFlow itself and extras are left out.
    """
    usual, alone = [], []
    for line in requirements:
        name = re.match(r'[A-Za-z0-9._-]+', line).group().lower().replace('_', '-')
        if name == 'tensorflow' or re.search(r'\bextra\s*==', line):
            continue
        (alone if name == 'tf-keras' else usual).append(line)
    return usual, alone


def for_next(lines: list[str]) -> list[str]:
    """Lowers tf-keras to the minor version of the TensorFlow that exists for TPUs."""
    return [re.sub(r'^(tf[-_]keras).*', r'\1>=2.20,<2.21', line) for line in lines]


def make_environment(python: str, stack: str) -> None:
    """Makes the virtual environment; on the reference stack it sees the image's TensorFlow."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    system = ['--system-site-packages'] if stack == 'reference' else []
    command = [python, '-m', 'venv', *system, str(ENVIRONMENT)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        # Ubuntu has the module in a package of its own.
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        run('sudo', 'apt-get', 'update', '--quiet')
        run('sudo', 'apt-get', 'install', '--yes', '--quiet', 'python3-venv')
        run(*command)


def install(stack: str) -> None:
    """Installs the checkout and what it needs into the environment."""
    python = str(ENVIRONMENT / 'bin' / 'python')
    pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    variables = {'WSS_STACK': 'next'} if stack == 'next' else {}
    run(*pip, '--upgrade', 'pip')
    run(*pip, '--no-deps', '--editable', str(CHECKOUT), **variables)
    usual, alone = without_tensorflow(ask(python, _LIST_REQUIREMENTS).splitlines())
    if stack == 'next':
        usual, alone = [*usual, *NEXT_TENSORFLOW], for_next(alone)
    else:
        # Asking for what is there keeps pip from putting another protobuf or numpy in front of it.
        usual += [*RESOLVER, f'tensorflow=={ask(python, _TENSORFLOW_VERSION).strip()}']
    run(*pip, *usual)
    run(*pip, '--no-deps', *alone)
    if stack == 'next':
        (found, *_) = glob.glob(f'{ENVIRONMENT}/lib/python*/site-packages/libtpu/libtpu.so')
        (ENVIRONMENT / 'libtpu.so').symlink_to(found)


def ask(python: str, code: str) -> str:
    """Returns what a line of Python prints in the environment; ends if it fails."""
    result = subprocess.run([python, '-c', code], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f'{code} failed:\n{result.stderr[-2000:]}')
    return result.stdout


def verify(stack: str) -> str:
    """Imports the program and returns the version of TensorFlow; ends if it is the wrong build."""
    code = (
        'import os; os.environ["TPU_LOAD_LIBRARY"] = "0"\n'
        'import tensorflow as tf\n'
        'from wss import experiment\n'
        'from wss.methods import pseudoseg\n'
        'print(tf.__version__, tf.__file__)'
    )
    python = str(ENVIRONMENT / 'bin' / 'python')
    result = subprocess.run([python, '-c', code], capture_output=True, text=True, cwd=HOME)
    if result.returncode:
        sys.exit(f'wss cannot be imported on this machine:\n{result.stderr[-2000:]}')
    version, path = result.stdout.splitlines()[-1].split(' ', 1)
    inside = path.startswith(f'{ENVIRONMENT}/')
    if inside and stack == 'reference':
        sys.exit(f'TensorFlow is not that of the image but {path}, which knows no TPU.')
    return version


def run(*command: str, **variables: str) -> None:
    """Runs a command; ends with its last lines if it fails."""
    environment = os.environ | variables
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if result.returncode:
        sys.exit(f'{" ".join(command)} failed:\n{(result.stdout + result.stderr)[-2000:]}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--stack', choices=['reference', 'next'], required=True)
    stack = parser.parse_args().stack
    if is_alive():
        sys.exit('wss-busy: training runs on this machine; its program is left as it is.')
    # Where a connection broke, the installation before may still be at work.
    lock = (HOME / 'wss-install.lock').open('w')
    fcntl.flock(lock, fcntl.LOCK_EX)
    new = pathlib.Path(__file__).resolve().parents[2]
    if new != CHECKOUT:
        shutil.rmtree(CHECKOUT, ignore_errors=True)
        new.rename(CHECKOUT)
    digest = hashlib.sha256()
    for file in (CHECKOUT / 'setup.py', CHECKOUT / 'launch' / 'tpu' / 'install.py'):
        digest.update(file.read_bytes())
    wanted = f'{stack} {sys.version_info[:2]} {digest.hexdigest()}'
    stamp = ENVIRONMENT / STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        make_environment(sys.executable, stack)
        install(stack)
    version = verify(stack)
    stamp.write_text(wanted)
    print(f'wss-ready TensorFlow {version}')


if __name__ == '__main__':
    main()
