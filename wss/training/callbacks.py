"""What happens between the steps of training: checks, messages, pictures, checkpoints, scores.

`loop.py` passes these to `fit` in the order of this file. A checkpoint comes before the evaluation
of its step, which may take long: if a process dies in it, the resumed run evaluates first.
"""

import signal
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from wss.results import pictures, scores
from wss.runs import events
from wss.training import signals
from wss.training.schedule import Schedule

SCORES = 'validation'  # Tags of scores begin with it.


class AfterStep(keras.callbacks.Callback):
    """Calls `after_step(step, values)`, where `step` counts the steps of the whole run from 1.

    With several steps an execution it is called after the last of them.
    """

    def __init__(self, first_step: int = 0):
        super().__init__()
        self.first_step = first_step

    def on_train_batch_end(self, batch, logs=None):
        self.after_step(self.first_step + batch + 1, logs)

    def after_step(self, step: int, values: dict[str, np.ndarray]) -> None:
        """Does this callback's work.

        Args:
            step: Steps of the whole run so far.
            values: What the steps of this execution returned, `[steps]` by name.
        """
        raise NotImplementedError


class StopAtNaN(AfterStep):
    """Stops training at the first value that is not finite, before anything is saved.

    Args:
        first_step: Step at which training resumes.
        checkpoints: Folder of the checkpoints, for the message.
    """

    def __init__(self, first_step: int, checkpoints: str):
        super().__init__(first_step)
        self.checkpoints = checkpoints

    def after_step(self, step, values):
        """Raises FloatingPointError naming step and term if a value is NaN or infinite."""
        totals = ('loss', 'gradient_norm')
        terms = [name for name in values if name not in totals]
        columns = {name: np.atleast_1d(values[name]) for name in (*terms, *totals)}
        broken = {name: np.flatnonzero(~np.isfinite(column)) for name, column in columns.items()}
        # Name the first broken step, and its term rather than the sums that the term breaks.
        first = min((places[0] for places in broken.values() if len(places)), default=None)
        for name, column in columns.items():
            if first is not None and first in broken[name]:
                raise FloatingPointError(
                    f'Training stopped at step {step - len(column) + 1 + first}: {name} is '
                    f'{column[first]}. {self._kept()}Try a lower learning rate, or look at the '
                    'images of this step.'
                )

    def _kept(self):
        """Returns a sentence about the checkpoints; '' if there is none yet."""
        files = (name for _, _, names in tf.io.gfile.walk(self.checkpoints) for name in names)
        if not any(name.endswith('.index') for name in files):
            return ''
        return f'Earlier checkpoints are kept in {self.checkpoints}. '


class Pictures(AfterStep):
    """Writes pictures of the predictions for one fixed batch, for TensorBoard.

    Args:
        first_step: Step at which training resumes.
        schedule: Interval of the pictures.
        writer: TensorBoard writer.
        make_batch: Makes the batch; called when the first picture is due.
        rows: Examples a picture.
    """

    def __init__(
        self, first_step, schedule: Schedule, writer, make_batch: Callable[[], dict], rows=4
    ):
        super().__init__(first_step)
        self.schedule = schedule
        self.writer = writer
        self.make_batch = make_batch
        self.rows = rows
        self.batch = self.predict = None

    def after_step(self, step, values):
        """Writes a picture if one is due."""
        del values
        if not self.schedule.is_due('picture', step):
            return
        if self.batch is None:
            self.batch = tf.nest.map_structure(
                lambda values: values[: self.rows], self.make_batch()
            )
            # TPUs compute functions only. Nothing here needs autograph, which costs seconds.
            self.predict = tf.function(self._predict, autograph=False)
        shown = self.predict(self.batch['labelled'], self.batch.get('unlabelled'))
        sheet = pictures.method_panel(shown, self.model.info, self.rows)
        events.write_picture(self.writer, 'pictures', sheet, step)

    def _predict(self, labelled, unlabelled):
        strategy = self.model.distribute_strategy
        shown = strategy.run(self.model.pictures, args=(labelled, unlabelled))
        # Every replica returns the same.
        return tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], shown
        )


class Save(AfterStep):
    """Saves the last weights when a checkpoint is due.

    Args:
        first_step: Step at which training resumes.
        schedule: Interval of the checkpoints.
        checkpoints: Keeps the weights.
    """

    def __init__(self, first_step, schedule: Schedule, checkpoints):
        super().__init__(first_step)
        self.schedule = schedule
        self.checkpoints = checkpoints

    def after_step(self, step, values):
        """Saves if a checkpoint is due."""
        del values
        if self.schedule.is_due('checkpoint', step):
            self.checkpoints.save_last(step)


class Evaluate(AfterStep):
    """Scores the method when an evaluation is due, and keeps the best weights.

    Attributes:
        scores: The scores after the latest evaluation.

    Args:
        first_step: Step at which training resumes.
        schedule: Interval of the evaluations.
        writer: TensorBoard writer.
        score: Returns the scores of the present weights (`scores.evaluate`).
        draw: Returns a picture of validation images, uint8 `[H, W, 3]`; None for no pictures.
        checkpoints: Keeps the best weights.
        report: Prints a line.
    """

    def __init__(self, first_step, schedule: Schedule, writer, score, draw, checkpoints, report):
        super().__init__(first_step)
        self.schedule = schedule
        self.writer = writer
        self.score = score
        self.draw = draw
        self.checkpoints = checkpoints
        self.report = report
        self.scores = None

    def on_train_begin(self, logs=None):
        """Scores first, if the process before did not finish its last evaluation."""
        if self.first_step and not self.checkpoints.scored(self.first_step):
            self.after_step(self.first_step, {})

    def after_step(self, step, values):
        """Scores if an evaluation is due."""
        del values
        if not self.schedule.is_due('evaluate', step):
            return
        try:
            self.scores = self.score()
        except Exception:
            self.checkpoints.save_after_failure(step)  # Training must not be lost with scores.
            raise
        best = self.checkpoints.save_if_best(step, self.scores['miou'])
        text = ', '.join(f'{name} {value} %' for name, value in scores.percentages(self.scores))
        self.report(f'step {step}: validation {text}{" (best so far)" if best else ""}')
        self._write(step)
        self.checkpoints.note_score(step, self.scores['miou'])

    def _write(self, step):
        values = {f'{SCORES}/{k}': v for k, v in self.scores.items() if isinstance(v, float)}
        names = self.model.info.class_names
        for name, value in zip(names, self.scores['iou'], strict=True):
            if value is not None:
                values[f'{SCORES}/iou/{name}'] = value
        events.write_scalars(self.writer, values, step)
        if self.draw is not None:
            events.write_picture(self.writer, f'{SCORES}/pictures', self.draw(), step)


class Stop(AfterStep):
    """Ends training after a step, on all workers, if one of them received a signal.

    Args:
        first_step: Step at which training resumes.
        watch: Notes signals.
        mean_over_workers: Returns the mean of a number over the workers.
    """

    def __init__(self, first_step, watch: signals.Watch, mean_over_workers):
        super().__init__(first_step)
        self.watch = watch
        self.mean_over_workers = mean_over_workers

    def after_step(self, step, values):
        """Raises `signals.Stopped` if a signal has arrived."""
        del values
        if self.mean_over_workers(float(self.watch.asked > 0)):
            raise signals.Stopped(self.watch.asked or signal.SIGTERM)


class Profile(AfterStep):
    """Writes a TensorBoard profile of a few steps, soon after the first.

    Args:
        first_step: Step at which training resumes.
        folder: Folder for the profile.
        executions: How many executions are traced.
    """

    def __init__(self, first_step, folder, executions=5):
        super().__init__(first_step)
        self.folder = folder
        self.left = executions
        self.waits = 2  # Executions in which graphs are built and memory is laid out.
        self.runs = False

    def after_step(self, step, values):
        """Starts and ends the trace."""
        del step, values
        if self.runs:
            self.left -= 1
            if not self.left:
                self.on_train_end()
        elif self.waits:
            self.waits -= 1
            if not self.waits:
                tf.profiler.experimental.start(str(self.folder))
                self.runs = True

    def on_train_end(self, logs=None):
        """Writes what was traced."""
        if self.runs:
            tf.profiler.experimental.stop()
            self.runs = False
