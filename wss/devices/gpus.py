"""GPUs that are there, but that TensorFlow cannot open."""

import glob
import os
import shutil
import subprocess
import warnings

import tensorflow as tf

# What the driver of NVIDIA makes for each GPU.
_TRACES = ('/dev/nvidia[0-9]*', '/proc/driver/nvidia/gpus/*')


def warn_of_closed() -> None:
    """Warns if this machine has an NVIDIA GPU and TensorFlow sees none."""
    if tf.config.list_physical_devices('GPU') or _is_hidden() or not _is_there():
        return
    if tf.test.is_built_with_cuda():
        fault = 'its CUDA libraries are missing or do not fit the driver'
    else:
        fault = 'it was built without CUDA'
    warnings.warn(
        f'This machine has an NVIDIA GPU, but TensorFlow cannot open it ({fault}), so everything '
        "is computed on the CPU. Install TensorFlow with CUDA: pip install -e '.[gpu]' in the "
        'folder of the repository. To compute on the CPU, set CUDA_VISIBLE_DEVICES=-1.',
        stacklevel=2,
    )


def _is_hidden():
    """Whether the user hides the GPUs from TensorFlow."""
    return os.environ.get('CUDA_VISIBLE_DEVICES', '0').strip() in ('', '-1')


def _is_there():
    if any(glob.glob(trace) for trace in _TRACES):
        return True
    program = shutil.which('nvidia-smi')
    if program is None:
        return False
    try:
        command = [program, '--list-gpus']
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return False
    return listed.stdout.startswith('GPU ')
