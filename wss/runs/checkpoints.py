"""The checkpoints of a run, and the scores by which the best of them is kept."""

import os
import re
import shutil
import tempfile

import tensorflow as tf
import tf_keras as keras

from wss.datasets.files import whole
from wss.datasets.files.reasons import reason
from wss.devices import workers
from wss.networks.weights.readable import names_in, readable, whole_steps
from wss.runs import folder as run_folder

WHICH = ('last', 'best')
_SCORES = 'scores.json'


class Checkpoints:
    """The checkpoints of a run: `last` to resume from (two are kept), `best` by validation mIoU.

    A checkpoint is written beside the others and gets its `.index` file when it is whole; then the
    oldest is deleted. So neither a failed write nor a killed process loses an earlier checkpoint.

    Attributes:
        step: Steps that the weights were trained for.

    Args:
        workdir: Folder of the run; checkpoints are in `checkpoints/last` and `checkpoints/best`.
        method: Method whose variables exist already (`build_variables`).
        means: The sums for the next log line (`monitor.Means`), kept beside the weights; None
            without training.
    """

    def __init__(self, workdir: str | os.PathLike, method: keras.Model, means=None):
        self.step = tf.Variable(0, trainable=False, dtype=tf.int64, name='step')
        self._strategy = method.distribute_strategy
        extra = {} if means is None else {'means': means}
        self._checkpoint = tf.train.Checkpoint(method=method, step=self.step, **extra)
        self._folders = {
            which: os.path.join(workdir, run_folder.CHECKPOINTS, which) for which in WHICH
        }
        self._scores_file = os.path.join(workdir, run_folder.CHECKPOINTS, _SCORES)
        self._scores = {}  # mIoU by step.
        self._saved = None  # Step of the newest `last`.

    @property
    def best_step(self) -> int:
        """Step of the best weights so far, -1 before the first evaluation."""
        return max(self._scores, key=lambda step: (self._scores[step], -step), default=-1)

    def scored(self, step: int) -> bool:
        """Whether the weights after `step` steps have been evaluated."""
        return step in self._scores

    def save_last(self, step: int) -> None:
        """Saves the weights after `step` steps, unless they are saved."""
        # Workers must agree on this, but on a shared file system they see files at different times.
        if step != self._saved:
            self._save('last', step)
            self._saved = step

    def save_after_failure(self, step: int) -> None:
        """Saves like `save_last`, but not with several workers: the others may not have failed."""
        if not workers.is_multi_worker(self._strategy):
            self.save_last(step)

    def save_if_best(self, step: int, miou: float) -> bool:
        """Saves the weights after `step` steps if `miou` beats all before; returns whether."""
        is_best = miou > max(self._scores.values(), default=-1.0)
        if is_best:
            self._save('best', step)
        return is_best

    def note_score(self, step: int, miou: float) -> None:
        """Records the score of an evaluation, when everything else about it is written."""
        self._scores[step] = miou
        if workers.is_chief():
            scores = [{'step': step, 'miou': miou} for step, miou in self._scores.items()]
            tf.io.gfile.makedirs(os.path.dirname(self._scores_file))
            whole.write_json(self._scores_file, scores)

    def has(self, which: str) -> bool:
        """Whether there is a checkpoint `last` or `best`."""
        return bool(self._steps(which))

    def restore(self, which: str) -> int:
        """Loads the checkpoint `last` or `best`; returns its step.

        If the newest is damaged, a line reports that, and the one before is loaded.

        Raises:
            ValueError: If `which` is neither, or no checkpoint fits the method and can be read.
            FileNotFoundError: If there is no checkpoint.
        """
        if which not in WHICH:
            raise ValueError(f'There is no checkpoint {which!r}; it can be {list(WHICH)}.')
        if not self.has(which):
            others = [other for other in WHICH if self.has(other)]
            instead = f'take --checkpoint {others[0]}' if others else 'train first'
            raise FileNotFoundError(
                f'{self._folders[which]} holds no checkpoint; {instead}, or give the folder of '
                'another run.'
            )
        steps = self._steps(which)
        while True:
            path = self._path(which, steps.pop())
            try:
                self._read(path)
                return int(self.step)
            except (tf.errors.OpError, IndexError, RuntimeError) as error:
                message = f'Checkpoint {path} is damaged or cut off: {reason(error)}'
                if not steps:
                    raise ValueError(
                        f'{message}; no other is left: restore one, or give another --workdir.'
                    ) from error
                print(f'{message}; taking the one before.', flush=True)

    def resume(self) -> int:
        """Loads the newest checkpoint that can be read, to resume from; returns its step.

        Later scores are forgotten, since the run evaluates those steps again.

        Raises:
            ValueError: As `restore` does; also if workers see different checkpoints.
        """
        self._saved = self.restore('last') if self.has('last') else None
        step = self._saved or 0
        workers.check_workers_agree(self._strategy, step, self._folders['last'])
        scores = self._read_scores()
        self._scores = {other: miou for other, miou in scores.items() if other <= step}
        if workers.is_chief():
            self._forget_later(step)
        return step

    def _read_scores(self):
        if not tf.io.gfile.exists(self._scores_file):
            return {}
        # Without the scores, worse weights would replace the best ones.
        advice = 'restore it, or delete it: the best weights are then chosen again'
        content = whole.load_json(self._scores_file, advice)
        try:
            scores = {one['step']: float(one['miou']) for one in content}
            are_steps = all(type(step) is int and step >= 0 for step in scores)
            if are_steps and all(0 <= miou <= 1 for miou in scores.values()):
                return scores
        except (KeyError, TypeError, ValueError):
            pass
        raise whole.damaged(self._scores_file, 'it must hold steps and their mIoU', advice)

    def _forget_later(self, step):
        """Renames damaged checkpoints, and deletes what killed processes left half written."""
        for later in [other for other in self._steps('last') if other > step]:
            for path in self._files('last', later):
                tf.io.gfile.rename(path, f'{path}.damaged', overwrite=True)
        for which in WHICH:
            for leftover in self._half_written(which):
                _remove(leftover)

    def _half_written(self, which):
        """Lists the files that belong to no whole checkpoint, except `.damaged` ones."""
        steps = self._steps(which)
        found = []
        for name in names_in(self._folders[which]):
            data = re.fullmatch(r'ckpt-(\d+)\.data-\d+-of-\d+', name)
            is_part = re.match(r'ckpt-.*_temp|checkpoint\.tmp', name)
            if is_part or (data and int(data[1]) not in steps):
                found.append(os.path.join(self._folders[which], name))
        return found

    def _read(self, path):
        try:
            status = self._checkpoint.read(readable(path))
            status.assert_existing_objects_matched()
            status.expect_partial()  # Evaluation has no optimiser to restore.
        except (AssertionError, ValueError) as error:
            raise ValueError(
                f'Checkpoint {path} does not fit the configured network and method: '
                f'{str(error).splitlines()[0]}'
            ) from error

    def _path(self, which, step):
        """Returns the prefix of a checkpoint's files."""
        return os.path.join(self._folders[which], f'ckpt-{step}')

    def _steps(self, which):
        """Returns the steps of the checkpoints that are whole, ascending."""
        return whole_steps(self._folders[which])

    def _files(self, which, step):
        """Lists the files of a checkpoint, the index first: without it, the others are of none."""
        folder, files = self._folders[which], re.compile(rf'ckpt-{step}\.(index|data-.+)')
        names = sorted(filter(files.fullmatch, names_in(folder)), reverse=True)
        return [os.path.join(folder, name) for name in names]

    def _save(self, which, step):
        self.step.assign(step)
        if workers.is_chief():
            self._save_as_chief(which, step)
        else:
            self._save_as_worker(step)
        # No worker may read or end before the chief has written.
        workers.mean_over_workers(self._strategy, 0.0)

    def _save_as_chief(self, which, step):
        path, before = self._path(which, step), self._steps(which)
        try:
            self._write(path)
        except tf.errors.OpError:
            for name in names_in(self._folders[which]):
                if name.startswith(f'ckpt-{step}_temp'):  # It would keep filling the disk.
                    _remove(os.path.join(self._folders[which], name))
            raise
        kept = [other for other in before if other < step][-1:] if which == 'last' else []
        paths = [self._path(which, other) for other in (*kept, step)]
        tf.compat.v1.train.update_checkpoint_state(
            self._folders[which], path, all_model_checkpoint_paths=paths
        )
        for other in set(before) - {*kept, step}:
            for old in self._files(which, other):
                tf.io.gfile.remove(old)

    def _write(self, path):
        """Writes under another name first: TensorFlow's index grows while it is written.

        Everything is on the disk before the index, and the list of checkpoints, name it.
        """
        part = f'{path}_temp_whole'
        folder, name = os.path.split(part)
        self._checkpoint.write(part)
        endings = [other[len(name) :] for other in names_in(folder) if other.startswith(f'{name}.')]
        for ending in endings:
            whole.sync(part + ending)
        if tf.io.gfile.exists(f'{path}.index'):  # It belongs to the data that are replaced.
            tf.io.gfile.remove(f'{path}.index')
        for ending in endings:
            if ending.startswith('.data-'):
                tf.io.gfile.rename(part + ending, path + ending, overwrite=True)
        whole.sync(folder)
        tf.io.gfile.rename(f'{part}.index', f'{path}.index')
        whole.sync(folder)

    def _save_as_worker(self, step):
        """Takes part in a save, which reads variables from all workers; keeps nothing."""
        folder = tempfile.mkdtemp()
        try:
            self._checkpoint.write(os.path.join(folder, f'ckpt-{step}'))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def holds(workdir: str | os.PathLike, which: str) -> bool:
    """Whether the folder of a run holds a whole checkpoint `last` or `best`."""
    return bool(whole_steps(os.path.join(workdir, run_folder.CHECKPOINTS, which)))


def _remove(path):
    if tf.io.gfile.isdir(path):
        tf.io.gfile.rmtree(path)
    else:
        tf.io.gfile.remove(path)
