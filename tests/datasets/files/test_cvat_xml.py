"""Masks from the XML file of CVAT for images."""

import logging

import numpy as np
import pytest

from tests.datasets import two_photos
from tests.datasets.two_photos import CLASSES, HEIGHT, WIDTH, box, write_images
from wss.datasets.files import cvat_xml, drawn
from wss.datasets.folder import Folder
from wss.datasets.survey import looking

BOX = 'xtl="2" ytl="1" xbr="6" ybr="5"'  # Columns 2 to 5, rows 1 to 4.
POLYGON = '<polygon label="cat" points="2.0,1.0;6,1;6,5;2,5"/>'


def write(folder, *shapes, others='', head=''):
    """A file of two images; the shapes are those of the first."""
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    path = folder / 'annotations.xml'
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>{head}<annotations><version>1.1</version>'
        f'<image id="0" name="a.jpg" {size}>{"".join(shapes)}</image>'
        f'<image id="1" name="deep/b.png" {size}>{others}</image></annotations>'
    )
    return str(path)


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path)
    return tmp_path


def labels(folder, path, position=0, **options):
    return two_photos.labels(Folder(str(folder / 'images'), CLASSES, path, **options), position)


@pytest.mark.parametrize('check', ['full', 'headers'])
@pytest.mark.parametrize(
    'shape',
    [
        POLYGON,
        f'<box label="cat" {BOX}/>',
        f'<box label="cat" {BOX} rotation="90"/>',  # A square.
        '<mask label="cat" rle="0,16" left="2" top="1" width="4" height="4"/>',
    ],
)
def test_regions(folder, shape, check):
    path = write(folder, shape)
    np.testing.assert_array_equal(labels(folder, path, check=check), box(1))
    assert (labels(folder, path, 1) == 0).all()
    assert (labels(folder, path, 1, has_background=False) == 255).all()


def test_the_runs_of_a_mask_go_along_its_rows(folder):
    """Rows 2 and 3, columns 7 to 9: the first pixel is outside, then four are inside."""
    path = write(folder, '<mask label="dog" rle="1, 4, 1" left="7" top="2" width="3" height="2"/>')
    expected = np.zeros([HEIGHT, WIDTH])
    expected[2, 8:] = expected[3, 7:9] = 2
    np.testing.assert_array_equal(labels(folder, path), expected)
    corner = '<mask label="dog" rle="0,1,1" left="0" top="0" width="2" height="1"/>'
    expected[:] = 0
    expected[0, 0] = 2
    np.testing.assert_array_equal(labels(folder, write(folder, corner)), expected)


def test_a_box_is_turned_clockwise(folder):
    """Centre (5, 4), 6 wide and 2 high: turned by 90 degrees it is 2 wide and 6 high."""
    flat = 'label="cat" xtl="2" ytl="3" xbr="8" ybr="5"'
    expected = np.zeros([HEIGHT, WIDTH])
    expected[1:7, 4:6] = 1
    path = write(folder, f'<box {flat} rotation="90"/>')
    np.testing.assert_array_equal(labels(folder, path), expected)
    turned = labels(folder, write(folder, f'<box {flat} rotation="30"/>'))
    assert turned[5, 6] == 1 and turned[5, 3] == 0  # The right end sinks.


def test_an_ellipse(folder):
    found = labels(folder, write(folder, '<ellipse label="dog" cx="5" cy="4" rx="4" ry="2"/>')) == 2
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.hypot((x - 5) / 4, (y - 4) / 2)
    assert found[distance < 0.75].all() and not found[distance > 1.25].any()


def test_higher_and_later_regions_lie_above(folder):
    whole = 'xtl="0" ytl="0" xbr="10" ybr="8"'
    later = write(folder, f'<box label="dog" {whole}/>', POLYGON)
    np.testing.assert_array_equal(labels(folder, later), box(1, outside=2))
    higher = write(folder, f'<box label="cat" {BOX} z_order="1"/>', f'<box label="dog" {whole}/>')
    np.testing.assert_array_equal(labels(folder, higher), box(1, outside=2))
    lower = write(folder, f'<box label="dog" {whole} z_order="3"/>', POLYGON)
    assert (labels(folder, lower) == 2).all()
    ignored = write(folder, POLYGON, '<box label="__ignore__" xtl="0" ytl="0" xbr="10" ybr="3"/>')
    expected = box(1)
    expected[:3] = 255
    np.testing.assert_array_equal(labels(folder, ignored), expected)


def test_what_covers_no_area_is_left_out_with_a_warning(folder, caplog):
    shapes = POLYGON, '<tag label="dog"/>', '<points label="dog" points="1,1"/>', '<tag label="x"/>'
    path = write(folder, *shapes)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(labels(folder, path), box(1))
    assert 'shapes that cover no area are left out: 2 tag, 1 points.' in caplog.text
    assert cvat_xml.labels_of(path) == {'cat'}


@pytest.mark.parametrize(
    ('shape', 'words'),
    [
        ('<box label="cow" xtl="0" ytl="0" xbr="1" ybr="1"/>', 'has the labels cow, which are no'),
        ('<box label="cat" xtl="0" ytl="0" xbr="1"/>', r'the box 0 \(cat\) is damaged'),
        ('<box label="cat" xtl="0" ytl="nan" xbr="1" ybr="2"/>', r'the box 0 \(cat\) is damaged'),
        ('<polygon label="cat" points="1,2;3,4"/>', r'image a\.jpg: the polygon 0 \(cat\) is dam'),
        ('<polygon label="cat" points="1,2;3,4;5"/>', 'the polygon 0'),
        ('<polygon label="cat" points="1,2;3,4;1e9,3"/>', 'the polygon 0'),
        ('<polygon label="cat"/>', 'the polygon 0'),
        ('<mask label="cat" rle="3" left="0" top="0" width="2" height="2"/>', 'the mask 0'),
        ('<mask label="cat" rle="-2,6" left="0" top="0" width="2" height="2"/>', 'the mask 0'),
        ('<mask label="cat" rle="4" left="9" top="0" width="2" height="2"/>', 'the mask 0'),
        ('<mask label="cat" rle="4" left="0" top="0" width="-2" height="-2"/>', 'the mask 0'),
    ],
)
def test_other_shapes_are_refused(folder, shape, words):
    with pytest.raises(ValueError, match=words):
        labels(folder, write(folder, shape))


def test_other_files_are_refused(folder):
    path = write(folder, POLYGON)
    text = (folder / 'annotations.xml').read_text()
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    cases = (
        (text[:-20], 'is damaged: it is not XML'),
        (text.replace('annotations>', 'note>'), 'is not a file of "CVAT for images"'),
        (text.replace('deep/b.png', 'a.jpg'), r'has two images of the name a\.jpg'),
        (text.replace(size, 'width="10"'), 'has an image without name, height or width'),
        (text.replace(size, 'width="99999" height="99999"'), r'image a\.jpg is too large: 99999x'),
        ('<annotations/>', 'names no image'),
        (write_entities(folder), 'has a document type'),
    )
    for content, words in cases:
        (folder / 'annotations.xml').write_text(content)
        with pytest.raises(ValueError, match=words):
            labels(folder, path)
    (folder / 'annotations.xml').write_bytes(text.encode('utf-16'))
    with pytest.raises(ValueError, match='is not text in UTF-8'):
        labels(folder, path)
    with pytest.raises(FileNotFoundError, match=r'none\.xml does not exist'):
        labels(folder, str(folder / 'none.xml'))


def write_entities(folder):
    """A file that would take a gigabyte, if its entities were replaced."""
    lines = ''.join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE x [<!ENTITY a0 "0123456789">{lines}]>'
    write(folder, head=head, others='&a9;')
    return (folder / 'annotations.xml').read_text()


def test_a_survey_reads_it(folder):
    path = write(folder, POLYGON, others='<box label="dog" xtl="0" ytl="0" xbr="1" ybr="1"/>')
    seen = looking.look(str(folder / 'images'), path)
    assert seen.class_names == CLASSES and not seen.problems
    assert seen.totals()[1] == (16, 1) and seen.totals()[2] == (1, 1)
    assert drawn.is_drawn(f'{path}#a.jpg') and not drawn.is_drawn(path)
