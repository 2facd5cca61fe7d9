import datetime
import json
import pathlib
import subprocess

import pytest
import tensorflow as tf

from wss.runs import record as run_record

STRATEGY = tf.distribute.get_strategy()


def read(folder):
    return json.loads((folder / 'run.json').read_text())


def test_a_run_from_start_to_end(tmp_path):
    with run_record.recorded(tmp_path, 'run.steps = 4\nx.y = [1,\n  2]\n', STRATEGY) as notes:
        begun = read(tmp_path)
        assert (begun['state'], begun['ended'], begun['result']) == ('running', None, None)
        notes['first_step'], notes['result'] = 0, {'steps': 4}
    ended = read(tmp_path)
    assert (ended['state'], ended['result']) == ('finished', {'steps': 4})
    assert ended['configuration'] == {'run.steps': '4', 'x.y': '[1, 2]'}
    assert ended['versions']['tensorflow'] == tf.__version__
    assert (ended['devices']['replicas'], len(ended['sessions'])) == (1, 1)
    assert ended['sessions'][0]['cpu_seconds'] >= 0
    times = [datetime.datetime.fromisoformat(ended[name]) for name in ('started', 'ended')]
    assert times[0] <= times[1] and times[0].tzinfo


@pytest.mark.parametrize(
    ('error', 'state'),
    [
        (SystemExit(143), 'stopped'),
        (SystemExit(75), 'lost'),
        (KeyboardInterrupt(), 'stopped'),
        (ValueError('the disk'), 'failed'),
    ],
)
def test_a_run_that_does_not_end_well_says_how(tmp_path, error, state):
    with pytest.raises(type(error)), run_record.recorded(tmp_path, '', STRATEGY) as notes:
        notes['first_step'] = 3
        raise error
    record = read(tmp_path)
    assert record['state'] == state and record['ended'] and record['result'] is None
    assert record['sessions'][0].get('error') == (
        'ValueError: the disk' if state == 'failed' else None
    )
    with run_record.recorded(tmp_path, '', STRATEGY) as notes:
        notes['first_step'] = 5
    record = read(tmp_path)
    assert [one['state'] for one in record['sessions']] == [state, 'finished']
    assert [one['first_step'] for one in record['sessions']] == [3, 5]
    assert record['started'] == record['sessions'][0]['started']


def test_a_session_that_was_killed(tmp_path):
    recorded = run_record.recorded(tmp_path, '', STRATEGY)
    recorded.__enter__()
    assert read(tmp_path)['state'] == 'running'
    with run_record.recorded(tmp_path, '', STRATEGY):
        pass
    assert [one['state'] for one in read(tmp_path)['sessions']] == ['killed', 'finished']


def test_a_damaged_record_is_replaced(tmp_path):
    (tmp_path / 'run.json').write_text('{"sessions": ')
    with run_record.recorded(tmp_path, '', STRATEGY):
        pass
    assert len(read(tmp_path)['sessions']) == 1


def test_the_git_revision(tmp_path, monkeypatch):
    assert (pathlib.Path(run_record.__file__).parents[2] / 'wss').is_dir()
    package = tmp_path / 'wss' / 'runs'
    package.mkdir(parents=True)
    monkeypatch.setattr(run_record, '__file__', str(package / 'record.py'))
    assert run_record.git_revision() is None
    (tmp_path / 'REVISION').write_text('abc+\n')
    assert run_record.git_revision() == 'abc+'

    def git(*arguments):
        identity = ('-c', 'user.name=a', '-c', 'user.email=a@b')
        command = ['git', '-C', str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git('init')
    (tmp_path / 'file').write_text('1')
    git('add', 'file')
    git('commit', '-m', 'one')
    revision = git('rev-parse', 'HEAD')
    assert run_record.git_revision() == revision
    (tmp_path / 'file').write_text('2')
    assert run_record.git_revision() == revision + '+'


@pytest.mark.parametrize('sessions', ['"abc"', '[1, {}]', '3', 'null'])
def test_sessions_of_a_damaged_record_are_left_out(tmp_path, sessions):
    (tmp_path / 'run.json').write_text(f'{{"sessions": {sessions}}}')
    with run_record.recorded(tmp_path, '', STRATEGY):
        pass
    assert [one['state'] for one in read(tmp_path)['sessions']] == ['finished']
