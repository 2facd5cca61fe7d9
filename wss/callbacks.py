"""What happens between the steps of training: checks, messages, scores, pictures, checkpoints.

`experiment.py` passes these to `fit` in the order in which they stand here.
"""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from wss import evaluation, pictures

_BAR = 20  # Characters.


class AfterStep(keras.callbacks.Callback):
    """Calls `after_step(step, values)`, where `step` counts the steps of the whole run from 1."""

    def __init__(self, first_step: int = 0):
        super().__init__()
        self.first_step = first_step

    def on_train_batch_end(self, batch, logs=None):
        self.after_step(self.first_step + batch + 1, logs)

    def after_step(self, step: int, values: dict[str, float]) -> None:
        """Does this callback's work after a step with the values `train_step` returned."""
        raise NotImplementedError


class StopAtNaN(AfterStep):
    """Stops training at the first value that is not finite, before anything is saved.

    Args:
        first_step: Step at which training goes on.
        checkpoints: Folder of the checkpoints, for the message.
    """

    def __init__(self, first_step: int, checkpoints: str):
        super().__init__(first_step)
        self.checkpoints = checkpoints

    def after_step(self, step, values):
        """Raises FloatingPointError naming step and term if a value is NaN or infinite."""
        totals = ('loss', 'gradient_norm')
        terms = [name for name in values if name not in totals]
        for name in (*terms, *totals):
            if not math.isfinite(values[name]):
                raise FloatingPointError(
                    f'Training stopped at step {step}: {name} is {values[name]}. Checkpoints from '
                    f'before are kept in {self.checkpoints}; try a lower learning rate, or look '
                    'at the images of this step.'
                )


class Log(AfterStep):
    """Writes scalars for TensorBoard and says how training goes.

    On a terminal one line is kept up to date; elsewhere a line is printed with every log.

    Args:
        first_step: Step at which training goes on.
        steps: Steps of the whole run.
        every: Steps between logs.
        writer: TensorBoard writer.
        stream: Where to say it; standard output by default.
    """

    def __init__(self, first_step, steps, every, writer, stream=None):
        super().__init__(first_step)
        self.steps = steps
        self.every = every
        self.writer = writer
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.sums, self.count = {}, 0
        self.started = self.shown = None

    def after_step(self, step, values):
        """Adds the values of a step; logs their means when it is time."""
        now = time.monotonic()
        # The first step is slow (the graph is built in it) and says nothing about the others.
        self.started = self.started or (now, step)
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.count += 1
        due = step % self.every == 0 or step == self.steps
        if self.terminal and (due or self.shown is None or now - self.shown > 0.2):
            self.shown = now
            width = shutil.get_terminal_size().columns - 1
            filled = _BAR * step // self.steps
            bar = '=' * filled + ' ' * (_BAR - filled)
            self.stream.write('\r\x1b[K' + f'[{bar}] {self._line(step, now)}'[:width])
            self.stream.flush()
        elif due:
            print(self._line(step, now), file=self.stream, flush=True)
        if due:
            self._write_scalars(step)
            self.sums, self.count = {}, 0

    def say(self, text: str) -> None:
        """Prints a line of its own."""
        start = '\r\x1b[K' if self.terminal else ''
        print(start + text, file=self.stream, flush=True)

    def close(self) -> None:
        """Leaves the last state of the line standing, however training ended."""
        if self.terminal:
            print(file=self.stream, flush=True)

    def _line(self, step, now):
        means = {name: total / self.count for name, total in self.sums.items()}
        terms = [name for name in means if name not in ('loss', 'gradient_norm')]
        parts = ' + '.join(f'{name} {means[name]:.3f}' for name in terms)
        progress = f'step {step:>{len(str(self.steps))}}/{self.steps}'
        start, first = self.started
        if step > first:
            seconds = (now - start) / (step - first)
            left = _clock(seconds * (self.steps - step))
            progress = f'{progress}  {left} left  {seconds:.2f} s/step'
        return f'{progress}  loss {means["loss"]:.3f} = {parts}'

    def _write_scalars(self, step):
        means = {f'losses/{name}': total / self.count for name, total in self.sums.items()}
        means['losses/weight_decay'] = float(self.model.decay_loss())
        means['learning_rate'] = current_learning_rate(self.model.optimizer)
        for source, quality in self.model.quality.items():
            for measure, value in quality.summary().items():
                means[f'pseudo_label_{measure}/{source}'] = value
            quality.reset_state()
        write_scalars(self.writer, means, step)


class Pictures(AfterStep):
    """Draws, for TensorBoard, what the method makes of always the same batch.

    Args:
        first_step: Step at which training goes on.
        steps: Steps of the whole run.
        every: Steps between pictures; 0 for none.
        writer: TensorBoard writer.
        make_batch: Makes the batch; called when the first picture is due.
        rows: Examples a picture.
    """

    def __init__(self, first_step, steps, every, writer, make_batch: Callable[[], dict], rows=4):
        super().__init__(first_step)
        self.steps = steps
        self.every = every
        self.writer = writer
        self.make_batch = make_batch
        self.rows = rows
        self.batch = None

    def after_step(self, step, values):
        """Draws when it is time."""
        del values
        if not self.every or (step % self.every and step != self.steps):
            return
        if self.batch is None:
            self.batch = tf.nest.map_structure(
                lambda values: values[: self.rows], self.make_batch()
            )
        shown = self.model.pictures(self.batch['labelled'], self.batch.get('unlabelled'))
        sheet = pictures.method_panel(shown, self.model.info, self.rows)
        with self.writer.as_default():
            tf.summary.image('pictures', sheet[None], step=step)


class Evaluate(AfterStep):
    """Scores the method now and then and after the last step, and keeps the best weights.

    Attributes:
        scores: The scores after the latest evaluation.

    Args:
        first_step: Step at which training goes on.
        steps: Steps of the whole run.
        every: Steps between evaluations; 0 for the last step alone.
        writer: TensorBoard writer.
        score: Returns the scores of the present weights (`evaluation.evaluate`).
        checkpoints: Keeps the best weights.
        say: Prints a line.
    """

    def __init__(self, first_step, steps, every, writer, score, checkpoints, say):
        super().__init__(first_step)
        self.steps = steps
        self.every = every
        self.writer = writer
        self.score = score
        self.checkpoints = checkpoints
        self.say = say
        self.scores = None

    def after_step(self, step, values):
        """Scores when it is time."""
        del values
        if step != self.steps and not (self.every and step % self.every == 0):
            return
        try:
            self.scores = self.score()
        except Exception:
            self.checkpoints.save_last(step)  # Training must not be lost with the scores.
            raise
        best = self.checkpoints.save_if_best(step, self.scores['miou'])
        said = ', '.join(f'{name} {text} %' for name, text in evaluation.percentages(self.scores))
        self.say(f'step {step}: validation {said}{" (best so far)" if best else ""}')
        values = {f'validation/{k}': v for k, v in self.scores.items() if isinstance(v, float)}
        write_scalars(self.writer, values, step)


class Save(AfterStep):
    """Saves the last weights now and then and after the last step.

    Args:
        first_step: Step at which training goes on.
        steps: Steps of the whole run.
        every: Steps between checkpoints; 0 for the last step alone.
        checkpoints: Keeps the weights.
    """

    def __init__(self, first_step, steps, every, checkpoints):
        super().__init__(first_step)
        self.steps = steps
        self.every = every
        self.checkpoints = checkpoints

    def after_step(self, step, values):
        """Saves when it is time."""
        del values
        if step == self.steps or (self.every and step % self.every == 0):
            self.checkpoints.save_last(step)


def make_writer(workdir) -> tf.summary.SummaryWriter:
    """Makes the TensorBoard writer of a run; its files lie in `events`."""
    return tf.summary.create_file_writer(os.path.join(workdir, 'events'))


def write_scalars(writer, values: dict[str, float], step: int) -> None:
    """Writes scalars by name at a step."""
    with writer.as_default():
        for name, value in values.items():
            tf.summary.scalar(name, value, step=step)
    writer.flush()


def current_learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """Returns the learning rate of the latest step."""
    return float(keras.backend.get_value(optimizer.learning_rate))


def _clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'
