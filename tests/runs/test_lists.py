import hashlib
import json

import pytest

from wss.datasets.lists import official as official_lists
from wss.datasets.lists.selection import Choice
from wss.runs import lists as run_lists


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def streams(tmp_path):
    """A labelled stream of a list, and all of a split."""
    (tmp_path / 'list.txt').write_bytes(b'a\r\nx/b\r\nc\r\n')
    choice = Choice('train', str(tmp_path / 'list.txt'), 2, 5, True)
    return {'labelled': (choice, ('a', 'c')), 'unlabelled': (Choice('all'), ('a', 'x/b', 'c'))}


@pytest.fixture
def workdir(tmp_path, streams):
    """The folder of a run that began to train."""
    folder = tmp_path / 'run'
    (folder / 'checkpoints').mkdir(parents=True)
    run_lists.write(folder, streams)
    return folder


def changed(streams, *ids):
    return streams | {'labelled': (streams['labelled'][0], ids)}


def test_the_record_says_where_ids_come_from(tmp_path, workdir):
    assert json.loads((workdir / 'lists.json').read_text()) == {
        'labelled': {
            'split': 'train',
            'list': {
                'path': str(tmp_path / 'list.txt'),
                'sha256': digest(b'a\r\nx/b\r\nc\r\n'),
                'official': None,
            },
            'sample': {'amount': 2, 'seed': 5, 'every_class': True},
            'count': 2,
            'sha256': digest(b'a\nc\n'),
        },
        'unlabelled': {
            'split': 'all',
            'list': None,
            'sample': None,
            'count': 3,
            'sha256': digest((workdir / 'unlabelled.txt').read_bytes()),
        },
    }
    assert (workdir / 'labelled.txt').read_bytes() == b'a\nc\n'


def test_a_published_list_is_known_by_its_content(tmp_path, streams, monkeypatch):
    known = official_lists.Published('p/toy.txt', digest(b'a\r\nx/b\r\nc\r\n'), 3)
    monkeypatch.setitem(official_lists.LISTS, 'voc/toy', known)
    record = run_lists.describe(*streams['labelled'])
    assert record['list']['official'] == {'name': 'voc/toy', 'url': known.url}


def test_the_same_ids_resume(workdir, streams, tmp_path):
    run_lists.check(workdir, streams)
    run_lists.check(workdir, {'labelled': streams['labelled']})
    run_lists.check(tmp_path / 'new', changed(streams, 'z'))
    (workdir / 'checkpoints').rmdir()  # Nothing was learned yet.
    run_lists.check(workdir, changed(streams, 'z'))


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        (('a', 'z'), r'list.txt gives now \(1 ids are new and 1 are missing, such as z\)'),
        (
            ('a',),
            r'\(0 ids are new and 1 are missing, such as c\)\. Give another --workdir',
        ),
        (('c', 'a'), r'\(the same in another order\)'),
    ],
)
@pytest.mark.parametrize('recorded', [True, False])
def test_other_ids_are_refused(workdir, streams, ids, message, recorded):
    if not recorded:
        (workdir / 'lists.json').unlink()
    with pytest.raises(ValueError, match=message) as caught:
        run_lists.check(workdir, changed(streams, *ids))
    assert 'holds a run of other labelled images' in str(caught.value)
    assert 'another --workdir' in str(caught.value)
    other = streams | {'unlabelled': (Choice('all'), ('a',))}
    with pytest.raises(ValueError, match=r"unlabelled images than split 'all' gives now"):
        run_lists.check(workdir, other)


def test_the_record_counts_and_not_a_file_that_was_edited(workdir, streams):
    (workdir / 'labelled.txt').write_text('z\n')
    run_lists.check(workdir, streams)
    with pytest.raises(ValueError, match='other labelled images'):
        run_lists.check(workdir, changed(streams, 'z'))


@pytest.mark.parametrize('content', ['{', '[]x', '{"labelled": 3}', '{"labelled": {}}', '[1]'])
def test_a_damaged_record_is_named(workdir, streams, content):
    (workdir / 'lists.json').write_text(content)
    with pytest.raises(ValueError, match=r'lists.json is damaged: .*; restore it'):
        run_lists.check(workdir, streams)


def test_validation_images_are_recorded_too(tmp_path, streams):
    streams = {**streams, 'validation': (Choice('val'), ('v', 'w'))}
    (tmp_path / 'run' / 'checkpoints').mkdir(parents=True)
    run_lists.write(tmp_path / 'run', streams)
    run_lists.check(tmp_path / 'run', streams)
    streams['validation'] = (Choice('val'), ('v',))
    with pytest.raises(ValueError, match=r"other validation images than split 'val' gives now"):
        run_lists.check(tmp_path / 'run', streams)
