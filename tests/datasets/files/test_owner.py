import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from wss.datasets.files import owner

# Owns a file until its input ends.
PROGRAM = """
import sys, time
from wss.datasets.files import owner
owner.SETTLING, owner.RENEWAL, owner.SILENCE = 0.3, 0.1, 3.0
if sys.argv[2:] == ['together']:  # Imports may take seconds more in one of two processes.
    print('ready', flush=True)
    sys.stdin.readline()
try:
    with owner.only_one(sys.argv[1]):
        print('owned', flush=True)
        time.sleep(0.6)
        if sys.argv[2:]:
            sys.stdin.read()
except owner.Owned as error:
    print('refused', error.owner, flush=True)
"""


@pytest.fixture(params=['local', 'file://', 'without locks'])
def lock(request, tmp_path, monkeypatch):
    """A path, on a disk with locks of the system, and where files are the only way."""
    monkeypatch.setattr(owner, 'SETTLING', 0.1)
    monkeypatch.setattr(owner, 'RENEWAL', 0.1)
    monkeypatch.setattr(owner, 'SILENCE', 1.5)
    if request.param == 'without locks':

        class NoLocks:
            LOCK_EX = LOCK_NB = 0

            def flock(self, *_):
                raise OSError(95, 'Operation not supported')

        monkeypatch.setattr(owner, 'fcntl', NoLocks())
    place = 'file://' if request.param == 'file://' else ''
    return f'{place}{tmp_path}/.lock'


def test_one_at_a_time(lock):
    with owner.only_one(lock), pytest.raises(owner.Owned) as refused, owner.only_one(lock):
        pass
    assert refused.value.owner.startswith(f'process {os.getpid()} on {socket.gethostname()}, since')
    with owner.only_one(lock):
        pass


def test_an_error_releases_it(lock):
    with pytest.raises(ZeroDivisionError), owner.only_one(lock):
        _ = 1 / 0
    with owner.only_one(lock):
        pass


def start(path, *more):
    return subprocess.Popen(
        [sys.executable, '-c', PROGRAM, path, *more],
        env=os.environ | {'PYTHONPATH': os.getcwd(), 'TF_CPP_MIN_LOG_LEVEL': '3'},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize('place', ['', 'file://'])
def test_a_killed_owner_is_replaced_at_once(tmp_path, place):
    path = f'{place}{tmp_path}/.lock'
    process = start(path, 'wait')
    assert process.stdout.readline() == 'owned\n'
    with pytest.raises(owner.Owned, match=f'process {process.pid} on'), owner.only_one(path):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    began = time.monotonic()
    with owner.only_one(path):
        assert time.monotonic() - began < owner.SETTLING + 1


@pytest.mark.parametrize('place', ['', 'file://'])
def test_of_two_that_start_together_one_wins(tmp_path, place):
    path = f'{place}{tmp_path}/.lock'
    both = [start(path, 'together') for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ['ready\n'] * 2
    for process in both:
        process.stdin.write('go\n')
        process.stdin.flush()
    # The owner stays until its input ends, which is after the answer of the other.
    said = [read_answer(process) for process in both]
    for process in both:
        process.communicate()
    assert sorted(said) == ['owned', 'refused']


def read_answer(process):
    """Returns the first word of a process that says whether it owns the file."""
    words = (line.split()[0] for line in process.stdout)
    return next(word for word in words if word in ('owned', 'refused'))


def test_a_file_that_is_being_renewed_is_never_seen_empty(lock):
    """An empty file would be taken for that of no owner, and two would own it."""
    ended = threading.Event()

    def renew():
        count = 0
        while not ended.is_set():
            count += 1
            write(lock, renewed=count)

    write(lock)
    thread = threading.Thread(target=renew)
    thread.start()
    seen = [owner._read(lock) for _ in range(300)]
    ended.set()
    thread.join()
    assert all(seen)


def write(lock, **changes):
    record = {**owner._myself(), 'token': 'other', 'renewed': 3, **changes}
    owner._write(lock, record)


def test_a_process_of_the_same_number_is_not_taken_for_the_owner(lock):
    """Numbers of processes are used again."""
    write(lock, started=1)
    began = time.monotonic()
    with owner.only_one(lock):
        assert time.monotonic() - began < 1


@pytest.mark.parametrize('changes', [{'host': 'other'}, {'boot': 'other'}, {'boot': None}])
def test_an_owner_elsewhere_is_watched_for_a_sign_of_life(tmp_path, monkeypatch, changes, capsys):
    monkeypatch.setattr(owner, 'SETTLING', 0.1)
    monkeypatch.setattr(owner, 'RENEWAL', 0.1)
    monkeypatch.setattr(owner, 'SILENCE', 0.5)
    lock = f'file://{tmp_path}/.lock'
    write(lock, **changes)
    with owner.only_one(lock):
        assert json.loads((tmp_path / '.lock').read_text())['process'] == os.getpid()
    assert 'waiting up to' in capsys.readouterr().out

    write(lock, **changes)
    alive = threading.Timer(0.1, lambda: write(lock, **changes, renewed=4))
    alive.start()
    with pytest.raises(owner.Owned), owner.only_one(lock):
        pass
    alive.join()


@pytest.mark.parametrize('content', ['', 'null', '{', '[1]', '{"process": "x"}', '\0\xff'])
def test_a_damaged_file_names_nobody(lock, content):
    with owner.tf.io.gfile.GFile(lock, 'w') as file:
        file.write(content)
    with owner.only_one(lock):
        pass


def test_a_look_changes_nothing(tmp_path):
    path = tmp_path / '.lock'
    owner.check_free(path)
    assert not path.exists()
    with owner.only_one(path):
        before = path.read_text()
        with pytest.raises(owner.Owned, match=str(os.getpid())):
            owner.check_free(path)
        assert path.read_text() == before
    owner.check_free(path)
    assert path.read_text() == ''
