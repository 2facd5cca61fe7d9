import datetime
import io
import json

import numpy as np
import pytest
import tf_keras as keras

from wss.training import log, monitor
from wss.training.schedule import Schedule


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def make_log(stream, **changes):
    """A `Log` that writes no TensorBoard file."""
    parts = {'means': monitor.Means({}), 'speed': monitor.Speed(2)}
    schedule = Schedule(4, log_every=2)
    settings = {'first_step': 0, 'schedule': schedule, 'writer': None, 'stream': stream}
    part = log.Log(**settings | parts | changes)
    part._write_scalars = lambda step: None
    return part


def test_log_prints_means_since_the_last_line():
    stream = io.StringIO()
    part = make_log(stream)
    for step, loss in enumerate((1.0, 3.0, 5.0, 8.0), start=1):
        part.after_step(step, {'a': loss - 0.5, 'b': 0.5, 'loss': loss, 'gradient_norm': 9.0})
    first, second = stream.getvalue().splitlines()
    assert first.startswith('step 2/4  0:00 left  ')
    assert first.endswith(' s/step  loss 2.000 = a 1.500 + b 0.500')
    assert second.endswith(' s/step  loss 6.500 = a 6.000 + b 0.500')


def test_log_keeps_one_line_up_to_date_on_a_terminal():
    stream = Terminal()
    part = make_log(stream)
    part.after_step(1, {'a': 1.0, 'loss': 1.0})
    part.report('a line of its own')
    part.close()
    clear = '\r\x1b[K'
    assert stream.getvalue() == (
        f'{clear}[=====               ] step 1/4  loss 1.000 = a 1.000{clear}a line of its own\n\n'
    )


def test_the_time_of_a_step_is_told_soon_where_no_line_is_due(monkeypatch):
    clock = iter([100.0, 102.0, 104.0, 106.0, 108.0])
    monkeypatch.setattr(log.time, 'monotonic', lambda: next(clock))
    stream = io.StringIO()
    part = make_log(stream, schedule=Schedule(1000, log_every=500))
    part.on_train_begin()
    for step in range(1, 6):
        part.after_step(step, {'loss': 1.0})
    # The first step ends at 100 s; the fourth is the first more than 5 s later.
    assert stream.getvalue().splitlines() == [
        'The first step builds the graph, which takes longer than a step.',
        'A step takes 2.00 s, so the 996 steps to come take about 33:12, without evaluations.',
    ]


def test_the_time_of_quick_steps_is_told_after_ten(monkeypatch):
    monkeypatch.setattr(log.time, 'monotonic', iter(np.arange(50) / 10).__next__)
    stream = io.StringIO()
    part = make_log(stream, schedule=Schedule(1000, log_every=500), first_step=20)
    for step in range(21, 40):
        part.after_step(step, {'loss': 1.0})
    assert stream.getvalue() == (
        'A step takes 0.10 s, so the 969 steps to come take about 1:37, without evaluations.\n'
    )


def test_learning_rate_of_a_schedule_and_of_a_constant():
    assert log.current_learning_rate(keras.optimizers.SGD(0.25)) == 0.25
    schedule = keras.optimizers.schedules.PolynomialDecay(0.5, 10, 0.0, 1.0)
    assert log.current_learning_rate(keras.optimizers.SGD(schedule)) == 0.5


def progress_of(tmp_path):
    return json.loads((tmp_path / 'progress.json').read_text())


def test_progress_is_written_with_every_log(tmp_path, monkeypatch):
    clock = iter([10.0, 12.0, 20.0, 21.0])
    monkeypatch.setattr(log.time, 'monotonic', lambda: next(clock))
    part = make_log(io.StringIO(), progress_file=str(tmp_path / 'progress.json'))
    part.after_step(1, {'loss': 1.0})
    assert not (tmp_path / 'progress.json').exists()
    part.after_step(2, {'loss': 3.0})
    found = progress_of(tmp_path)
    age = datetime.datetime.now(datetime.timezone.utc)
    age -= datetime.datetime.fromisoformat(found.pop('updated'))
    assert abs(age) < datetime.timedelta(seconds=60)
    # The second step took 2 seconds; the first is not counted. Two are left.
    expected = {'step': 2, 'steps': 4, 'seconds_per_step': 2.0, 'seconds_left': 4.0, 'loss': 2.0}
    assert found == expected
    part.after_step(3, {'loss': 5.0})
    part.after_step(4, {'loss': 6.0})
    found = progress_of(tmp_path)
    # 11 seconds for three steps; the loss is the mean since the last log.
    assert found['seconds_per_step'] == pytest.approx(11 / 3)
    assert (found['step'], found['seconds_left'], found['loss']) == (4, 0.0, 5.5)
    assert [path.name for path in tmp_path.iterdir()] == ['progress.json']


def test_the_time_of_a_step_is_unknown_after_the_first(tmp_path):
    part = make_log(
        io.StringIO(),
        schedule=Schedule(4, log_every=1),
        progress_file=str(tmp_path / 'progress.json'),
    )
    part.after_step(1, {'loss': 1.0})
    found = progress_of(tmp_path)
    assert found['seconds_per_step'] is None and found['seconds_left'] is None


def test_progress_that_cannot_be_written_stops_no_run(tmp_path):
    stream = io.StringIO()
    part = make_log(stream, progress_file=str(tmp_path / 'gone' / 'progress.json'))
    for step in (1, 2):
        part.after_step(step, {'loss': 1.0})
    assert stream.getvalue().startswith('step 2/4')


def test_progress_of_a_run(trained):
    found = progress_of(trained.workdir)
    assert (found['step'], found['steps'], found['seconds_left']) == (4, 4, 0.0)
    assert found['seconds_per_step'] > 0 and found['loss'] > 0
