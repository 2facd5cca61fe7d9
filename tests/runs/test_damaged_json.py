"""Whatever the JSON files of a run hold, an error is one sentence that names the file."""

import json

import pytest
import tensorflow as tf
import tf_keras as keras

from wss.datasets.files import whole
from wss.datasets.info import DatasetInfo
from wss.datasets.lists.selection import Choice
from wss.datasets.records import description
from wss.runs import folder as run_folder
from wss.runs import lists as run_lists
from wss.runs import record as run_record
from wss.runs.checkpoints import Checkpoints

INFO = DatasetInfo('toys', ('ground', 'car'), ((0, 0, 0), (255, 0, 0)))
# What no file holds, whatever it is for.
NEVER = {
    'empty': b'',
    'cut off': b'{"a": [1, ',
    'no JSON': b'step: 3',
    'null bytes': b'\0' * 100,
    'not UTF-8': b'{"a": "\xff"}',
    'UTF-16': '{"a": 1}'.encode('utf-16'),
    'infinite': b'[{"step": 1e400, "miou": 0.5}]',
    'minus infinite': b'{"a": -Infinity}',
    'NaN': b'{"a": [NaN]}',
    'huge': b'{"a": ' + b'9' * 30 + b'}',
    'too many digits': b'{"a": ' + b'9' * 10**4 + b'}',
    'deep': b'[' * 10**5 + b']' * 10**5,
    'deep dicts': b'{"a": ' * 500 + b'1' + b'}' * 500,
    'deep without end': b'[' * 10**6,
    'half a character': b'{"a": "\\ud800"}',
    'half a key': b'{"\\udfff": 1}',
}
# Right as JSON, but not as one of the files.
OTHER = [
    3,
    'a',
    None,
    True,
    [],
    [[]],
    {'a': 1},
    [1],
    ['a'],
    {'sessions': 3},
    [{'step': []}],
    {'': {}},
]
OTHERS = {f'value {i}': json.dumps(value).encode() for i, value in enumerate(OTHER)}


def scores(folder):
    (folder / 'checkpoints').mkdir()
    saved = Checkpoints(folder, keras.Sequential([keras.layers.Dense(1)]))
    return folder / 'checkpoints' / 'scores.json', saved.resume


def streams(folder):
    (folder / 'checkpoints').mkdir()
    chosen = {'labelled': (Choice('train'), ('a', 'b'))}
    return folder / 'lists.json', lambda: run_lists.check(folder, chosen)


def dataset(folder):
    return folder / 'dataset.json', lambda: run_folder.read_description(folder)


def classes(folder):
    return folder / 'classes.json', lambda: description.read(str(folder))


@pytest.mark.parametrize('content', NEVER.values(), ids=NEVER)
@pytest.mark.parametrize('kind', [streams, dataset, classes])
def test_what_no_file_holds_is_named(tmp_path, kind, content):
    path, read = kind(tmp_path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'\.json is damaged: [^\n]{5,300}; [^\n]*\.$') as caught:
        read()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('content', OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize('kind', [dataset, classes])
def test_other_values_are_named(tmp_path, kind, content):
    test_what_no_file_holds_is_named(tmp_path, kind, content)


@pytest.mark.parametrize('content', [*NEVER.values(), b'3', b'[{"step": 1.5, "miou": 0}]', b'{}x'])
def test_damaged_scores_are_named(tmp_path, content):
    path, resume = scores(tmp_path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'scores\.json is damaged: [^\n]*; restore it, or delete'):
        resume()


@pytest.mark.parametrize('content', [*NEVER.values(), b'3', b'[]', b'{}', b'{"sessions": {}}'])
def test_a_damaged_record_of_a_run_is_warned_of_and_replaced(tmp_path, content):
    (tmp_path / 'run.json').write_bytes(content)
    run = run_record.recorded(tmp_path, '', tf.distribute.get_strategy())
    with pytest.warns(UserWarning, match=r'run\.json is damaged: .*; the sessions in it are'), run:
        pass
    sessions = json.loads((tmp_path / 'run.json').read_text())['sessions']
    assert [one['state'] for one in sessions] == ['finished']


def test_what_is_written_is_read(tmp_path):
    run_folder.write_description(tmp_path, INFO, (65, 97))
    assert run_folder.read_description(tmp_path)[:2] == (INFO, (65, 97))
    value = {'a': [1, -2.5, None, True, 'ä\U0001f600', {'b': {'c': [[0]]}}], '\u00e9': 2**62}
    whole.write_json(tmp_path / 'x.json', value)
    assert whole.load_json(tmp_path / 'x.json', 'none') == value
    with pytest.raises(FileNotFoundError, match=r'y\.json does not exist'):
        whole.load_json(tmp_path / 'y.json', 'none')
    with pytest.raises(OSError, match='cannot be read'):
        whole.load_json(tmp_path, 'none')
