import io

import pytest
import tf_keras as keras

from wss.training import log, monitor


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def make_log(stream, **changes):
    """A `Log` that writes no TensorBoard file."""
    parts = {'means': monitor.Means({}), 'speed': monitor.Speed(2)}
    settings = {'first_step': 0, 'steps': 4, 'every': 2, 'writer': None, 'stream': stream}
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
    assert log._clock(seconds) == text


def test_learning_rate_of_a_schedule_and_of_a_constant():
    assert log.current_learning_rate(keras.optimizers.SGD(0.25)) == 0.25
    schedule = keras.optimizers.schedules.PolynomialDecay(0.5, 10, 0.0, 1.0)
    assert log.current_learning_rate(keras.optimizers.SGD(schedule)) == 0.5
