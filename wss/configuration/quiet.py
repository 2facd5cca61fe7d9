"""Imports TensorFlow without its messages, and with the fastest operations that it has for CPUs.

Commands import this before the library.
"""

import contextlib
import gc
import importlib
import os
import sys


@contextlib.contextmanager
def silent_stderr():
    """Discards what C++ writes to the error stream, where no Python setting reaches it."""
    kept = os.dup(2)
    with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# TensorFlow takes oneDNN's operations by itself only on CPUs with AVX-512 VNNI and the like. Those
# for AVX2 are faster, too, above all batch norm.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
# The import makes hundreds of thousands of objects that stay. It takes half of the time if no
# garbage is looked for among them, and each later search is shorter without them.
gc.disable()
try:
    with silent_stderr():
        # TensorFlow 2.20 and up prints a greeting on import whatever the level.
        tf = importlib.import_module('tensorflow')
except KeyboardInterrupt:  # The import takes seconds.
    print('\nStopped.', file=sys.stderr)
    sys.exit(130)
finally:
    gc.freeze()
    gc.enable()
