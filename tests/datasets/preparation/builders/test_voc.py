"""The builder of VOC 2012 on small archives in the official layouts."""

import dataclasses
import io
import logging
import pathlib

import numpy as np
import pytest
import scipy.io
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.datasets import small_archives
from wss.datasets.files import decoding
from wss.datasets.preparation import voc_annotations, voc_splits
from wss.datasets.preparation.builders import voc
from wss.datasets.prepared import Prepared

HOME = 'VOCdevkit/VOC2012'
SBD = 'benchmark_RELEASE/dataset'


def take_small(patch):
    """Takes small archives for the official ones."""
    for name in ('TRAINVAL', 'SBD', 'TEST'):
        changes = {'size': None, 'sha256': None, 'md5': None, 'urls': ()}
        patch.setattr(voc, name, dataclasses.replace(getattr(voc, name), **changes))


@pytest.fixture(autouse=True)
def small_descriptions(monkeypatch):
    take_small(monkeypatch)


def build(folder, **changes):
    builder = voc.VocSeg(config='2012', data_dir=str(folder / 'data'))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=folder / 'manual'), **changes
    )
    return builder


def pack(folder, test=False, **changes):
    """Writes the archives; a change is (name, content) or (name, None) to leave a file out."""
    for name, files in (
        ('VOCtrainval_11-May-2012.tar', small_archives.voc_files()),
        ('benchmark.tgz', small_archives.sbd_files()),
        ('VOC2012test.tar', small_archives.voc_test_files() if test else None),
    ):
        if files is not None:
            small_archives.pack(folder / 'manual' / name, changed(files, **changes))


def unpack(folder, **changes):
    """The same as folders."""
    for files in (small_archives.voc_files(), small_archives.sbd_files()):
        small_archives.unpack(folder / 'manual', changed(files, **changes))


def changed(files, change=None):
    if change and change[0] in files:
        files = {**files, change[0]: change[1]}
    return {name: content for name, content in files.items() if content is not None}


def read(builder):
    """`{split: {id: record}}` with NumPy values, and images as bytes."""
    return {split: small_archives.read(builder, split) for split in builder.info.splits}


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """The builder and the records of archives with the test split."""
    folder = tmp_path_factory.mktemp('voc')
    with pytest.MonkeyPatch.context() as patch:
        take_small(patch)
        pack(folder, test=True)
        builder = build(folder)
    return builder, read(builder)


def label(record):
    return record['label'][..., 0]


def test_the_splits(built):
    _, records = built
    assert {split: sorted(found) for split, found in records.items()} == {
        'train': ['2007_000001', '2007_000002'],
        'val': ['2007_000003'],
        'trainval': ['2007_000001', '2007_000002', '2007_000003'],
        # SBD also has 2007_000003, of VOC val.
        'train_aug': ['2007_000001', '2007_000002', '2008_000005', '2009_000006', '2010_000007'],
        'main': ['2007_000001', '2007_000002', '2008_000004'],
        'test': ['2008_000100', '2008_000101'],
    }


def test_a_run_reads_what_was_built(built):
    builder, records = built
    data_dir = pathlib.Path(builder.data_dir).parents[2]
    dataset = Prepared('voc_seg/2012', data_dir, image_labels='annotations')
    for split in ('train', 'train_aug', 'main', 'test'):
        annotated = split in ('train', 'main')
        source = dataset if annotated else Prepared('voc_seg/2012', data_dir)
        examples = source.examples(split, 'available' if annotated else 'none')
        assert set(examples.ids) == set(records[split])
        for i, name in enumerate(examples.ids):
            example, record = examples.load(tf.constant(i)), records[split][name]
            pixels = decoding.decode_image(record['image'], name)
            np.testing.assert_array_equal(example['image'], pixels)
            assert ('label' in example) == (split == 'train')
            if split == 'train':
                np.testing.assert_array_equal(example['label'], label(record))
            if annotated:
                named = np.flatnonzero(example['image_label']) + 1
                assert named.tolist() == record['image_classes'].tolist()
    with pytest.raises(ValueError, match='have no mask'):
        dataset.examples('main')


def test_the_images_are_the_official_files(built):
    _, records = built
    official = small_archives.voc_files() | small_archives.voc_test_files()
    for split, found in records.items():
        for name, record in found.items():
            # Those that VOC does not have come from SBD.
            beside = small_archives.sbd_files().get(f'{SBD}/img/{name}.jpg')
            assert record['image'] == official.get(f'{HOME}/JPEGImages/{name}.jpg', beside), split
            assert (record['height'], record['width']) == (6, 9)
    assert f'{HOME}/JPEGImages/2010_000007.jpg' not in official


def test_masks_of_voc_keep_their_ignored_border(built):
    _, records = built
    record = records['val']['2007_000003']
    np.testing.assert_array_equal(label(record), small_archives.filled(3, border=255))
    assert record['has_label']
    assert record['mask_classes'].tolist() == [0, 3]


def test_the_mask_of_voc_goes_before_that_of_sbd(built):
    _, records = built
    record = records['train_aug']['2007_000001']  # SBD shows class 11 there.
    np.testing.assert_array_equal(label(record), small_archives.filled(1, border=255))
    np.testing.assert_array_equal(label(record), label(records['train']['2007_000001']))


def test_masks_of_sbd_have_no_border(built):
    _, records = built
    for name, value in (('2008_000005', 12), ('2010_000007', 13), ('2009_000006', 15)):
        record = records['train_aug'][name]
        np.testing.assert_array_equal(label(record), small_archives.filled(value))
        assert record['mask_classes'].tolist() == [0, value]


def test_photos_of_the_detection_task_have_image_level_classes_and_no_mask(built):
    _, records = built
    for record in records['main'].values():
        assert not record['has_label']
        assert np.all(record['label'] == 255)
        assert record['mask_classes'].tolist() == []
        assert record['has_image_label']
    # Difficult and truncated objects count, parts of objects do not.
    assert records['main']['2008_000004']['image_classes'].tolist() == [8, 20]
    assert records['main']['2007_000001']['image_classes'].tolist() == [1, 15]


def test_other_photos_of_voc_have_image_level_classes_too(built):
    _, records = built
    assert records['train']['2007_000001']['image_classes'].tolist() == [1, 15]
    assert records['train_aug']['2008_000005']['image_classes'].tolist() == [12]
    assert not records['train_aug']['2010_000007']['has_image_label']  # Only in SBD.
    for record in records['test'].values():
        assert not record['has_label'] and not record['has_image_label']


def test_the_dataset_says_whose_it_is(built):
    builder, _ = built
    assert builder.info.full_name == 'voc_seg/2012/1.0.0'
    assert 'Everingham' in builder.info.citation and 'Hariharan' in builder.info.citation
    assert 'host.robots.ox.ac.uk' in builder.info.homepage
    assert 'Flickr' in builder.info.redistribution_info.license
    assert 'no ignored border' in ' '.join(builder.info.description.split())
    assert builder.info.file_format == tfds.core.FileFormat.TFRECORD


def test_unpacked_folders_give_the_same_and_are_not_copied(tmp_path, built, caplog):
    unpack(tmp_path)
    with caplog.at_level(logging.INFO, logger='wss'):
        records = read(build(tmp_path))
    assert 'Leaving out the split test' in caplog.text
    assert 'Split train of voc_seg has 2 images, the official one 1464' in caplog.messages[3]
    expected = {split: found for split, found in built[1].items() if split != 'test'}
    tf.nest.map_structure(np.testing.assert_array_equal, records, expected)
    assert not list((tmp_path / 'data' / 'downloads').rglob('*.jpg'))


def test_archives_with_the_right_checksum_must_have_the_published_counts(tmp_path, monkeypatch):
    pack(tmp_path)
    for name in ('TRAINVAL', 'SBD'):
        archive = getattr(voc, name)
        path = tmp_path / 'manual' / archive.name
        monkeypatch.setattr(voc, name, small_archives.described(archive, path))
    with pytest.raises(ValueError, match='Split train of voc_seg has 2 images, the official one'):
        build(tmp_path)
    monkeypatch.setattr(voc_splits, '_COUNTS', {'train': 2, 'val': 1, 'train_aug': 5, 'test': 9})
    assert build(tmp_path).info.splits['train_aug'].num_examples == 5


def test_archives_are_downloaded_with_their_checksums(tmp_path, monkeypatch):
    monkeypatch.setattr(voc_splits, '_COUNTS', {'train_aug': 5})
    pack(tmp_path)
    (tmp_path / 'manual').rename(tmp_path / 'server')
    for name in ('TRAINVAL', 'SBD'):
        archive = getattr(voc, name)
        path = tmp_path / 'server' / archive.name
        archive = small_archives.described(archive, path)
        monkeypatch.setattr(voc, name, dataclasses.replace(archive, urls=(str(path),)))
    whole = (tmp_path / 'server' / 'benchmark.tgz').read_bytes()
    (tmp_path / 'server' / 'benchmark.tgz').write_bytes(whole[:-1])
    with pytest.raises(OSError, match=r'benchmark\.tgz could not be downloaded: .*wrong size'):
        build(tmp_path)
    assert_nothing_built(tmp_path)
    (tmp_path / 'server' / 'benchmark.tgz').write_bytes(whole)
    (tmp_path / 'server' / 'VOCtrainval_11-May-2012.tar').unlink()  # It is in the cache.
    builder = build(tmp_path)
    assert builder.info.splits['train_aug'].num_examples == 5
    assert builder.info.download_size > len(whole)


def mat(**content):
    file = io.BytesIO()
    scipy.io.savemat(file, content)
    return file.getvalue()


MASK = small_archives.filled(1)
WRONG_MATS = [
    (b'', 'is damaged or not a .mat file'),
    (small_archives.sbd_mat(MASK)[:200], 'is damaged or not a .mat file'),
    (mat(GTinst={'Segmentation': MASK}), "holds GTinst, but .* has a struct 'GTcls'"),
    (mat(GTcls=MASK), "has a 'GTcls' that is not a single struct"),
    (mat(GTcls={'Boundaries': MASK}), "has a 'GTcls' with the fields Boundaries, but"),
    (mat(GTcls={'Segmentation': MASK[None]}), r'of shape \(1, 6, 9\) and type uint8, but'),
    (mat(GTcls={'Segmentation': MASK / 2}), 'and type float64, but'),
    (small_archives.sbd_mat(small_archives.filled(21)), 'has pixels of value 21'),
    (small_archives.sbd_mat(np.zeros((5, 9), np.uint8)), 'is 9x5 pixels .* is 9x6'),
]


@pytest.mark.parametrize(('content', 'said'), WRONG_MATS)
def test_mat_files_of_another_structure_are_refused_by_name(tmp_path, content, said):
    unpack(tmp_path, change=(f'{SBD}/cls/2008_000005.mat', content))
    with pytest.raises(ValueError, match=rf'2008_000005\.mat .*{said}'):
        build(tmp_path)
    assert_nothing_built(tmp_path)


def assert_nothing_built(folder):
    """No version folder and nothing half-built beside it."""
    assert list((folder / 'data' / 'voc_seg' / '2012').glob('*')) == []


def test_a_mat_file_gives_its_mask():
    mask = voc_annotations.mask_of_mat(small_archives.sbd_mat(MASK), 'x')
    np.testing.assert_array_equal(mask, MASK)
    assert mask.dtype == np.uint8


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (small_archives.voc_xml('dog', 'unicorn'), "class 'unicorn'; the classes are aeroplane"),
        (small_archives.voc_xml('background'), "class 'background'"),
        (b'<annotation><object/></annotation>', "class ''"),
        (b'<html></html>', 'not an annotation of VOC: its root is <html>'),
        (b'<annotation>', 'is damaged: it is not XML'),
        (b'<?xml version="1.0" encoding="utf-32"?><annotation/>', 'is damaged: it is not XML'),
        (b'<?xml version="1.0" encoding="none"?><annotation/>', 'is damaged: it is not XML'),
    ],
)
def test_wrong_annotations_are_refused_by_name(tmp_path, content, said):
    unpack(tmp_path, change=(f'{HOME}/Annotations/2008_000004.xml', content))
    with pytest.raises(ValueError, match=rf'2008_000004\.xml .*{said}'):
        build(tmp_path)
    assert_nothing_built(tmp_path)


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        (f'{HOME}/SegmentationClass/2007_000002.png', 'Split train .* files of kind mask'),
        (f'{HOME}/JPEGImages/2008_000004.jpg', 'Split main .* files of kind image'),
        (f'{HOME}/Annotations/2008_000004.xml', 'Split main .* files of kind annotation'),
        (f'{SBD}/cls/2009_000006.mat', 'Split train_aug .* files of kind mask'),
        (f'{SBD}/img/2010_000007.jpg', 'Split train_aug .* files of kind image'),
        (f'{HOME}/ImageSets/Segmentation/val.txt', 'File'),
        (f'{HOME}/ImageSets/Main/trainval.txt', 'File'),
        (f'{SBD}/val.txt', 'File'),
    ],
)
def test_missing_files_are_named_before_anything_is_written(tmp_path, name, said):
    unpack(tmp_path, change=(name, None))
    with pytest.raises(FileNotFoundError, match=rf'{said} .*{pathlib.Path(name).name}'):
        build(tmp_path)
    assert_nothing_built(tmp_path)


def test_lists_may_have_marks_and_line_ends_of_windows(tmp_path):
    content = '\ufeff2007_000001\r\n2007_000002\r\n\r\n'.encode()
    unpack(tmp_path, change=(f'{HOME}/ImageSets/Segmentation/train.txt', content))
    assert sorted(read(build(tmp_path))['train']) == ['2007_000001', '2007_000002']


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        (f'{HOME}/ImageSets/Segmentation/val.txt', b'a\nb\na\n', 'val.txt repeats ids: a'),
        (f'{HOME}/ImageSets/Segmentation/val.txt', b'\n', 'val.txt is empty'),
        (
            f'{HOME}/ImageSets/Segmentation/val.txt',
            b'2007_000002\n2007_000003\n',
            'ids in both train.txt and val.txt: 2007_000002',
        ),
        (f'{HOME}/ImageSets/Segmentation/val.txt', b'\xff\xfe', 'val.txt is not text'),
        (f'{HOME}/SegmentationClass/2007_000002.png', small_archives.jpeg(), 'JPEG file, whose'),
        (f'{HOME}/SegmentationClass/2007_000002.png', b'x', 'is not an image'),
        (
            f'{HOME}/SegmentationClass/2007_000002.png',
            small_archives.palette_png(np.full((6, 8), 3)),
            '2007_000002.png is 8x6 pixels',
        ),
        (
            f'{HOME}/SegmentationClass/2007_000002.png',
            small_archives.palette_png(small_archives.filled(99)),
            '2007_000002.png has pixels of value 99',
        ),
        (
            f'{HOME}/JPEGImages/2007_000002.jpg',
            small_archives.jpeg()[:300],
            '2007_000002.jpg is damaged or cut off',
        ),
    ],
)
def test_wrong_files_are_refused_by_name(tmp_path, name, content, said):
    unpack(tmp_path, change=(name, content))
    with pytest.raises(ValueError, match=said):
        build(tmp_path)
    assert_nothing_built(tmp_path)


def test_an_archive_under_another_name_is_not_taken(tmp_path):
    pack(tmp_path)
    (tmp_path / 'manual' / 'benchmark.tgz').rename(tmp_path / 'manual' / 'sbd.tgz')
    with pytest.raises(FileNotFoundError, match=r'benchmark\.tgz .* VOCtrainval.*, sbd\.tgz'):
        build(tmp_path)
    assert_nothing_built(tmp_path)
