"""Texts of other libraries as they are, and the one plain line that is made of them."""

import io

import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.files import reasons


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('broken data stream', 'broken data stream'),
        ("broken PNG file (chunk b'IDAT').", "broken PNG file (chunk 'IDAT')"),
        ('unknown chunk b"x"', 'unknown chunk "x"'),
        ("class 'b' is not 'a'", "class 'b' is not 'a'"),
        ('cannot identify image file <_io.BytesIO object at 0x7f01>', 'cannot identify image file'),
        (
            '{{function_node __wrapped__ReadFile_device_/job:localhost}} a/b.png; No such file or '
            'directory [Op:ReadFile]',
            'a/b.png; No such file or directory',
        ),
        (
            'Incompatible shapes: [2] vs. [3]\n\t [[{{node add}}]]\n\t [[Other]] [Op:add]',
            'Incompatible shapes: [2] vs. [3]',
        ),
        (
            "Graph execution error:\n\nDetected at node 'x' defined at (most recent call last):\n  "
            'File "a.py"',
            'Graph execution error:',
        ),
        ('first\n  second\tthird', 'first second third'),
        ('no such op [Op:IteratorGetNext] name: next', 'no such op'),
        ('', 'ValueError'),
        ('x' * 400, 'x' * 300 + ' ...'),
    ],
)
def test_reasons_are_one_plain_line(text, expected):
    assert reasons.reason(ValueError(text)) == expected


def test_errors_of_the_system_name_their_file():
    assert reasons.reason(OSError(13, 'Permission denied', b'/x')) == 'Permission denied: /x'
    assert reasons.reason(OSError(28, 'No space left on device')) == 'No space left on device'


def test_errors_that_are_raised_by_the_libraries(tmp_path):
    with pytest.raises(tf.errors.OpError) as missing:
        tf.io.read_file(str(tmp_path / 'none.png'))
    with pytest.raises(tf.errors.OpError) as damaged:
        next(iter(tf.data.Dataset.range(1).map(lambda i: tf.io.decode_png(tf.as_string(i)))))
    with pytest.raises(OSError) as strange:
        Image.open(io.BytesIO(b'no image'))
    for caught in (missing, damaged, strange):
        text = reasons.reason(caught.value)
        assert text and not any(mark in text for mark in ('{{', '[[', '[Op:', '\n', '0x'))


@pytest.mark.parametrize(
    'text',
    [
        'Folder.colours is [[0, 0, 0], [1, 1, 1]]; it must be three.',
        "Folder.images is b'photos'; it must be a text.",
        'X is <a.B object at 0x7f01>; it must be a number.',
        "{'a': {'b': 1}} is not known.",
    ],
)
def test_our_own_sentences_stay_as_they_are(text):
    assert reasons.one_line(text) == text


def test_long_names_are_cut_off_and_many_are_not_listed():
    assert reasons.list_some(['a', 'b']) == 'a, b'
    assert reasons.list_some(map(str, range(6))) == '0, 1, 2, 3, 4, ...'
    assert reasons.list_some(['a', 'x' * 5000]) == f'a, {"x" * 300} ...'
