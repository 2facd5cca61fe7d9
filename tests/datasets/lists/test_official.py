import hashlib
import http.client
import io
import pathlib
import urllib.error
import urllib.request

import pytest

from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import official as official_lists

SHARED = pathlib.Path(__file__).resolve().parents[4] / 'shared' / 'splits'
CONTENT = b'2008_000002\n2008_000009\n'
# Published counts: Zou et al., 2021, and the table of splits in the authors' program.
COUNTS = {
    'voc/2_clean': 732,
    'voc/4_clean': 366,
    'voc/8_clean': 183,
    'voc/16_clean_3': 92,
    'voc/16_clean_14': 92,
    'voc/16_clean_20': 92,
    'coco/32_all': 3697,
    'coco/64_all': 1849,
    'coco/128_all': 925,
    'coco/256_all': 463,
    'coco/512_all': 232,
}


@pytest.fixture
def toy(monkeypatch):
    """A list `voc/toy` of two ids."""
    known = official_lists.Published(
        'data_splits/pascal_voc_seg/toy.txt', hashlib.sha256(CONTENT).hexdigest(), 2, 'abc'
    )
    monkeypatch.setitem(official_lists.LISTS, 'voc/toy', known)
    return known


@pytest.fixture
def server(monkeypatch):
    """Gives its first answer, or raises it, and notes the address asked for."""
    answers, asked = [], []

    def urlopen(url, timeout):
        asked.append(url)
        answer = answers[0]
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(urllib.request, 'urlopen', urlopen)
    return answers, asked


def test_the_table_has_every_published_list():
    assert {name: known.count for name, known in official_lists.LISTS.items()} == COUNTS
    assert official_lists.LISTS['coco/32_all'].url == (
        'https://raw.githubusercontent.com/googleinterns/wss/'
        '8069dbe8b68b409a891224508f35c6ae5ecec4c9/data_splits/coco/32_all.txt'
    )
    assert official_lists.LISTS['voc/2_clean'].url == (
        'https://raw.githubusercontent.com/googleinterns/wss/'
        'e2879341e87d73ed2b6d866f70c8d72c492e3235/data_splits/pascal_voc_seg/2_clean.txt'
    )


@pytest.mark.skipif(not SHARED.is_dir(), reason=f'{SHARED} is missing')
@pytest.mark.parametrize('name', COUNTS)
def test_the_published_lists_have_their_ids_and_hashes(name, server):
    path = official_lists.find(name, folder=str(SHARED))
    ids = id_lists.read_ids(path)
    assert len(ids) == COUNTS[name]
    assert all(i.startswith('train2017/') for i in ids) == name.startswith('coco/')
    assert official_lists.name_of(hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()) == (
        name
    )


@pytest.mark.parametrize(
    'place',
    ['voc/toy.txt', 'toy.txt', 'pascal_voc_seg/toy.txt', 'data_splits/pascal_voc_seg/toy.txt'],
)
def test_a_folder_is_searched_in_several_layouts(tmp_path, toy, server, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    assert official_lists.find('voc/toy', folder=str(tmp_path)) == str(path)
    assert server[1] == []


def test_a_folder_without_the_list_or_with_another(tmp_path, toy, server):
    with pytest.raises(FileNotFoundError, match=r'none of voc/toy.txt, toy.txt, .* by hand'):
        official_lists.find('voc/toy', folder=str(tmp_path))
    (tmp_path / 'toy.txt').write_bytes(CONTENT + b'2008_000011\n')
    with pytest.raises(ValueError, match=r'toy.txt is not the official list voc/toy of 2 ids'):
        official_lists.find('voc/toy', folder=str(tmp_path))


def test_a_list_is_fetched_once_and_again_if_its_copy_is_damaged(tmp_path, toy, server):
    answers, asked = server
    answers.append(CONTENT)
    path = pathlib.Path(official_lists.find('voc/toy', cache_dir=str(tmp_path / 'new')))
    assert path == tmp_path / 'new' / 'voc' / 'toy.txt'
    assert official_lists.find('voc/toy', cache_dir=str(tmp_path / 'new')) == str(path)
    assert asked == [toy.url]
    path.write_bytes(CONTENT[:5])
    official_lists.find('voc/toy', cache_dir=str(tmp_path / 'new'))
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ['toy.txt']


def test_the_cache_is_where_the_system_has_caches(tmp_path, toy, server, monkeypatch):
    server[0].append(CONTENT)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    assert official_lists.find('voc/toy') == str(tmp_path / 'cache/wss/lists/voc/toy.txt')
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert official_lists.find('voc/toy') == str(tmp_path / '.cache/wss/lists/voc/toy.txt')


@pytest.mark.parametrize(
    ('answer', 'error', 'message'),
    [
        (
            urllib.error.URLError('Name or service not known'),
            OSError,
            'cannot be fetched: Name or service not known. Down',
        ),
        (TimeoutError('timed out'), OSError, 'cannot be fetched: timed out'),
        (http.client.IncompleteRead(b'2008'), OSError, 'cannot be fetched'),
        (b'<html>Please log in</html>', ValueError, 'is not the official list voc/toy: its SHA'),
    ],
)
def test_what_cannot_be_fetched_says_what_to_do(tmp_path, toy, server, answer, error, message):
    server[0].append(answer)
    with pytest.raises(error, match=message) as caught:
        official_lists.find('voc/toy', cache_dir=str(tmp_path / 'cache'))
    assert f'Download {toy.url} by hand' in str(caught.value)
    assert "OfficialList.folder = 'FOLDER'" in str(caught.value)
    assert not (tmp_path / 'cache').exists()


def test_a_cache_that_cannot_be_written(tmp_path, toy, server):
    server[0].append(CONTENT)
    (tmp_path / 'cache').write_text('a file')
    with pytest.raises(OSError, match=r'cannot be written to .*toy.txt: .*OfficialList\.cache_dir'):
        official_lists.find('voc/toy', cache_dir=str(tmp_path / 'cache'))


def test_an_unknown_list():
    with pytest.raises(ValueError, match=r"no official list 'voc/4'; .* voc/4_clean, "):
        official_lists.find('voc/4')
    assert official_lists.name_of('0' * 64) is None
