"""Ends the program when another worker or the TPU is lost, with a status for launchers."""

import contextlib
import sys

import tensorflow as tf

from wss.devices import workers

LOST_STATUS = 75  # EX_TEMPFAIL of sysexits.h.

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


@contextlib.contextmanager
def exits_when_lost(strategy: tf.distribute.Strategy):
    """Ends the program with status 75 if another worker or the TPU is lost inside a `with`.

    Launchers take 75 as a temporary failure, after which all workers must be started again.
    """
    try:
        yield
    except _LOST as error:
        if not workers.is_multi_worker(strategy) and not isinstance(
            strategy, tf.distribute.TPUStrategy
        ):
            raise
        is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
        end('The TPU' if is_tpu else 'Another worker', error)


def end(what, error):
    """Prints what was lost, and ends with the status for it."""
    reason = str(error).strip().splitlines()[0]
    print(
        f'{what} was lost: {reason}\nStart all workers again with the same command; the run '
        'resumes from its last checkpoint.',
        file=sys.stderr,
        flush=True,
    )
    raise SystemExit(LOST_STATUS) from error
