import os
import signal
import threading

import pytest

from wss.training import signals


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_noted_and_asked_for(number):
    with signals.Watch() as watch:
        watch.check()
        os.kill(os.getpid(), number)
        assert watch.asked == number
        with pytest.raises(signals.Stopped, match=signal.Signals(number).name) as stopped:
            watch.check()
    assert stopped.value.number == number


def test_a_second_ctrl_c_ends_at_once_and_a_second_sigterm_does_not():
    with signals.Watch() as watch:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.asked == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            watch.check()


def test_under_nohup_a_closed_terminal_is_still_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.Watch() as watch:
            os.kill(os.getpid(), signal.SIGHUP)
            watch.check()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_back_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with signals.Watch():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_other_threads_have_no_handlers():
    seen = []

    def watched():
        with signals.Watch() as watch:
            seen.append(watch.asked)

    thread = threading.Thread(target=watched)
    thread.start()
    thread.join()
    assert seen == [0]


def test_leaving_as_launchers_know_it():
    with pytest.raises(SystemExit) as stopped:
        signals.leave(signal.SIGTERM)
    assert stopped.value.code == 143
    with pytest.raises(SystemExit) as stopped:
        signals.leave(signal.SIGHUP)
    assert stopped.value.code == 129
    with pytest.raises(KeyboardInterrupt):
        signals.leave(signal.SIGINT)
