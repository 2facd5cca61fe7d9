"""The folder of a run: its configuration, and what prediction must know of the dataset."""

import contextlib
import dataclasses
import os
from typing import NamedTuple

import tensorflow as tf

from wss.datasets.files import owner, whole
from wss.datasets.files.reasons import reason
from wss.datasets.info import DatasetInfo, parse_info

_LOCK_FILE = '.training.lock'
CONFIG_FILE = 'config.gin'
RESULT_FILE = 'result.json'
CHECKPOINTS = 'checkpoints'
_DATASET_FILE = 'dataset.json'


class Description(NamedTuple):
    """What prediction must know of the data of a run.

    Attributes:
        info: The classes.
        size: Height and width to which whole images are padded; None for each one's own.
        long_side: Pixels of the longer side to which larger images are scaled down; None for none.
    """

    info: DatasetInfo
    size: tuple[int, int] | None = None
    long_side: int | None = None


def write_description(
    workdir, info: DatasetInfo, size: tuple[int, int] | None, long_side: int | None = None
) -> None:
    """Writes what prediction must know of the data to `dataset.json`; see `Description`."""
    content = {**dataclasses.asdict(info), 'evaluation_size': size, 'long_side': long_side}
    whole.write_json(os.path.join(workdir, _DATASET_FILE), content)


def read_description(workdir) -> Description:
    """Reads what `write_description` wrote.

    Raises:
        FileNotFoundError: If the folder is not that of a run.
        ValueError: If the file is damaged.
    """
    path = os.path.join(workdir, _DATASET_FILE)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no {_DATASET_FILE}.')
    advice = 'restore it, or give the folder of another run'
    content = whole.load_json(path, advice)
    try:
        return _description(content)
    except ValueError as error:
        raise whole.damaged(path, error, advice) from error


def best_label_source(workdir: str | os.PathLike) -> str | None:
    """Returns the source of labels that `result.json` names as the best; None if it names none.

    Also None where it was measured with known image labels, which images without masks lack.
    """
    result = whole.read_json(os.path.join(workdir, RESULT_FILE))
    measured = result.get('label_sources') if isinstance(result, dict) else None
    if not isinstance(measured, dict) or measured.get('image_labels') != 'predicted':
        return None
    return measured.get('best')


def _description(content) -> Description:
    """Turns the content of `dataset.json` into what `read_description` returns; or ValueError."""
    if not isinstance(content, dict) or 'evaluation_size' not in content:
        raise ValueError('it has no evaluation_size')
    size = content.pop('evaluation_size')
    # Runs of earlier versions have no long_side: they scaled nothing.
    long_side = content.pop('long_side', None)
    if size is not None and (not isinstance(size, list) or len(size) != 2):
        raise ValueError(f'evaluation_size is {size!r}')
    if size is not None and not all(map(_is_side, size)):
        raise ValueError(f'evaluation_size is {size!r}')
    if long_side is not None and not _is_side(long_side):
        raise ValueError(f'long_side is {long_side!r}')
    return Description(parse_info(content), size and tuple(size), long_side)


def _is_side(value):
    return type(value) is int and 1 <= value <= 10**6


def holds_checkpoints(workdir: str | os.PathLike) -> bool:
    """Whether a folder holds a run that has begun to train."""
    return tf.io.gfile.exists(os.path.join(workdir, CHECKPOINTS))


def check_free(workdir: str | os.PathLike) -> None:
    """Refuses a folder in which another process trains, as far as this machine knows."""
    with _owners_named(workdir):
        owner.check_free(os.path.join(workdir, _LOCK_FILE))


@contextlib.contextmanager
def owned(workdir: str | os.PathLike):
    """Makes the folder of a run, and trains in it alone inside a `with`.

    Raises:
        OSError: If another process trains in it, or it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with _owners_named(workdir):
            tf.io.gfile.makedirs(workdir)
            stack.enter_context(owner.only_one(os.path.join(workdir, _LOCK_FILE)))
        yield


@contextlib.contextmanager
def _owners_named(workdir):
    """Turns errors of a lock into sentences about a workdir."""
    try:
        yield
    except owner.Owned as error:
        raise OSError(
            f'Another training is running in {workdir}: {error.owner}. Wait until it has ended, or '
            'give another --workdir.'
        ) from error
    except (OSError, tf.errors.OpError) as error:
        why = getattr(error, 'strerror', None) or reason(error)
        raise OSError(f'The workdir {workdir} cannot be written: {why}.') from error


def claim(workdir: str | os.PathLike, config_text: str) -> None:
    """Writes the configuration of a run to `config.gin`, in a folder that it owns."""
    try:
        tf.io.gfile.makedirs(workdir)
        for folder in (workdir, os.path.join(workdir, CHECKPOINTS)):
            # A process that was killed while it wrote a file has left a part of it.
            names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
            for name in names:
                if name.endswith('.part'):
                    tf.io.gfile.remove(os.path.join(folder, name))
        whole.write(os.path.join(workdir, CONFIG_FILE), config_text)
    except tf.errors.OpError as error:
        raise OSError(f'The workdir {workdir} cannot be written: {reason(error)}.') from error
