"""The progress of training: printed, written for TensorBoard, and as JSON for programs."""

import contextlib
import shutil
import sys
import time

import numpy as np
import tensorflow as tf
import tf_keras as keras

from wss.datasets.files import durations, whole
from wss.runs import events
from wss.training import monitor
from wss.training.callbacks import AfterStep
from wss.training.schedule import Schedule

PROGRESS_FILE = 'progress.json'
_BAR = 20  # Characters.
# From so many steps, or seconds, after the first, the time of a step is told.
_TOLD_STEPS, _TOLD_SECONDS = 10, 5.0


class Log(AfterStep):
    """Writes scalars for TensorBoard and prints the progress of training.

    On a terminal one line is updated; elsewhere a line is printed with every log.

    Args:
        first_step: Step at which training resumes.
        schedule: Number of steps, and interval of the logs.
        writer: TensorBoard writer.
        means: Sums the values between logs.
        speed: Measures the time of the steps.
        progress_file: JSON file for programs that watch the run, or None.
        stream: Where to print; standard output by default.
    """

    def __init__(
        self,
        first_step,
        schedule: Schedule,
        writer,
        means: monitor.Means,
        speed: monitor.Speed,
        progress_file: str | None = None,
        stream=None,
    ):
        super().__init__(first_step)
        self.schedule = schedule
        self.steps = schedule.steps
        self.writer = writer
        self.means = means
        self.speed = speed
        self.progress_file = progress_file
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.started = self.shown = self.begun = None
        self.told = self.terminal  # Whether the time of a step was told; the bar tells it always.

    def on_train_begin(self, logs=None):
        """Reports why nothing is seen at first."""
        self.report('The first step builds the graph, which takes longer than a step.')

    def on_train_batch_begin(self, batch, logs=None):
        """Notes when an execution begins."""
        self.begun = time.monotonic()

    def after_step(self, step, values):
        """Adds the values of steps; logs their means if a log is due."""
        now = time.monotonic()
        # The first step builds the graph, so it is slower than the others.
        self.started = self.started or (now, step)
        steps = np.size(values['loss'])
        waited = values.get('input_wait', 0.0)
        self.speed.add(steps, now - (self.begun or now), float(np.sum(waited)))
        self.means.add({name: value for name, value in values.items() if name != 'input_wait'})
        due = self.schedule.is_due('log', step)
        if self.terminal and (due or self.shown is None or now - self.shown > 0.2):
            self.shown = now
            width = shutil.get_terminal_size().columns - 1
            filled = _BAR * step // self.steps
            bar = '=' * filled + ' ' * (_BAR - filled)
            self.stream.write('\r\x1b[K' + f'[{bar}] {self._line(step, now)}'[:width])
            self.stream.flush()
        elif due:
            self.told = True  # The line has it.
            print(self._line(step, now), file=self.stream, flush=True)
        elif not self.told:
            self._tell_time(step, now)
        if due:
            self._write_scalars(step)
            self._write_progress(step, now)
            self.means.clear()
            self.speed.clear()

    def report(self, text: str) -> None:
        """Prints a text on a line of its own."""
        start = '\r\x1b[K' if self.terminal else ''
        print(start + text, file=self.stream, flush=True)

    def close(self) -> None:
        """Ends the line on a terminal, so that its last state stays."""
        if self.terminal:
            print(file=self.stream, flush=True)

    def _line(self, step, now):
        means = self.means.values()
        terms = [name for name in means if name not in ('loss', 'gradient_norm')]
        parts = ' + '.join(f'{name} {means[name]:.3f}' for name in terms)
        progress = f'step {step:>{len(str(self.steps))}}/{self.steps}'
        seconds = self._seconds_per_step(step, now)
        if seconds is not None:
            left = durations.clock(seconds * (self.steps - step))
            progress = f'{progress}  {left} left  {seconds:.2f} s/step'
        return f'{progress}  loss {means["loss"]:.3f} = {parts}'

    def _tell_time(self, step, now):
        start, first = self.started
        if step - first < _TOLD_STEPS and (step == first or now - start < _TOLD_SECONDS):
            return
        self.told = True
        seconds = self._seconds_per_step(step, now)
        left = durations.clock(seconds * (self.steps - step))
        self.report(
            f'A step takes {seconds:.2f} s, so the {self.steps - step:,} steps to come take about '
            f'{left}, without evaluations.'
        )

    def _seconds_per_step(self, step, now):
        """Returns the mean time of a step, without the first; None if there is no other."""
        start, first = self.started
        return (now - start) / (step - first) if step > first else None

    def _write_progress(self, step, now):
        if self.progress_file is None:
            return
        seconds = self._seconds_per_step(step, now)
        content = {
            'step': step,
            'steps': self.steps,
            'seconds_per_step': seconds,
            'seconds_left': None if seconds is None else seconds * (self.steps - step),
            'loss': self.means.values()['loss'],
            'updated': durations.now(),
        }
        # A watcher can wait for the next one. What must be written will report a full disk.
        with contextlib.suppress(OSError, tf.errors.OpError):
            whole.write_json(self.progress_file, content)

    def _write_scalars(self, step):
        values = {f'losses/{name}': mean for name, mean in self.means.values().items()}
        values['gradient_norm'] = values.pop('losses/gradient_norm')
        values['losses/weight_decay'] = float(self.model.decay_loss())
        values['learning_rate'] = current_learning_rate(self.model.optimizer)
        values |= self.means.quality_tags() | self.speed.values() | monitor.memory()
        events.write_scalars(self.writer, values, step)


def current_learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """Returns the learning rate of the latest step."""
    return float(keras.backend.get_value(optimizer.learning_rate))
