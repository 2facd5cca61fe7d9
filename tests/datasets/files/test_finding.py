"""Which files of a folder are found."""

import os

import pytest
from PIL import Image

from wss.datasets.files import decoding, finding


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')


def test_files_are_found_by_their_endings(tmp_path):
    for name in ('b/c.PNG', 'a.jpg', 'x.txt', '.a.png', '.hidden/a.png', '__MACOSX/a.png', '.png'):
        touch(tmp_path / name)
    (tmp_path / 'folder.png').mkdir()
    os.mkfifo(tmp_path / 'pipe.png')
    found = finding.find(tmp_path)
    assert found == finding.Found(('a.jpg', 'b/c.PNG'), {}, {})
    assert finding.find(tmp_path, ('.TXT',)).files == ('x.txt',)
    assert finding.find(tmp_path / 'folder.png').files == ()


def test_a_folder_that_is_not_there_or_is_a_file(tmp_path):
    touch(tmp_path / 'a.jpg')
    with pytest.raises(FileNotFoundError, match='nowhere does not exist'):
        finding.find(tmp_path / 'nowhere')
    with pytest.raises(NotADirectoryError, match=r'a\.jpg is a file'):
        finding.find(tmp_path / 'a.jpg')


def test_links_are_followed_and_loops_are_not(tmp_path):
    photos = tmp_path / 'photos'
    touch(photos / 'own.jpg')
    touch(photos / 'deep/er/d.jpg')
    touch(tmp_path / 'elsewhere/day.jpg')
    (photos / 'linked').symlink_to(tmp_path / 'elsewhere')
    (photos / 'self').symlink_to('.')
    (photos / 'up').symlink_to('..')
    (photos / 'deep/er/top').symlink_to(photos)
    (tmp_path / 'elsewhere/back').symlink_to(photos)
    found = finding.find(photos)
    assert found.files == ('deep/er/d.jpg', 'linked/day.jpg', 'own.jpg')
    assert not found.copies
    # The folder itself can be a link.
    (tmp_path / 'link').symlink_to(photos)
    assert finding.find(tmp_path / 'link').files == found.files


def test_files_that_are_links_to_others_are_copies(tmp_path):
    folder = tmp_path / 'folder'
    for path in (folder / 'b.jpg', folder / 'c/d.jpg', tmp_path / 'elsewhere/f.jpg'):
        touch(path)
    (folder / 'a.jpg').symlink_to('b.jpg')
    (folder / 'again').symlink_to('c')
    (folder / 'f1.jpg').symlink_to(tmp_path / 'elsewhere/f.jpg')
    (folder / 'f2.jpg').symlink_to(tmp_path / 'elsewhere/f.jpg')
    found = finding.find(folder)
    assert found.files == ('a.jpg', 'again/d.jpg', 'b.jpg', 'c/d.jpg', 'f1.jpg', 'f2.jpg')
    assert found.copies == {'a.jpg': 'b.jpg', 'again/d.jpg': 'c/d.jpg', 'f2.jpg': 'f1.jpg'}


def test_broken_links_are_found_and_named_when_they_are_read(tmp_path):
    (tmp_path / 'a.png').symlink_to('b.png')
    (tmp_path / 'b.png').symlink_to('a.png')
    (tmp_path / 'c.png').symlink_to('gone.png')
    (tmp_path / 'd.png').symlink_to('d' * 300)
    assert finding.find(tmp_path).files == ('a.png', 'b.png', 'c.png', 'd.png')
    with pytest.raises(ValueError, match=r'a\.png cannot be read'):
        decoding.decode_image(tmp_path / 'a.png')
    with pytest.raises(FileNotFoundError, match=r'c\.png does not exist'):
        decoding.decode_image(tmp_path / 'c.png')


def test_a_closed_subfolder_is_named(tmp_path, monkeypatch):
    touch(tmp_path / 'a.jpg')
    touch(tmp_path / 'closed/b.jpg')
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == 'closed':
            raise PermissionError(13, 'Permission denied')
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    found = finding.find(tmp_path)
    assert found.files == ('a.jpg',)
    assert found.closed == (f'The folder {tmp_path}/closed cannot be read: Permission denied.',)


def test_images_of_other_kinds_are_read_or_counted(tmp_path):
    kinds = {'a.jp2': 'JPEG2000', 'b.ppm': 'PPM', 'c.jfif': 'JPEG', 'd.avif': 'AVIF'}
    for name, kind in kinds.items():
        Image.new('RGB', (8, 9), (200, 10, 10)).save(tmp_path / name, kind)
    # Phones give this ending to JPEG files, too.
    Image.new('RGB', (8, 9)).save(tmp_path / 'e.HEIC', 'JPEG')
    for name in ('f.heic', 'g.heif', 'h.CR2'):
        (tmp_path / name).write_bytes(b'\0\0\0\x1cftypheic')
    # A raw file holds a preview, which is not the photo.
    Image.new('RGB', (8, 9)).save(tmp_path / 'i.nef', 'TIFF')
    found = finding.find(tmp_path)
    assert found.files == (*kinds, 'e.HEIC')
    assert found.left_out == {'.cr2': 1, '.heic': 1, '.heif': 1, '.nef': 1}
    for name in found.files:
        image = decoding.decode_image(tmp_path / name)
        assert image.shape == (9, 8, 3)
        assert name == 'e.HEIC' or abs(int(image[4, 4, 0]) - 200) < 6
    sentence = finding.left_out_sentence(found.left_out, tmp_path)
    assert 'left out: 1 .cr2, 1 .heic, 1 .heif, 1 .nef.' in sentence
    assert 'install pillow-heif' in sentence
    # Who asks for other endings does not ask for these.
    assert finding.find(tmp_path, ('.ppm',)) == finding.Found(('b.ppm',), {}, {})


def test_what_pillow_lacks_is_counted(tmp_path, monkeypatch):
    touch(tmp_path / 'a.avif')
    touch(tmp_path / 'b.jpg')
    monkeypatch.setattr(finding.features, 'check', lambda name: name != 'avif')
    assert finding.find(tmp_path) == finding.Found(('b.jpg',), {}, {'.avif': 1})


def test_ways_to_write_one_name():
    composed, decomposed = 'Gr\u00f6\u00dfe \u00e9', 'Gro\u0308\u00dfe e\u0301'
    assert composed != decomposed
    assert finding.same_name(composed) == finding.same_name(decomposed)
    assert finding.same_name('trip\\day\\1') == finding.same_name('./trip/day/1') == 'trip/day/1'
    assert finding.same_name('a') != finding.same_name('A')
    assert finding.identifier(decomposed) == composed


def test_names_that_are_not_utf_8_can_be_shown(tmp_path):
    with open(os.fsencode(tmp_path) + b'/b\xe9.png', 'wb'):
        pass
    (name,) = finding.find(tmp_path).files
    assert os.path.exists(tmp_path / name)
    with pytest.raises(UnicodeEncodeError):
        name.encode()
    assert finding.shown(name) == 'b\\udce9.png' == finding.identifier(name)
    assert finding.shown('b\u00e9.png') == 'b\u00e9.png'
