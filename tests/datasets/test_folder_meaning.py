"""What files of a folder mean where it is open: orientation, palettes, bits, and masks by name."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.files import orientation
from wss.datasets.folder import Folder

CLASSES = ('background', 'car', 'ball')
COLOURS = ((0, 0, 0), (200, 0, 0), (0, 0, 200))
VALUES = np.array([[0, 0, 1, 1], [2, 2, 0, 0], [0, 1, 2, 0]], np.uint8)


def save(array, path, turn=None, **options):
    if turn is not None:
        options['exif'] = Image.Exif()
        options['exif'][0x0112] = turn
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, **options)


def photo(values=VALUES):
    """A photo in which the classes have the grey values 0, 100 and 200."""
    return np.repeat(100 * values[..., None], 3, axis=-1)


def with_palette(values, order):
    """A mask whose palette has the colours of the classes in some order."""
    place = np.argsort(order)  # Class -> index.
    image = Image.fromarray(place[values].astype(np.uint8), 'L')
    image.putpalette([channel for kind in order for channel in COLOURS[kind]])
    return image


def make(folder, **changes):
    masks = str(folder / 'masks') if (folder / 'masks').exists() else None
    return Folder(str(folder / 'images'), CLASSES, masks, **changes)


def load(examples, position=0):
    found = examples.load(tf.constant(position, tf.int64))
    return found['image'].numpy(), found['label'].numpy()


def assert_fits(examples, position=0):
    image, label = load(examples, position)
    np.testing.assert_array_equal(image[..., 0], 100 * label)


@pytest.mark.parametrize('ending', ['png', 'tif', 'webp'])
@pytest.mark.parametrize('turn', range(2, 9))
@pytest.mark.parametrize('check', ['full', 'headers'])
def test_a_turned_photo_with_a_mask_that_is_not(tmp_path, turn, ending, check):
    save(photo(), tmp_path / f'images/a.{ending}', turn, lossless=True)
    save(VALUES, tmp_path / 'masks/a.png')
    message = rf'a\.{ending} is turned by its EXIF orientation {turn}, but its mask .*a\.png has no'
    with pytest.raises(ValueError, match=rf'{message} EXIF .*Folder\.masks_drawn_on'):
        make(tmp_path, check=check).examples('all')
    stored = make(tmp_path, check=check, masks_drawn_on='stored').examples('all')
    assert_fits(stored)
    # Upright, as it is without a mask and in prediction.
    np.testing.assert_array_equal(load(stored)[1], orientation.turned(VALUES, turn))
    save(orientation.turned(VALUES, turn), tmp_path / 'masks/a.png')
    assert_fits(make(tmp_path, check=check, masks_drawn_on='turned').examples('all'))


@pytest.mark.parametrize('ending', ['png', 'tif'])
@pytest.mark.parametrize('turn', [1, 3, 5, 6, 8])
def test_photo_and_mask_that_say_the_same_are_turned_alike(tmp_path, turn, ending):
    save(photo(), tmp_path / f'images/a.{ending}', turn)
    save(VALUES, tmp_path / f'masks/a.{ending}', turn)
    for meaning in (None, 'turned', 'stored'):
        examples = make(tmp_path, masks_drawn_on=meaning).examples('all')
        assert_fits(examples)
        np.testing.assert_array_equal(load(examples)[1], orientation.turned(VALUES, turn))


def test_a_mask_alone_that_is_turned_or_turned_otherwise(tmp_path):
    save(VALUES, tmp_path / 'masks/a.png', 3)
    for turn, says in ((None, 'has no EXIF orientation'), (6, 'EXIF orientation 6')):
        save(photo(), tmp_path / 'images/a.png', turn)
        with pytest.raises(ValueError, match=rf'a\.png .*{says}, but its mask .* orientation 3'):
            make(tmp_path).examples('all')
        assert_fits(make(tmp_path, masks_drawn_on='stored').examples('all'))


def test_a_turned_photo_without_a_mask_is_no_problem(tmp_path):
    save(photo(), tmp_path / 'images/a.png', 6)
    save(photo(), tmp_path / 'images/b.png', 77)  # Nonsense is no orientation.
    save(VALUES, tmp_path / 'masks/b.png')
    assert make(tmp_path).examples('all', 'none').max_size == (4, 4)
    assert_fits(make(tmp_path).examples('all', 'available'), 1)


ORDERS = ([0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1])


def save_palettes(folder, orders=ORDERS, values=VALUES):
    for i, order in enumerate(orders):
        save(photo(values), folder / f'images/{i}.png')
        save(with_palette(values, order), folder / f'masks/{i}.png')


def test_palettes_of_different_orders_are_refused_or_read_by_colour(tmp_path):
    save_palettes(tmp_path)
    for check in ('full', 'headers'):
        with pytest.raises(ValueError, match=r'0\.png and .*1\.png are of .*Folder\.mask_values'):
            make(tmp_path, check=check).examples('all')
        by_colour = make(tmp_path, check=check, colours=COLOURS, mask_values='colours')
        examples = by_colour.examples('all')
        for i in range(len(ORDERS)):
            assert_fits(examples, i)
    by_index = make(tmp_path, mask_values='indices').examples('all')
    np.testing.assert_array_equal(load(by_index, 1)[1], np.argsort(ORDERS[1])[VALUES])


def test_the_check_of_headers_passes_over_damaged_bodies(tmp_path):
    save_palettes(tmp_path, ORDERS[:1])
    path = tmp_path / 'masks/0.png'
    path.write_bytes(path.read_bytes()[:-30])
    examples = make(tmp_path, check='headers').examples('all')
    assert examples.max_size == VALUES.shape
    with pytest.raises(tf.errors.OpError, match=r"0\.png is damaged .* check = 'full' finds"):
        list(tf.data.Dataset.range(1).map(examples.load))


def test_palettes_are_compared_over_splits(tmp_path):
    save_palettes(tmp_path, ORDERS[:2])
    splits = {}
    for name in '01':
        (tmp_path / name).write_text(name)
        splits[name] = str(tmp_path / name)
    dataset = make(tmp_path, splits=splits)
    dataset.examples('0')
    with pytest.raises(ValueError, match='different orders'):
        dataset.examples('1')


def test_a_colour_that_changes_its_index_alone_is_noticed(tmp_path):
    save_palettes(tmp_path, ORDERS[:1], np.minimum(VALUES, 1))
    # Shows red alone, as index 2; its other entries are not in use.
    save(photo(np.full_like(VALUES, 1)), tmp_path / 'images/1.png')
    red = Image.fromarray(np.full_like(VALUES, 2), 'L')
    red.putpalette([9, 9, 9, 8, 8, 8, *COLOURS[1]])
    save(red, tmp_path / 'masks/1.png')
    with pytest.raises(ValueError, match=r'\(200, 0, 0\) has the index 1 in the first and 2'):
        make(tmp_path).examples('all')


def test_palettes_that_differ_where_they_are_not_in_use_agree(tmp_path):
    save_palettes(tmp_path, ORDERS[:1])
    two = Image.fromarray(np.minimum(VALUES, 1), 'L')
    two.putpalette([*COLOURS[0], *COLOURS[1], 7, 7, 7, 9, 9, 9])
    save(photo(np.minimum(VALUES, 1)), tmp_path / 'images/1.png')
    save(two, tmp_path / 'masks/1.png')
    save(photo(), tmp_path / 'images/2.png')
    save(VALUES, tmp_path / 'masks/2.png')  # Grey: the value is the class.
    ramp = Image.fromarray(VALUES, 'L')
    ramp.putpalette([channel for i in range(256) for channel in (i, i, i)])
    save(photo(), tmp_path / 'images/3.png')
    save(ramp, tmp_path / 'masks/3.png')
    examples = make(tmp_path).examples('all')
    for i in range(4):
        assert_fits(examples, i)


def test_one_order_that_contradicts_the_colours_of_the_user(tmp_path):
    save_palettes(tmp_path, [ORDERS[1]] * 2)
    make(tmp_path).examples('all')  # Nothing tells that the indices are wrong.
    with pytest.raises(ValueError, match=r'\(0, 0, 200\) at index 0, but Folder\.colours .* at 2'):
        make(tmp_path, colours=COLOURS).examples('all')
    make(tmp_path, colours=COLOURS, mask_values='indices').examples('all')
    assert_fits(make(tmp_path, colours=COLOURS, mask_values='colours').examples('all'))


def test_the_colours_that_do_not_fit_are_counted(tmp_path):
    save(photo(), tmp_path / 'images/a.png')
    pixels = np.array(COLOURS, np.uint8)[VALUES]
    pixels.reshape(-1, 3)[:9] = [(9, 9, number) for number in (1, 2, 2, 3, 4, 5, 6, 6, 6)]
    save(pixels, tmp_path / 'masks/a.png')
    words = (
        r': \(9, 9, 6\) on 3 pixels, \(9, 9, 2\) on 2 pixels, .* \(9, 9, 4\) on 1 pixels and 1 more'
    )
    with pytest.raises(ValueError, match=words):
        make(tmp_path, colours=COLOURS, mask_values='colours').examples('all')


@pytest.mark.parametrize('check', ['full', 'headers'])
def test_a_binary_mask_has_0_and_255(tmp_path, check):
    for name, values in {'a': VALUES > 0, 'b': VALUES > 5}.items():
        save(photo(), tmp_path / f'images/{name}.png')
        save(np.uint8(values) * 255, tmp_path / f'masks/{name}.png')
    folders = str(tmp_path / 'images'), CLASSES[:2], str(tmp_path / 'masks')
    examples = Folder(*folders, mask_values='binary', check=check).examples('all')
    np.testing.assert_array_equal(load(examples)[1], VALUES > 0)
    assert not load(examples, 1)[1].any()
    save(VALUES * 100, tmp_path / 'masks/b.png')
    with pytest.raises(
        ValueError, match=r'b\.png has pixels of value 100, 200; a binary mask has 0'
    ):
        Folder(*folders, mask_values='binary').examples('all')
    with pytest.raises(ValueError, match=r'is for two classes; Folder\.class_names has 3'):
        make(tmp_path, mask_values='binary')


def test_colours_can_be_rgb_and_one_can_be_ignored(tmp_path):
    save(photo(), tmp_path / 'images/a.png')
    pixels = np.array(COLOURS, np.uint8)[VALUES]
    pixels[0, 0] = (224, 224, 192)
    save(pixels, tmp_path / 'masks/a.png')
    dataset = make(tmp_path, colours=COLOURS, mask_values='colours')
    words = r'a\.png shows colours that are not in Folder\.colours: \(224, 224, 192\) on 1 pixels\.'
    with pytest.raises(ValueError, match=words):
        dataset.examples('all')
    ignoring = {'colours': COLOURS, 'mask_values': 'colours', 'ignore_colour': (224, 224, 192)}
    label = load(make(tmp_path, **ignoring).examples('all'))[1]
    assert label[0, 0] == 255
    np.testing.assert_array_equal(label.ravel()[1:], VALUES.ravel()[1:])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'masks_drawn_on': 'left'},
            r"Folder\.masks_drawn_on is 'left'; it can be None, '",
        ),
        ({'mask_values': 'names'}, r"Folder\.mask_values is 'names'; it can be None, 'indices', "),
        ({'mask_values': 'colours'}, r'set Folder\.colours'),
        ({'mask_values': 'colours', 'colours': [(0, 0, 0)] * 3}, 'must be RGB triples that differ'),
        (
            {'mask_values': 'colours', 'colours': COLOURS, 'ignore_colour': COLOURS[0]},
            'must be RGB triples that differ',
        ),
        ({'ignore_colour': (1, 2, 3)}, "needs Folder.mask_values = 'colours'"),
        ({'bit_depth': 7}, r'Folder\.bit_depth is 7; it must be a whole number, 8 to 16'),
        ({'bit_depth': 12.0}, r'Folder\.bit_depth is 12\.0; it must be'),
    ],
)
def test_settings_out_of_range(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **changes)


def deep(top):
    return np.array([[0, top // 2], [top, top]], np.uint16)


def test_16_bit_files_that_hold_12_bits(tmp_path):
    for name in 'ab':
        save(deep(4095), tmp_path / f'images/{name}.png')
    with pytest.raises(ValueError, match=r'2 of 2 images of 16 bits .*Folder\.bit_depth = 12 if'):
        make(tmp_path).examples('all', 'none')
    with pytest.raises(ValueError, match=r'Set Folder\.bit_depth, or Folder\.check'):
        make(tmp_path, check='headers').examples('all', 'none')
    examples = make(tmp_path, bit_depth=12).examples('all', 'none')
    for i in range(2):
        image = examples.load(tf.constant(i, tf.int64))['image'].numpy()
        assert image[..., 1].tolist() == [[0, 127], [255, 255]]  # 2047 / 4095 * 255 = 127.47
    dark = make(tmp_path, bit_depth=16).examples('all', 'none')
    assert dark.load(tf.constant(0, tf.int64))['image'].numpy().max() == 16
    with pytest.raises(ValueError, match=r'a\.png holds the value 4095, which needs 12 bits'):
        make(tmp_path, bit_depth=10).examples('all', 'none')


def test_a_dark_image_of_a_16_bit_set_is_scaled_as_the_others(tmp_path):
    for name, top in (('a', 65534), ('b', 60000), ('c', 3000)):
        save(deep(top), tmp_path / f'images/{name}.png')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        examples = make(tmp_path).examples('all', 'none')
    assert examples.load(tf.constant(2, tf.int64))['image'].numpy().max() == 12  # 3000 / 257


def test_a_set_of_dark_images_and_a_bright_one_is_a_warning(tmp_path):
    for name, top in (('a', 65534), ('b', 4000), ('c', 3000)):
        save(deep(top), tmp_path / f'images/{name}.png')
    with pytest.warns(UserWarning, match=r'2 of 3 images .*b\.png .*Folder\.bit_depth = 12'):
        make(tmp_path).examples('all', 'none')


def test_pixels_that_mark_nothing_do_not_hide_12_bits(tmp_path):
    values = np.full((40, 40), 3000, np.uint16)
    values[:10] = 65535  # No data.
    values[20, 20] = 50000  # A hot pixel.
    save(values, tmp_path / 'images/a.png')
    with pytest.raises(ValueError, match=r'bit_depth = 12'):
        make(tmp_path).examples('all', 'none')


def test_masks_beside_photos_are_not_photos(tmp_path):
    folder = tmp_path / 'images'
    for name in ('a', 'b'):
        save(photo(), folder / f'{name}.png')
        save(VALUES, folder / f'{name}_mask.png')
    told = {'splits': {'all': None}, 'mask_endings': ('_mask.png',)}
    for folders in ((str(folder), str(folder)), (f'{folder}/../images', f'{folder}/')):
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            dataset = Folder(folders[0], CLASSES, folders[1], **told)
            assert dataset.examples('all', 'none').ids == ('a', 'b')
            assert dataset.examples('all').ids == ('a', 'b')
    with pytest.warns(
        UserWarning, match=r'2 files .*a_mask\.png of .*a\.png.*Folder\.mask_endings'
    ):
        examples = Folder(str(folder), CLASSES).examples('all', 'none')
    assert examples.ids == ('a', 'b')
    (tmp_path / 'list').write_text('a\na_mask\n')  # Named by the user: an image.
    listed = Folder(str(folder), CLASSES, splits={'all': str(tmp_path / 'list')})
    assert listed.examples('all', 'none').ids == ('a', 'a_mask')
    with pytest.raises(
        ValueError, match=r'every image .* is a mask by its name; set Folder\.image'
    ):
        Folder(str(folder), CLASSES, str(folder)).examples('all')


def test_masks_in_a_folder_inside_of_the_images_are_not_photos(tmp_path):
    save(photo(), tmp_path / 'images/a.png')
    save(VALUES, tmp_path / 'images/truth/a.png')
    dataset = Folder(f'{tmp_path}/images', CLASSES, f'{tmp_path}/images/truth')
    assert dataset.examples('all').ids == dataset.examples('all', 'none').ids == ('a',)


@pytest.mark.parametrize('name', ['sky', 'a', 'class0', 'Road', 'tumour', 'backpack', 'bug'])
def test_a_first_class_that_is_no_background_is_a_warning(name):
    with pytest.warns(UserWarning, match=f"Class 0 is called '{name}'.*Folder.has_background"):
        info = Folder('photos', (name, 'other thing')).info
    assert info.has_background
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert not Folder('photos', (name, 'other thing'), has_background=False).info.has_background
        assert Folder('photos', (name, 'other thing'), has_background=True).info.has_background


@pytest.mark.parametrize(
    'name',
    ['background', 'Background', '__bg__', 'BG', 'unlabelled', 'void', 'Other', 'no_tumour', 'None',
     'not water', 'back ground', 'background_clutter', 'noLabel', '_background_', 'negative'],
)  # fmt: skip
def test_a_first_class_that_is_a_background_is_no_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert Folder('photos', (name, 'sky')).info.has_background
    with pytest.warns(UserWarning, match='counts as a class like the others'):
        Folder('photos', (name, 'sky'), has_background=False)
