import datetime

import pytest

from wss.datasets.files import durations


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '0:00'), (59.6, '1:00'), (125, '2:05'), (3599.7, '1:00:00'), (3725, '1:02:05'),
     (360_000, '100:00:00')],
)  # fmt: skip
def test_clock(seconds, text):
    assert durations.clock(seconds) == text


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '1 minute'), (89, '1 minute'), (91, '2 minutes'), (200, '3 minutes'),
     (89 * 60, '89 minutes'), (90 * 60, '1.5 hours'), (9000, '2.5 hours')],
)  # fmt: skip
def test_about(seconds, text):
    assert durations.about(seconds) == text


def test_now_is_utc_to_the_second():
    now = datetime.datetime.fromisoformat(durations.now())
    assert now.utcoffset() == datetime.timedelta(0) and now.microsecond == 0
    age = datetime.datetime.now(datetime.timezone.utc) - now
    assert datetime.timedelta(0) <= age < datetime.timedelta(seconds=60)
