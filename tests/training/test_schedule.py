"""When things happen, and what another batch makes of the schedule, by hand."""

import dataclasses

import pytest

from wss.training.schedule import Schedule

WHATS = ('evaluate', 'checkpoint', 'log', 'picture')


def due(schedule, what):
    return [step for step in range(1, schedule.steps + 1) if schedule.is_due(what, step)]


@pytest.mark.parametrize('what', WHATS)
def test_at_every_multiple_of_the_interval_and_at_the_end(what):
    assert due(Schedule(7, **{f'{what}_every': 3}), what) == [3, 6, 7]
    assert due(Schedule(6, **{f'{what}_every': 3}), what) == [3, 6]
    assert due(Schedule(2, **{f'{what}_every': 3}), what) == [2]


@pytest.mark.parametrize(
    ('what', 'steps'), [('evaluate', [5]), ('checkpoint', [5]), ('picture', [])]
)
def test_an_interval_of_0(what, steps):
    assert due(Schedule(5, **{f'{what}_every': 0}), what) == steps


def test_intervals_are_the_steps_at_which_executions_must_end():
    schedule = Schedule(30, evaluate_every=0, checkpoint_every=10, log_every=4, picture_every=500)
    assert schedule.intervals() == [30, 0, 10, 4]


def test_without_a_reference_batch_nothing_changes():
    schedule = Schedule(30_000)
    assert schedule.for_batch(8) == (schedule, None)


@pytest.mark.parametrize(
    ('batch_size', 'steps', 'factor'), [(8, 240_000, 0.125), (64, 30_000, 1.0), (256, 7_500, 4.0)]
)
def test_another_batch_sees_as_many_images(batch_size, steps, factor):
    schedule = Schedule(30_000, reference_batch_size=64, evaluate_every=123, log_every=7)
    changed, rate_factor = schedule.for_batch(batch_size)
    assert rate_factor == factor
    # The intervals stay; the rule is used once.
    assert changed == dataclasses.replace(schedule, steps=steps, reference_batch_size=None)
    assert changed.for_batch(batch_size) == (changed, None)


def test_a_batch_of_no_image_is_named():
    with pytest.raises(ValueError, match=r'Labelled\.batch_size is 0; it must be a whole'):
        Schedule(10, reference_batch_size=64).for_batch(0)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'steps': -1}, r'Schedule\.steps is -1; it must be a whole'),
        ({'steps': 10**9 + 1}, r'Schedule\.steps is 1000000001; it must be .* to 1000000000'),
        (
            {'evaluate_every': -2},
            r'Schedule\.evaluate_every is -2; it must be a whole',
        ),
        ({'checkpoint_every': -2}, r'Schedule\.checkpoint_every is -2; it must be a whole'),
        ({'picture_every': -2}, r'Schedule\.picture_every is -2; it must be a whole'),
        ({'log_every': 0}, r'Schedule\.log_every is 0; it must be a whole'),
        ({'reference_batch_size': 0}, r'Schedule\.reference_batch_size is 0; it must be a whole'),
    ],
)
def test_numbers_out_of_range(settings, words):
    with pytest.raises(ValueError, match=words):
        Schedule(**{'steps': 10, **settings})


def test_the_least_numbers():
    Schedule(0, 1, 0, 0, 1, 0)
