"""Free space, and the error of a full disk."""

import errno
import os
import shutil


def free(folder) -> int | None:
    """Returns the free bytes on the disk of a folder, which may be missing; None for `gs://`."""
    folder = os.fspath(folder)
    if '://' in folder:
        return None
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return shutil.disk_usage(folder).free


def is_full(error: BaseException) -> bool:
    """Whether an error, of Python or TensorFlow, comes from a full disk or quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if 'No space left on device' in str(error) or 'Disk quota exceeded' in str(error):
            return True
        error = error.__cause__
    return False


def full(place) -> OSError:
    """Returns the error that tells a user of a full disk."""
    return OSError(
        f'The disk is full: {place} cannot be written. Free some space, or choose another '
        'data_dir, and run the same command again: it uses what is finished.'
    )
