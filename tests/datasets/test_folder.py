import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.examples import SelectionError
from wss.datasets.files import decoding
from wss.datasets.folder import Folder

CLASSES = ('background', 'car', 'ball')
CAMVID = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'camvid'


def save_image(path, height=4, width=6, value=100, mode='RGB', **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height), (value,) * len(mode)).save(path, **options)


def save_mask(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


@pytest.fixture
def data(tmp_path):
    """Three images of 4x6, 4x6 and 5x3 pixels, the first two with masks, and two lists."""
    save_image(tmp_path / 'images/a.png', value=10)
    save_image(tmp_path / 'images/b.JPG', value=20)
    save_image(tmp_path / 'images/seq1/c.bmp', 5, 3, value=30)
    save_mask(tmp_path / 'masks/a.png', [[0, 1, 2, 255, 0, 0]] * 4)
    save_mask(tmp_path / 'masks/b.png', np.ones((4, 6)))
    (tmp_path / 'train.txt').write_bytes(b'b\r\na.png\r\n\r\n')
    (tmp_path / 'all.txt').write_text('seq1/c\na\nb\n')
    return tmp_path


def make(data, **changes):
    values = {
        'images': str(data / 'images'),
        'class_names': CLASSES,
        'masks': str(data / 'masks'),
        'splits': {'train': str(data / 'train.txt'), 'all': None},
        **changes,
    }
    return Folder(**values)


def load(examples, position):
    return {k: v.numpy() for k, v in examples.load(tf.constant(position, tf.int64)).items()}


def test_examples_of_a_list(data):
    examples = make(data).examples('train')
    assert examples.ids == ('b', 'a')
    assert (examples.has_label, examples.has_image_label) == (True, False)
    assert examples.max_size == (4, 6) and examples.sizes.tolist() == [[4, 6], [4, 6]]
    first, second = load(examples, 0), load(examples, 1)
    assert (first['id'], second['id']) == (b'b', b'a')
    assert first['image'].shape == (4, 6, 3) and abs(int(first['image'][0, 0, 0]) - 20) <= 1
    assert second['image'].dtype == np.uint8 and second['image'][3, 5].tolist() == [10, 10, 10]
    assert second['label'].dtype == np.int32
    assert second['label'].tolist() == [[0, 1, 2, 255, 0, 0]] * 4


def test_every_image_without_a_list_and_without_masks(data):
    examples = make(data).examples('all', labels='none')
    assert examples.ids == ('a', 'b', 'seq1/c')
    assert not examples.has_label and examples.max_size == (5, 6)
    assert set(load(examples, 2)) == {'image', 'id'}
    assert load(examples, 2)['image'].shape == (5, 3, 3)
    plain = Folder(str(data / 'images'), list(CLASSES))
    assert plain.examples('all', labels='available').ids == examples.ids


def test_only_the_ids_asked_for_are_looked_at(data):
    (data / 'images/b.JPG').write_bytes(b'no image')
    examples = make(data).examples('all', ids=['a.png'])
    assert examples.ids == ('a',)
    assert examples.mask_classes.tolist() == [[True, True, True]]
    with pytest.raises(ValueError, match=r'b\.JPG is not an image'):
        make(data).examples('all', ids=['a', 'b'])
    with pytest.raises(FileNotFoundError, match=r'1 of its ids have no mask .*: seq1/c\.'):
        make(data).examples('all', ids=['seq1/c', 'a'])
    assert make(data).examples('all', 'none', ['seq1/c', 'a']).ids == ('seq1/c', 'a')


def test_ids_that_do_not_fit_the_split(data):
    with pytest.raises(SelectionError, match=r'1 ids .* the first: seq1/c'):
        make(data).examples('train', 'none', ['seq1/c'])
    with pytest.raises(SelectionError, match=r'repeats ids: a'):
        make(data).examples('train', ids=['a', 'a.png'])
    (data / 'images/b.JPG').write_bytes(b'no image')
    with pytest.raises(SelectionError, match=r'left out because .* damaged .* first: b'):
        make(data, skip_broken=True).examples('train', ids=['b', 'a'])


def test_the_full_check_tells_which_classes_masks_show(data):
    dataset = make(data)
    shown = dataset.examples('all', labels='available').mask_classes
    assert shown.tolist() == [[True, True, True], [False, True, False], [False, False, False]]
    assert dataset.examples('train').mask_classes.tolist() == shown[[1, 0]].tolist()
    assert dataset.examples('train', labels='none').mask_classes is None
    assert make(data, check='headers').examples('train').mask_classes is None


def test_available_masks_are_used_and_others_are_ignored(data):
    examples = make(data).examples('all', labels='available')
    assert examples.has_label
    assert load(examples, 1)['label'].tolist() == [[1] * 6] * 4
    assert load(examples, 2)['label'].tolist() == [[255] * 3] * 5
    (data / 'list').write_text('seq1/c')
    unlabelled = make(data, splits={'u': str(data / 'list')}).examples('u', labels='available')
    assert not unlabelled.has_label and set(load(unlabelled, 0)) == {'image', 'id'}


def test_examples_load_in_tf_data(data):
    examples = make(data).examples('all', labels='available').select(['seq1/c', 'a'])
    dataset = tf.data.Dataset.range(2).map(examples.load, num_parallel_calls=2)
    assert dataset.element_spec['image'].shape.as_list() == [None, None, 3]
    assert dataset.element_spec['label'].shape.as_list() == [None, None]
    found = [(e['id'].numpy(), tuple(e['image'].shape)) for e in dataset]
    assert found == [(b'seq1/c', (5, 3, 3)), (b'a', (4, 6, 3))]


def test_a_file_that_breaks_later_is_named_by_the_error_of_tf_data(data):
    examples = make(data).examples('train')
    (data / 'images/a.png').write_bytes(b'nonsense')
    with pytest.raises(tf.errors.OpError, match=r'a\.png is not an image'):
        list(tf.data.Dataset.range(2).map(examples.load))


def test_info(data):
    info = make(data, colours=[[0, 0, 0], [1, 2, 3], [4, 5, 6]], name='toys').info
    assert (info.name, info.class_names) == ('toys', CLASSES)
    assert info.colours == ((0, 0, 0), (1, 2, 3), (4, 5, 6))
    assert make(data).info.colours == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    info = make(data, has_background=False, ignore_value=7).info
    assert info.colours == ((128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert (info.num_image_classes, info.ignore_value) == (3, 7)


def test_another_ignore_value_fills_missing_masks(data):
    save_mask(data / 'masks/a.png', [[0, 1, 2, 7, 0, 0]] * 4)
    examples = make(data, ignore_value=7).examples('all', labels='available')
    assert load(examples, 2)['label'].tolist() == [[7] * 3] * 5


def test_info_is_there_without_the_files(tmp_path):
    assert Folder(str(tmp_path / 'gone'), CLASSES).info.num_classes == 3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'class_names': 'car'}, 'class_names is .car.; it must be a tuple'),
        ({'class_names': (1, 2, 3)}, r'Folder\.class_names is 1; it must be a text'),
        (
            {'ignore_value': '255'},
            r'Folder\.ignore_value is .255.; it must be a whole',
        ),
        (
            {'colours': ((0, 0, 0), (1, 1, 1), (0, 0, 256))},
            r'Folder\.colours is 256; it must be',
        ),
        (
            {'colours': ((0, 0, 0), (1, 1, 1))},
            r'Folder\.colours is .*; it must be a tuple of 3',
        ),
        ({'check': 'no'}, r"Folder\.check is 'no'; it can be 'full' or 'headers'"),
        ({'splits': 'train.txt'}, r'Folder\.splits is .train\.txt.; it must be a dict'),
        ({'splits': {}}, r'Folder\.splits is \{\}'),
        ({'image_endings': '.png'}, r'Folder\.image_endings is'),
    ],
)
def test_wrong_arguments_are_refused(data, changes, message):
    with pytest.raises(ValueError, match=message):
        make(data, **changes)


def test_unknown_splits_and_labels_are_refused(data):
    with pytest.raises(ValueError, match=r"no split 'val'; it has train, all"):
        make(data).examples('val')
    with pytest.raises(ValueError, match='required, available, none'):
        make(data).examples('train', labels='yes')
    with pytest.raises(ValueError, match='no folder of masks'):
        make(data, masks=None).examples('train')


def test_missing_and_empty_folders_are_named(data):
    (data / 'empty/.hidden').mkdir(parents=True)
    save_image(data / 'empty/.hidden/x.png')
    (data / 'empty/._a.png').write_bytes(b'')
    (data / 'empty/notes.txt').write_text('')
    with pytest.raises(FileNotFoundError, match=r'folder of images .*nowhere does not exist'):
        make(data, images=str(data / 'nowhere')).examples('train')
    with pytest.raises(FileNotFoundError, match=r'folder of masks .*nowhere does not exist'):
        make(data, masks=str(data / 'nowhere')).examples('train')
    with pytest.raises(FileNotFoundError, match=r'empty holds no file whose name ends in \.jpg'):
        make(data, images=str(data / 'empty')).examples('train')
    with pytest.raises(FileNotFoundError, match=r'folder of masks .*empty holds no file'):
        make(data, masks=str(data / 'empty')).examples('train')


def test_bad_lists_are_named(data):
    with pytest.raises(FileNotFoundError, match=r'val\.txt'):
        make(data, splits={'val': str(data / 'val.txt')}).examples('val')
    (data / 'val.txt').write_text('\n')
    with pytest.raises(ValueError, match=r'val\.txt names no id'):
        make(data, splits={'val': str(data / 'val.txt')}).examples('val')
    (data / 'val.txt').write_text('a\na.png\n')
    with pytest.raises(ValueError, match=r'val\.txt names ids with and without ending: a'):
        make(data, splits={'val': str(data / 'val.txt')}).examples('val')


def test_ids_without_files_are_counted_and_the_first_named(data):
    (data / 'val.txt').write_text('u\nv\nw\na\nx\ny\nz\nseq1/c\n')
    dataset = make(data, splits={'val': str(data / 'val.txt')})
    with pytest.raises(FileNotFoundError) as caught:
        dataset.examples('val')
    message = str(caught.value)
    assert f'6 ids of {data}/val.txt have no image in {data}/images: u, v, w, x, y, ...' in message
    assert f'1 of its ids have no mask in {data}/masks: seq1/c.' in message


def test_two_images_of_one_id_are_named(data):
    save_image(data / 'images/a.jpeg')
    with pytest.raises(ValueError, match=r'1 ids .* one image, .*a\.jpeg and .*a\.png'):
        make(data).examples('train')
    assert make(data, image_endings=('.png', '.jpg')).examples('train').ids == ('b', 'a')


def test_images_and_masks_can_share_a_folder(tmp_path):
    save_image(tmp_path / 'a.png')
    save_mask(tmp_path / 'a_mask.png', np.ones((4, 6)))
    folder = str(tmp_path)
    assert Folder(folder, CLASSES, folder, mask_endings=('_mask.png',)).examples('all').ids == (
        'a',
    )
    (tmp_path / 'train.txt').write_text('a')
    splits = {'train': str(tmp_path / 'train.txt'), 'all': None}
    dataset = Folder(folder, CLASSES, folder, splits, mask_endings=('_mask.png',))
    assert dataset.examples('all', labels='none').ids == ('a',)
    assert load(dataset.examples('train'), 0)['label'].tolist() == [[1] * 6] * 4


@pytest.mark.parametrize('check', ['full', 'headers'])
def test_a_mask_of_another_size_is_named_with_both_sizes(data, check):
    save_mask(data / 'masks/a.png', np.zeros((6, 4)))
    with pytest.raises(ValueError, match=r'masks/a\.png is 4x6 .*/images/a\.png is 6x4') as caught:
        make(data, check=check).examples('train')
    assert str(data) in str(caught.value)


def test_a_mask_value_outside_the_classes_is_named(data):
    save_mask(data / 'masks/a.png', [[0, 1, 3, 17, 255, 254]] * 4)
    message = r'masks/a\.png has pixels of value 3, 17, 254; the classes are 0 to 2 and 255'
    with pytest.raises(ValueError, match=message):
        make(data).examples('train')
    examples = make(data, check='headers').examples('train')
    with pytest.raises(tf.errors.OpError, match=message):
        list(tf.data.Dataset.range(2).map(examples.load))


def test_an_rgb_mask_is_named(data):
    save_image(data / 'masks/a.png')
    for check in ('full', 'headers'):
        with pytest.raises(ValueError, match=r'masks/a\.png holds colours'):
            make(data, check=check).examples('train')


def test_a_mask_must_fit_the_upright_image(data):
    exif = Image.Exif()
    exif[0x0112] = 6
    save_image(data / 'images/a.png', exif=exif)  # 4x6 as stored, 6x4 upright.
    with pytest.raises(ValueError, match=r'a\.png is 6x4 .* is 4x6'):
        make(data, masks_drawn_on='turned').examples('train')
    save_mask(data / 'masks/a.png', np.ones((6, 4)))
    for check in ('full', 'headers'):
        examples = make(data, masks_drawn_on='turned', check=check).examples('train')
        assert examples.max_size == (6, 6)
        assert load(examples, 1)['image'].shape == (6, 4, 3)


def test_all_problems_of_a_split_are_reported_at_once(data):
    for i in range(6):
        (data / f'images/x{i}.png').write_bytes(b'nonsense')
    save_mask(data / 'masks/a.png', np.zeros((2, 2)))
    with pytest.raises(ValueError) as caught:
        make(data).examples('all')
    message = str(caught.value)
    assert message.startswith("Split 'all' of dataset 'folder' cannot be used. 7 of its ids have ")
    assert 'masks/a.png is 2x2' in message
    assert all(f'x{i}.png is not an image' in message for i in range(4))
    assert 'x4.png is' not in message
    assert '2 more examples have problems.' in message
    assert 'Folder.skip_broken = True' in message


def damage(path):
    path.write_bytes(path.read_bytes()[:-30])


def test_damaged_files_are_named_or_left_out(data):
    save_image(data / 'images/d.png', 9, 9)
    save_mask(data / 'masks/d.png', np.zeros((9, 9)))
    damage(data / 'images/b.JPG')
    damage(data / 'masks/d.png')
    (data / 'train.txt').write_text('d\nb\na')
    with pytest.raises(ValueError, match=r'masks/d\.png is .*damaged.*images/b\.JPG is damaged'):
        make(data).examples('train')
    with pytest.warns(UserWarning, match='damaged') as warned:
        examples = make(data, skip_broken=True).examples('train')
    assert examples.ids == ('a',) and examples.max_size == (4, 6)
    assert load(examples, 0)['image'][0, 0, 0] == 10
    text = str(warned[0].message)
    assert "2 of 3 examples of split 'train' of dataset 'folder' are damaged" in text
    assert 'b.JPG' in text and 'masks/d.png' in text
    # The image of a damaged mask is good, and is used where masks are not.
    unlabelled = make(data, skip_broken=True).examples('train', labels='none')
    assert unlabelled.ids == ('d', 'a')


def test_a_list_that_names_a_damaged_file_that_was_left_out(data):
    damage(data / 'images/b.JPG')
    examples = make(data, skip_broken=True).examples('train')
    with pytest.raises(ValueError, match=r'1 ids .* left out .* damaged .*first: b\. Fix'):
        examples.select(['a', 'b'])
    with pytest.raises(ValueError, match='1 ids of the list are not in the dataset, the first: x'):
        examples.select(['a', 'x'])


def test_a_damaged_body_that_the_check_of_headers_lets_pass_is_named(data):
    damage(data / 'images/a.png')
    dataset = make(data, skip_broken=True, check='headers')
    examples = dataset.examples('train')
    assert examples.ids == ('b', 'a')
    message = r"BrokenFileError: \S+a\.png is damaged .* check = 'full' finds such files"
    with pytest.raises(tf.errors.OpError, match=message):
        list(tf.data.Dataset.range(2).map(examples.load))


def test_leaving_out_damaged_files_hides_nothing_else(data):
    damage(data / 'images/b.JPG')
    save_mask(data / 'masks/a.png', np.zeros((2, 2)))
    with pytest.raises(ValueError, match='is 2x2') as caught:
        make(data, skip_broken=True).examples('train')
    assert 'b.JPG' not in str(caught.value)
    damage(data / 'images/a.png')
    with pytest.raises(ValueError, match='all 2 are damaged'):
        make(data, skip_broken=True).examples('train')


def test_files_are_decoded_once_for_several_requests(data, monkeypatch):

    calls = []
    decode = decoding.read_image
    monkeypatch.setattr(
        decoding, 'read_image', lambda *args: calls.append(args[0]) or decode(*args)
    )
    dataset = make(data)
    dataset.examples('train')
    dataset.examples('train', labels='none')
    assert len(calls) == 2
    dataset.examples('all', labels='none')
    assert len(calls) == 3


def test_linked_folders_count_and_copies_do_not(data):
    save_image(data / 'elsewhere/d.png')
    (data / 'images/day').symlink_to(data / 'elsewhere')
    (data / 'images/self').symlink_to('.')
    (data / 'images/seq2').symlink_to('seq1')
    dataset = make(data)
    assert dataset.examples('all', 'none').ids == ('a', 'b', 'day/d', 'seq1/c')
    # A list can name the copy, and masks may be links to one file.
    (data / 'copy.txt').write_text('seq2/c')
    (data / 'masks/seq2').mkdir()
    save_mask(data / 'masks/c.png', np.ones((5, 3)))
    (data / 'masks/seq2/c.png').symlink_to('../c.png')
    dataset = make(data, splits={'copy': str(data / 'copy.txt')})
    assert load(dataset.examples('copy'), 0)['label'].tolist() == [[1] * 3] * 5


def test_accents_and_separators_of_other_systems_match(data):
    composed, decomposed = 'Gr\u00f6\u00dfe', 'Gro\u0308\u00dfe'
    save_image(data / 'images/trip' / f'{decomposed}.png')
    save_mask(data / 'masks/trip' / f'{composed}.png', np.ones((4, 6)))
    (data / 'train.txt').write_text(f'trip\\{decomposed}.png\n')
    assert make(data).examples('train').ids == (f'trip/{composed}',)
    (data / 'train.txt').write_text(f'trip/{composed}\n')
    assert make(data).examples('train').ids == (f'trip/{composed}',)


def test_names_that_are_not_utf_8_are_read(data):
    for path in ('images/a', 'masks/a'):
        place = os.fsencode(data / path)
        os.rename(place + b'.png', place + b'\xe9.png')
    examples = make(data).examples('all', 'available', ['a\\udce9', 'b'])
    assert [load(examples, i)['id'] for i in range(2)] == [b'a\\udce9', b'b']
    assert load(examples, 0)['label'].tolist() == [[0, 1, 2, 255, 0, 0]] * 4
    with open(os.fsencode(data / 'images/a') + b'\xe9.png', 'wb') as file:
        file.write(b'nonsense')
    with pytest.raises(ValueError, match=r'a\\udce9\.png is not an image'):
        make(data).examples('all', 'none')
    with pytest.raises(tf.errors.OpError, match=r'udce9\.png is not an image'):
        list(tf.data.Dataset.range(1).map(examples.load))


def test_images_that_cannot_be_read_here_are_counted(data):
    for name in ('x.heic', 'y.heic', 'z.nef'):
        (data / 'images' / name).write_bytes(b'no image')
    with pytest.warns(UserWarning, match=r'images that .* left out: 2 \.heic, 1 \.nef'):
        assert make(data).examples('all', 'none').ids == ('a', 'b', 'seq1/c')


def test_a_file_in_place_of_a_folder_is_named(data):
    with pytest.raises(NotADirectoryError, match=r'the folder of images .*train\.txt is a file'):
        make(data, images=str(data / 'train.txt')).examples('train')


@pytest.mark.skipif(not CAMVID.is_dir(), reason='needs the CamVid sample in ../shared/camvid')
def test_camvid():
    names = ('sky', 'building', 'pole', 'road', 'pavement', 'tree')
    names += ('sign', 'fence', 'car', 'pedestrian', 'cyclist')
    splits = {split: str(CAMVID / f'{split}.txt') for split in ('train', 'val')}
    dataset = Folder(
        str(CAMVID / 'images'), names, str(CAMVID / 'masks'), splits, has_background=False
    )
    examples = dataset.examples('val')
    assert len(examples) == 101 and examples.max_size == (180, 240)
    first = load(examples, 0)
    assert first['id'] == b'0016E5_07959'
    assert first['image'].shape == (180, 240, 3) and first['label'].shape == (180, 240)
    assert set(np.unique(first['label'])) <= {*range(11), 255}
    assert len(dataset.examples('train', labels='none')) == 367
