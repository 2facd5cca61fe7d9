"""Installs the unpacked checkout on a machine of a TPU. Runs there, by `tpu_pod.py setup`.

    cd wss-new/launch && python3 -m tpu.install

The checkout becomes `~/wss-checkout`, its virtual environment is `~/wss-env`. The environment sees
the packages of the image: its build of TensorFlow knows the TPU, and that of PyPI does not.
"""

import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

from tpu.worker import is_alive

HOME = pathlib.Path.home()
# A folder `wss` would be imported as the package by every Python that starts beside it.
CHECKOUT, ENVIRONMENT = HOME / 'wss-checkout', HOME / 'wss-env'
# TensorFlow finds the machines of a pod by its name with these, and does not require them.
RESOLVER = ('google-api-python-client', 'oauth2client')
_VERIFY = """
import os
os.environ['TPU_LOAD_LIBRARY'] = '0'
import tensorflow as tf
from wss import experiment
print(tf.__version__, tf.__file__)
"""


def run(*command: str) -> str:
    """Runs a command and returns its output; ends with its last lines if it fails."""
    result = subprocess.run(command, capture_output=True, text=True, cwd=HOME, check=False)
    if result.returncode:
        sys.exit(f'{" ".join(command)} failed:\n{(result.stdout + result.stderr)[-2000:]}')
    return result.stdout


def make_environment() -> None:
    """Makes the virtual environment and installs the checkout and its requirements into it."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    command = [sys.executable, '-m', 'venv', '--system-site-packages', str(ENVIRONMENT)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        # Ubuntu has the module in a package of its own.
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        run('sudo', 'apt-get', 'update', '--quiet')
        run('sudo', 'apt-get', 'install', '--yes', '--quiet', 'python3-venv')
        run(*command)
    pip = [str(ENVIRONMENT / 'bin' / 'python'), '-m', 'pip', 'install', '--quiet']
    run(*pip, '--upgrade', 'pip')
    # The TensorFlow of the image fits what wss requires, so pip keeps it.
    run(*pip, '--editable', str(CHECKOUT), *RESOLVER)


def verify() -> str:
    """Imports the program and returns the version of TensorFlow; ends if it is the wrong build."""
    output = run(str(ENVIRONMENT / 'bin' / 'python'), '-c', _VERIFY)
    version, path = output.splitlines()[-1].split(' ', 1)
    if path.startswith(f'{ENVIRONMENT}/'):
        sys.exit(
            f'TensorFlow {version} is from PyPI and knows no TPU: that of the image is not the one '
            'that setup.py requires. Choose another --runtime_version.'
        )
    return version


def main() -> None:
    if is_alive():
        sys.exit('wss-busy: training runs on this machine; its program is not replaced.')
    # After a broken connection, the installation before may still run.
    lock = (HOME / 'wss-install.lock').open('w')
    fcntl.flock(lock, fcntl.LOCK_EX)
    new = pathlib.Path(__file__).resolve().parents[2]
    if new != CHECKOUT:
        shutil.rmtree(CHECKOUT, ignore_errors=True)
        new.rename(CHECKOUT)
    files = [CHECKOUT / 'setup.py', CHECKOUT / 'launch' / 'tpu' / 'install.py']
    digest = hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()
    stamp, wanted = ENVIRONMENT / 'wss-installed', f'{sys.version_info[:2]} {digest}'
    if not stamp.exists() or stamp.read_text() != wanted:
        make_environment()
    version = verify()
    stamp.write_text(wanted)
    print(f'wss-ready TensorFlow {version}')


if __name__ == '__main__':
    main()
