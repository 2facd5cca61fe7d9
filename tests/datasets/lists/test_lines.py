"""Lists as other programs write them: read where they mean one thing, else told the form."""

import codecs

import pytest

from wss.datasets.examples import SelectionError
from wss.datasets.lists import ids as id_lists
from wss.datasets.lists import lines

KNOWN = ('2007_000032', 's 1', 'seq1/0001', 'seq2/0001', 'seq2/0002', '#x', 'a', 'a_b', 'Caf\u00e9')


def match(*ids):
    return id_lists.match_ids(ids, KNOWN)


@pytest.mark.parametrize(
    ('line', 'name'),
    [
        ('JPEGImages/2007_000032.jpg SegmentationClassAug/2007_000032.png', '2007_000032'),
        ('/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png', '2007_000032'),
        ('/data/VOC/JPEGImages/2007_000032.jpg', '2007_000032'),
        ('JPEGImages/2007_000032.jpg,SegmentationClass/2007_000032.png', '2007_000032'),
        ('"JPEGImages/2007_000032.jpg", "SegmentationClass/2007_000032.png"', '2007_000032'),
        ('JPEGImages/2007_000032.jpg\tSegmentationClass/2007_000032.png', '2007_000032'),
        ('2007_000032.jpg;2007_000032.png', '2007_000032'),
        ('2007_000032.jpg,', '2007_000032'),
        ('2007_000032 2007_000032', '2007_000032'),
        ('2007_000032 # the first', '2007_000032'),
        ('C:\\data\\images\\2007_000032.jpg', '2007_000032'),
        ('images\\seq2\\0002.jpg masks\\seq2\\0002.png', 'seq2/0002'),
        ('images/seq1/0001.jpg masks/seq1/0001_mask.png', 'seq1/0001'),
        ('images/seq2/0002.jpg flat/0002.png', 'seq2/0002'),
        ('s 1', 's 1'),
        ('images/s 1.jpg', 's 1'),
        ('s 1.jpg masks/s 1.png', 's 1'),
        ('"images/s 1.jpg" "masks/s 1.png"', 's 1'),
        ('./a.jpg ./a_mask.png', 'a'),
        ("'a'", 'a'),
        ('images/Cafe\u0301.jpg masks/Caf\u00e9.png', 'Caf\u00e9'),
    ],
)
def test_a_line_with_one_meaning_is_read(line, name):
    assert match(line) == (name,)


@pytest.mark.parametrize(
    'line',
    [
        '2007_000032 -1',  # Whether an image shows a class, as in lists of PASCAL VOC.
        '2007_000032  1',
        'a a_b s',
        'a,b',
        '0001.jpg',  # Of which folder?
        'other/0001.jpg',
        'images/nothing.jpg masks/a.png',
        'images/nothing.jpg masks/nothing.png',
        '0,a.jpg,a.png',
        'a' * 10000,
    ],
)
def test_other_lines_are_refused_with_the_form(line):
    assert match(line) == (line,)
    with pytest.raises(SelectionError, match='1 ids of the list are not in the dataset') as caught:
        id_lists.narrow([line], KNOWN)
    assert line[:90] in str(caught.value) and len(str(caught.value)) < 500
    assert (lines.FORM in str(caught.value)) == any(sign in line for sign in ' ,/')


def test_lists_of_cityscapes_are_read():
    image = 'leftImg8bit/train/aachen/aachen_0_19_leftImg8bit.png'
    mask = 'gtFine/train/aachen/aachen_0_19_gtFine_labelTrainIds.png'
    for name in ('aachen_0_19', 'aachen/aachen_0_19', 'train/aachen/aachen_0_19'):
        known = (name, 'bochum_0_19')
        assert id_lists.narrow([f'{image} {mask}'], known) == (name,)
        assert id_lists.narrow([image], known) == (name,)


def test_the_mask_of_another_image_is_refused():
    with pytest.raises(SelectionError, match=r'names masks/a_b\.png as the mask of a, but'):
        match('images/a.jpg masks/a_b.png')
    with pytest.raises(
        SelectionError, match=r'names masks/seq2/0001\.png as the mask of seq1/0001'
    ):
        match('images/seq1/0001.jpg masks/seq2/0001.png')


def test_comments_and_headings_are_left_out_unless_they_are_ids():
    assert match('# labelled by hand', '#x', 'a  # the best', '#') == ('#x', 'a')
    assert match('image,mask', 'a.jpg,a.png', 'a_b.jpg,a_b.png') == ('a', 'a_b')
    assert match('image_path', 'a.jpg') == ('a',)
    assert match('a', 'image') == ('a', 'image')
    assert id_lists.match_ids(['id', 'name'], ['id', 'name']) == ('id', 'name')


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be'])
def test_text_of_other_systems_is_read(tmp_path, encoding):
    marks = {'utf-16-le': codecs.BOM_UTF16_LE, 'utf-16-be': codecs.BOM_UTF16_BE}
    path = tmp_path / 'list.txt'
    text = 'a.jpg  \r\n\r\nCafe\u0301.jpg\r\n# none\r\n# none\r\n'
    path.write_bytes(marks.get(encoding, b'') + text.encode(encoding))
    assert match(*id_lists.read_ids(path)) == ('a', 'Caf\u00e9')


@pytest.mark.parametrize('content', ['a\r\nb'.encode('utf-16-le'), 'é'.encode('latin-1'), b'a\0b'])
def test_what_is_no_text_is_told_to_be_saved_as_utf_8(tmp_path, content):
    path = tmp_path / 'list.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'list\.txt is not a text file in UTF-8; save it as one'):
        id_lists.read_ids(path)
