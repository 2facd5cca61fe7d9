"""Predictions are told from all other files."""

import io
import os

import numpy as np
from PIL import Image

from wss.inference import marks
from wss.results import pictures

LABELS = np.arange(12).reshape(3, 4) % 3
COLOURS = ((0, 0, 0), (255, 0, 0), (0, 0, 255))


def png(labels=LABELS):
    return pictures.encode_mask(labels, COLOURS)


def test_a_marked_mask_is_a_whole_png_file():
    content = marks.mark_png(png())
    assert marks.is_marked_png(content) and not marks.is_marked_png(png())
    Image.open(io.BytesIO(content)).verify()
    with Image.open(io.BytesIO(content)) as mask:
        np.testing.assert_array_equal(np.asarray(mask), LABELS)
        assert mask.mode == 'P'


def test_what_can_be_replaced(tmp_path):
    mask, overlay = tmp_path / 'a.png', tmp_path / 'a_overlay.jpg'
    assert marks.can_be_replaced(mask) and marks.can_be_replaced(overlay)
    marked = marks.mark_png(png())
    for content in (marked, b'', marked[:5], marked[:-3], marked[:-90], png()[:-20]):
        mask.write_bytes(content)
        assert marks.can_be_replaced(mask), content
    # What a person drew, a prediction that a person corrected, and files of other kinds.
    corrected = io.BytesIO()
    with Image.open(io.BytesIO(marked)) as image:
        image.putpixel((0, 0), 2)
        image.save(corrected, 'PNG')
    for content in (png(), png() + b'\n', corrected.getvalue(), b'notes', marked + b'\0'):
        mask.write_bytes(content)
        assert not marks.can_be_replaced(mask), content
    picture = np.zeros([40, 50, 3], np.uint8)
    written, _ = pictures.encode_jpeg(picture, marks.COMMENT)
    for content in (written, b'', written[:2], written[: len(written) // 2]):
        overlay.write_bytes(content)
        assert marks.can_be_replaced(overlay), content
    for content in (pictures.encode_jpeg(picture, b'mine')[0], b'notes'):
        overlay.write_bytes(content)
        assert not marks.can_be_replaced(overlay), content
    (tmp_path / 'folder.png').mkdir()
    (tmp_path / 'link.png').symlink_to('gone.png')
    os.mkfifo(tmp_path / 'pipe.png')
    assert marks.can_be_replaced(tmp_path / 'folder.png')
    assert marks.can_be_replaced(tmp_path / 'link.png')
    assert not marks.can_be_replaced(tmp_path / 'pipe.png')
