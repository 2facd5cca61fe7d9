import io
import types

import pytest
import tf_keras as keras

from wss import callbacks


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def log(stream, **changes):
    """A `Log` that writes no TensorBoard file."""
    settings = {'first_step': 0, 'steps': 4, 'every': 2, 'writer': None, 'stream': stream}
    part = callbacks.Log(**settings | changes)
    part._write_scalars = lambda step: None
    return part


def test_steps_count_from_the_step_of_the_checkpoint():
    seen = []

    class Note(callbacks.AfterStep):
        def after_step(self, step, values):
            seen.append((step, values))

    Note(10).on_train_batch_end(0, {'loss': 1.0})
    assert seen == [(11, {'loss': 1.0})]


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('term', ['supervised', 'loss', 'gradient_norm'])
def test_a_value_that_is_not_finite_stops_training(bad, term):
    guard = callbacks.StopAtNaN(0, 'folder')
    values = {'supervised': 1.0, 'loss': 1.0, 'gradient_norm': 2.0}
    guard.after_step(1, values)
    with pytest.raises(FloatingPointError, match=rf'stopped at step 7: {term} is .*kept in folder'):
        guard.after_step(7, values | {term: bad})


def test_the_term_is_named_before_the_sum():
    guard = callbacks.StopAtNaN(0, 'folder')
    values = {'fine': 1.0, 'sgc': float('nan'), 'loss': float('nan'), 'gradient_norm': 1.0}
    with pytest.raises(FloatingPointError, match='sgc is nan'):
        guard.after_step(1, values)


def test_log_prints_means_since_the_last_line():
    stream = io.StringIO()
    part = log(stream)
    for step, loss in enumerate((1.0, 3.0, 5.0, 8.0), start=1):
        part.after_step(step, {'a': loss - 0.5, 'b': 0.5, 'loss': loss, 'gradient_norm': 9.0})
    first, second = stream.getvalue().splitlines()
    assert first.startswith('step 2/4  0:00 left  ')
    assert first.endswith(' s/step  loss 2.000 = a 1.500 + b 0.500')
    assert second.endswith(' s/step  loss 6.500 = a 6.000 + b 0.500')


def test_log_keeps_one_line_up_to_date_on_a_terminal():
    stream = Terminal()
    part = log(stream)
    part.after_step(1, {'a': 1.0, 'loss': 1.0})
    part.say('a line of its own')
    part.close()
    clear = '\r\x1b[K'
    assert stream.getvalue() == (
        f'{clear}[=====               ] step 1/4  loss 1.000 = a 1.000{clear}a line of its own\n\n'
    )


@pytest.mark.parametrize(
    ('seconds', 'text'), [(0, '0:00'), (59.6, '1:00'), (125, '2:05'), (3725, '1:02:05')]
)
def test_clock(seconds, text):
    assert callbacks._clock(seconds) == text


def test_learning_rate_of_a_schedule_and_of_a_constant():
    assert callbacks.current_learning_rate(keras.optimizers.SGD(0.25)) == 0.25
    schedule = keras.optimizers.schedules.PolynomialDecay(0.5, 10, 0.0, 1.0)
    assert callbacks.current_learning_rate(keras.optimizers.SGD(schedule)) == 0.5


@pytest.mark.parametrize(('every', 'saved'), [(2, [2, 4, 5]), (0, [5]), (5, [5])])
def test_checkpoints_are_saved_now_and_then_and_at_the_end(every, saved):
    steps = []
    part = callbacks.Save(0, 5, every, types.SimpleNamespace(save_last=steps.append))
    for step in range(1, 6):
        part.after_step(step, {})
    assert steps == saved
