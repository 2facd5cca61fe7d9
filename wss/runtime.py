"""What a run stands on: seeds, devices and its checkpoints."""

import os

import tensorflow as tf
import tf_keras as keras

from wss.run_folder import CHECKPOINTS

PRECISIONS = ('float32', 'mixed_bfloat16')


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
            which: _manager(self._checkpoint, os.path.join(workdir, CHECKPOINTS, which), kept)
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
