import os
import pty
import signal
import sys
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


PROGRAM = """
import sys, time
from wss.training import signals
with signals.Watch() as watch:
    print('ready', flush=True)
    while not watch.asked:
        time.sleep(0.01)
    print('still printing', flush=True)
    print('and reporting', file=sys.stderr, flush=True)
    open(sys.argv[1], 'w').write('saved')
signals.leave(watch.asked)
"""


def test_a_run_whose_terminal_is_gone_can_still_print_and_save(tmp_path):
    process, terminal = pty.fork()
    if not process:
        command = [sys.executable, '-c', PROGRAM, str(tmp_path / 'saved')]
        os.execve(sys.executable, command, os.environ | {'PYTHONPATH': os.getcwd()})
    assert b'ready' in os.read(terminal, 100)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert (tmp_path / 'saved').read_text() == 'saved'
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP


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
