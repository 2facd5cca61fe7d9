"""Folders with id lists in the forms that other programs write."""

import numpy as np
import pytest
from PIL import Image

from wss.datasets.folder import Folder

NAMES = ('s0', 's1', 'Gr\u00f6\u00dfe s2')


@pytest.fixture
def photos(tmp_path):
    """Writes images and masks; returns a maker of a `Folder` from the lines of its list."""
    for place in ('images', 'masks'):
        (tmp_path / place).mkdir()
    for i, name in enumerate(NAMES):
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(tmp_path / 'images' / f'{name}.png')
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / 'masks' / f'{name}.png')

    def make(*lines, **settings):
        path = tmp_path / 'train.txt'
        path.write_text('\n'.join(lines), encoding='utf-8')
        return Folder(
            str(tmp_path / 'images'),
            ('background', 'object'),
            str(tmp_path / 'masks'),
            {'train': str(path), 'all': None},
            **settings,
        )

    return make


def test_pairs_of_images_and_masks_are_read(photos):
    folder = photos(*(f'images/{name}.png masks/{name}.png' for name in NAMES))
    assert folder.examples('train').ids == folder.split_ids('train') == NAMES
    assert folder.split_names == ('train', 'all')
    assert sorted(folder.split_ids('all')) == sorted(NAMES)
    # Also those that narrow a split.
    narrowed = folder.examples('all', ids=('masks\\..\\s1.png', 'x/s0.png,y/s0.png'))
    assert narrowed.ids == ('s1', 's0')


def test_a_line_of_another_form_is_told_the_form(photos):
    with pytest.raises(FileNotFoundError, match=r's0\.png s0\.png s0\.png .*A line is an id, the'):
        photos('s0.png s0.png s0.png').examples('train')
    with pytest.raises(ValueError, match=r'Id list .*train\.txt cannot be read: The line'):
        photos('s0.png masks/s1.png').examples('train')
    with pytest.raises(ValueError, match=r'with and without ending: s0'):
        photos('s0.png', 's0.png masks/s0.png').examples('train')
