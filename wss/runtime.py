"""What a run stands on: seeds, devices, its folder and its checkpoints."""

import dataclasses
import json
import os
import re

import tensorflow as tf
import tf_keras as keras

from wss.datasets.info import DatasetInfo

PRECISIONS = ('float32', 'mixed_bfloat16')
CONFIG_FILE = 'config.gin'
_CHECKPOINTS = 'checkpoints'
# Settings that may change when a run goes on: they do not touch the weights.
_FREE = (
    'official_lists.find.folder',
    'official_lists.find.cache_dir',
    'log_every',
    'picture_every',
    'checkpoint_every',
    'evaluate_every',
    'evaluation_batch_size',
)
_DATASET_FILE = 'dataset.json'


def set_seed(seed: int) -> None:
    """Makes initialisation and dropout a function of `seed`."""
    if not 0 <= seed < 2**32:
        raise ValueError(f'run.seed is {seed}; it must be 0 to {2**32 - 1}.')
    keras.utils.set_random_seed(seed)


def set_precision(precision: str) -> None:
    """Sets what layers compute in; weights, statistics, losses and pseudo labels stay float32.

    Args:
        precision: `float32`, or `mixed_bfloat16` for TPUs and for GPUs and CPUs that have it.

    Raises:
        ValueError: If it is neither.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'run.precision is {precision!r}; it can be one of {PRECISIONS}.')
    keras.mixed_precision.set_global_policy(precision)


def make_strategy() -> tf.distribute.Strategy:
    """Returns where variables live and steps run: one device, a GPU where there is one."""
    return tf.distribute.get_strategy()


class Checkpoints:
    """The checkpoints of a run: `last` to go on from (two are kept) and `best` by validation mIoU.

    Attributes:
        step: How many steps the weights have had.
        best_step: Step of the best weights so far, -1 before the first evaluation.
        best_miou: Their mIoU in [0, 1], -1 before the first evaluation.

    Args:
        workdir: Folder of the run; checkpoints lie in `checkpoints/last` and `checkpoints/best`.
        method: Method whose variables exist already (`build_variables`).

    Raises:
        ValueError: If the file that lists the checkpoints is damaged.
    """

    def __init__(self, workdir: str | os.PathLike, method: keras.Model):
        self.step = tf.Variable(0, trainable=False, dtype=tf.int64, name='step')
        self.best_step = tf.Variable(-1, trainable=False, dtype=tf.int64, name='best_step')
        self.best_miou = tf.Variable(-1.0, trainable=False, dtype=tf.float64, name='best_miou')
        self._checkpoint = tf.train.Checkpoint(
            method=method, step=self.step, best_step=self.best_step, best_miou=self.best_miou
        )
        self._managers = {
            which: _manager(self._checkpoint, os.path.join(workdir, _CHECKPOINTS, which), kept)
            for which, kept in (('last', 2), ('best', 1))
        }

    def save_last(self, step: int) -> None:
        """Saves the weights after `step` steps."""
        self.step.assign(step)
        self._managers['last'].save(step)

    def save_if_best(self, step: int, miou: float) -> bool:
        """Saves the weights after `step` steps if `miou` beats all before; returns whether."""
        if miou <= float(self.best_miou):
            return False
        self.step.assign(step)
        self.best_step.assign(step)
        self.best_miou.assign(miou)
        self._managers['best'].save(step)
        return True

    def has(self, which: str) -> bool:
        """Whether there is a checkpoint `last` or `best`.

        Raises:
            ValueError: If there are files of checkpoints without the list that names the latest.
        """
        manager = self._managers[which]
        if manager.latest_checkpoint is not None:
            return True
        if tf.io.gfile.glob(os.path.join(manager.directory, 'ckpt-*.index')):
            raise ValueError(_lost(manager.directory))
        return False

    def restore(self, which: str) -> int:
        """Loads the checkpoint `last` or `best`; returns its step.

        Raises:
            ValueError: If `which` is neither, or the checkpoint does not fit the method or cannot
                be read.
            FileNotFoundError: If there is none.
        """
        if which not in self._managers:
            raise ValueError(f'There is no checkpoint {which!r}; it can be {list(self._managers)}.')
        manager = self._managers[which]
        path = manager.latest_checkpoint
        if not self.has(which):
            others = [other for other in self._managers if self.has(other)]
            instead = f'take --checkpoint {others[0]}' if others else 'train first'
            raise FileNotFoundError(
                f'{manager.directory} holds no checkpoint; {instead}, or give the folder of '
                'another run.'
            )
        try:
            status = self._checkpoint.restore(path)
            status.assert_existing_objects_matched()
            status.expect_partial()  # Evaluation has no optimiser to restore.
        except (AssertionError, ValueError) as error:
            raise ValueError(
                f'Checkpoint {path} does not fit the configured network and method: '
                f'{str(error).splitlines()[0]}'
            ) from error
        except (tf.errors.OpError, IndexError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f'Checkpoint {path} is damaged or cut off: {reason}') from error
        return int(self.step)


def _manager(checkpoint, folder, kept):
    try:
        return tf.train.CheckpointManager(checkpoint, folder, max_to_keep=kept)
    except ValueError as error:  # The list of checkpoints is empty or no text.
        raise ValueError(_lost(folder)) from error


def _lost(folder):
    return (
        f'{folder} holds checkpoints, but its file `checkpoint`, which names the latest, is '
        'missing or damaged; restore that file, or move the folder away.'
    )


def write_json(path: str | os.PathLike, value) -> None:
    """Writes a value as JSON, local or `gs://`, for people and programs."""
    _write(path, json.dumps(value, indent=2) + '\n')


def write_description(workdir, info: DatasetInfo, evaluation_size: tuple[int, int]) -> None:
    """Writes what prediction must know of the dataset to `dataset.json`.

    Args:
        workdir: Folder of the run.
        info: The classes.
        evaluation_size: Height and width to which images are padded for evaluation.
    """
    description = {**dataclasses.asdict(info), 'evaluation_size': evaluation_size}
    write_json(os.path.join(workdir, _DATASET_FILE), description)


def read_description(workdir) -> tuple[DatasetInfo, tuple[int, int]]:
    """Reads what `write_description` wrote.

    Raises:
        FileNotFoundError: If the folder is not that of a run.
        ValueError: If the file is damaged.
    """
    path = os.path.join(workdir, _DATASET_FILE)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no {_DATASET_FILE}.')
    try:
        return _description(json.loads(_read(path)))
    except ValueError as error:
        reason = str(error).rstrip('.')
        raise ValueError(
            f'{path} is damaged: {reason}; restore it, or give the folder of another run.'
        ) from error


def _description(content) -> tuple[DatasetInfo, tuple[int, int]]:
    """Turns the content of `dataset.json` into what `read_description` returns; or ValueError."""

    def whole(value, low, high):
        return type(value) is int and low <= value <= high

    def sequence(value, fits, length=None):
        return (
            isinstance(value, list)
            and len(value) == (length or len(value))
            and all(map(fits, value))
        )

    def colour(value):
        return sequence(value, lambda v: whole(v, 0, 255), 3)

    rules = {
        'name': lambda value: isinstance(value, str),
        'class_names': lambda value: sequence(value, lambda v: isinstance(v, str)),
        'colours': lambda value: sequence(value, colour),
        'has_background': lambda value: isinstance(value, bool),
        'ignore_value': lambda value: whole(value, 0, 255),
        'evaluation_size': lambda value: sequence(value, lambda v: whole(v, 1, 10**6), 2),
    }
    if not isinstance(content, dict) or set(content) != set(rules):
        raise ValueError(f'it must hold {", ".join(rules)} and nothing else')
    for name, fits in rules.items():
        if not fits(content[name]):
            raise ValueError(f'{name} is {content[name]!r}')
    size = tuple(content.pop('evaluation_size'))
    content['class_names'] = tuple(content['class_names'])
    content['colours'] = tuple(map(tuple, content['colours']))
    return DatasetInfo(**content), size


def check_workdir(workdir: str | os.PathLike, config_text: str) -> None:
    """Refuses a folder whose checkpoints come from another configuration. Changes nothing.

    Args:
        workdir: Folder of the run, there or not.
        config_text: The configuration, lines of `name = value`; may be empty.

    Raises:
        ValueError: If the folder holds a run of another configuration, or is a file.
    """
    if not str(workdir):
        raise ValueError('The workdir is empty; name a folder.')
    if tf.io.gfile.exists(workdir) and not tf.io.gfile.isdir(workdir):
        raise ValueError(f'The workdir {workdir} is a file; name a folder.')
    path = os.path.join(workdir, CONFIG_FILE)
    if not tf.io.gfile.exists(path) or not holds_checkpoints(workdir):
        return
    differences = _differences(_bindings(_read(path)), _bindings(config_text))
    if differences:
        raise ValueError(
            f'{workdir} holds a run of another configuration: {"; ".join(differences)}. '
            'Give another --workdir, or the settings of that run to go on with it.'
        )


def holds_checkpoints(workdir: str | os.PathLike) -> bool:
    """Whether a folder is that of a run that began to train."""
    return tf.io.gfile.exists(os.path.join(workdir, _CHECKPOINTS))


def claim_workdir(workdir: str | os.PathLike, config_text: str) -> None:
    """Makes the folder of a run and writes its configuration to `config.gin`."""
    try:
        tf.io.gfile.makedirs(workdir)
        _write(os.path.join(workdir, CONFIG_FILE), config_text)
    except tf.errors.OpError as error:
        raise OSError(f'The workdir {workdir} cannot be written: {error.message}') from error


def _read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def _write(path, text):
    with tf.io.gfile.GFile(path, 'w') as file:
        file.write(text)


def _bindings(config_text):
    """Returns `{name: value}` of a configuration, values over several lines joined."""
    joined = re.sub(r'\\\n\s*|\n\s+', ' ', config_text)
    lines = [line for line in joined.splitlines() if ' = ' in line and not line.startswith('#')]
    return {name.strip(): value.strip() for name, value in (line.split(' = ', 1) for line in lines)}


def _differences(there, here):
    """Lists up to five settings that differ, as readers of an error want them."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    names = [name for name in names if not name.endswith(_FREE)]
    unset = 'not set'
    shown = [f'{n} is {there.get(n, unset)} there and {here.get(n, unset)} here' for n in names[:5]]
    return [*shown, f'and {len(names) - 5} more'] if len(names) > 5 else shown
