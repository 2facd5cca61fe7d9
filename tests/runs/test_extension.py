import json

import pytest

from wss.runs import extension
from wss.runs.configuration import Configuration


def make_run(folder, record, steps=(2, 4)):
    last = folder / 'checkpoints' / 'last'
    last.mkdir(parents=True)
    for step in steps:
        (last / f'ckpt-{step}.index').write_bytes(b'')
    if record is not None:
        (folder / 'run.json').write_text(record if isinstance(record, str) else json.dumps(record))
    return folder


def test_a_new_run_has_the_steps_that_are_wanted(tmp_path):
    assert extension.plan(tmp_path / 'new', 5, 'restart') == extension.Extent(5)


BEFORE = [
    {'steps': 4, 'restarts': []},
    {'result': {'steps': 4}},
    {'result': None, 'configuration': {'schedule.Schedule.steps': '4', 'Other.steps': '9'}},
]


@pytest.mark.parametrize('record', BEFORE)
def test_more_steps_start_where_the_run_has_come_to(tmp_path, record):
    folder = make_run(tmp_path / 'run', record)
    extent = extension.plan(folder, 10, 'restart')
    assert extent == extension.Extent(10, ((4, 10),), is_new=True)
    assert extent.first_step == 4
    assert not extension.plan(folder, 4, 'restart').is_new
    assert not extension.plan(folder, 3, 'restart').is_new
    assert not extension.plan(folder, 10, None).is_new


def test_an_extended_run_resumes_and_can_be_extended_again(tmp_path):
    noted = extension.Extent(10, ((4, 10),), is_new=True).noted()
    folder = make_run(tmp_path / 'run', noted, steps=(6, 7))
    assert extension.plan(folder, 10, 'restart') == extension.Extent(10, ((4, 10),))
    again = extension.plan(folder, 12, 'restart')
    assert again == extension.Extent(12, ((4, 10), (7, 12)), is_new=True)


@pytest.mark.parametrize(
    'record', [None, '{', '[]', '{"steps": "4", "restarts": []}', '{"steps": 4}', '{"steps": -1}']
)
def test_a_run_whose_steps_are_unknown_is_not_extended(tmp_path, record):
    folder = make_run(tmp_path / 'run', record)
    with pytest.raises(ValueError, match=r'run\.json is missing or damaged'):
        extension.plan(folder, 10, 'restart')
    assert extension.plan(folder, 10, None) == extension.Extent(10)


def test_only_an_extension_may_change_the_steps():
    text = "schedule.Schedule.steps = 10\nschedule.Schedule.extend = 'restart'\nOther.steps = 3\n"
    configuration = Configuration(text, frozenset({'Schedule.log_every'}))
    new = extension.Extent(10, ((4, 10),), is_new=True)
    expected = {'Schedule.log_every', 'schedule.Schedule.steps'}
    assert extension.allowed(configuration, new).may_change == expected
    assert extension.allowed(configuration, extension.Extent(10)) == configuration
