"""The progress of an evaluation."""

import io
import types

from wss.training.progress import EvaluationProgress

PLAN = [types.SimpleNamespace(images=n, pixels=100 * n) for n in (2, 2, 4, 1, 1)]


def run(stream, seconds, batches=range(5)):
    """Ends batches at the given seconds."""
    times = iter([0.0, *seconds])
    progress = EvaluationProgress(PLAN, stream, clock=lambda: next(times))
    progress.on_test_begin()
    for batch in batches:
        progress.on_test_batch_end(batch)
    progress.on_test_end()


def test_a_line_every_ten_seconds():
    stream = io.StringIO()
    run(stream, [6.0, 12.0, 18.0, 24.0, 40.0])
    assert stream.getvalue().splitlines() == [
        'evaluated 4/10 images  0.333 images/s  0:18 left',
        'evaluated 9/10 images  0.375 images/s  0:03 left',
    ]


def test_executions_of_several_batches():
    stream = io.StringIO()
    run(stream, [15.0, 30.0], batches=(2, 4))
    assert stream.getvalue() == 'evaluated 8/10 images  0.533 images/s  0:04 left\n'


def test_a_short_evaluation_prints_nothing():
    stream = io.StringIO()
    run(stream, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert stream.getvalue() == ''


def test_one_line_on_a_terminal():
    stream = io.StringIO()
    stream.isatty = lambda: True
    run(stream, [1.0, 2.0, 2.1, 3.0, 4.0])
    shown = stream.getvalue().split('\r\x1b[K')
    assert shown[1] == 'evaluated 2/10 images  2 images/s  0:04 left'
    assert len(shown) == 5 and shown[-1] == ''  # The line is deleted.
