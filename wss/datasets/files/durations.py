"""Times as text."""

import datetime


def clock(seconds: float) -> str:
    """Returns a duration as `minutes:seconds` or `hours:minutes:seconds`.

    Example:
        >>> from wss.datasets.files.durations import clock
        >>> clock(75), clock(3675)
        ('1:15', '1:01:15')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


def about(seconds: float) -> str:
    """Returns an estimated duration in words.

    Example:
        >>> from wss.datasets.files.durations import about
        >>> about(200), about(9000)
        ('3 minutes', '2.5 hours')
    """
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return f'{minutes} minute{"s" if minutes > 1 else ""}'
    return f'{minutes / 60:.1f} hours'


def now() -> str:
    """Returns the present time in UTC, by ISO 8601 and to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
