"""What is seen in folders, and the configuration that follows."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from wss.configuration import first_settings, gin_files
from wss.datasets.survey import looking, report
from wss.experiment import Experiment


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


@pytest.fixture
def folders(tmp_path):
    """Makes images of 90 x 60 pixels (width x height) and masks from their values."""

    def make(masks, without=0):
        for number in range(len(masks) + without):
            save(tmp_path / f'photos/{number}.jpg', np.full([60, 90, 3], 90))
        for number, rows in enumerate(masks):
            mask = np.zeros([60, 90, *np.shape(rows)[1:]])
            mask[: len(rows)] = np.asarray(rows)[:, None]
            save(tmp_path / f'masks/{number}.png', mask)
        return str(tmp_path / 'photos'), str(tmp_path / 'masks')

    return make


def started(seen, places, folder, **options):
    return first_settings.choose(seen, *places, str(folder), 10**10, **options)


def test_masks_of_indices(folders, tmp_path):
    """Each row of 90 pixels has one value: of 240 rows 2 are 1, 1 is 4 and 1 is 255."""
    places = folders([[1], [1, 4], [255], []], without=2)
    seen = looking.look(*places)
    assert seen.kind() == 'indices' and len(seen.seen) == 6 and seen.masked == ('0', '1', '2', '3')
    assert seen.totals() == {
        0: (236 * 90, 4),
        1: (2 * 90, 2),
        4: (90, 1),
        255: (90, 1),
    }
    assert report.text(seen).splitlines() == [
        'Images: 6 can be read, 4 of them with a mask.',
        '2 images have no mask: 4, 5.',
        'Sizes (width x height): median 90x60, from 90x60 to 90x60.',
        'Masks hold class indices.',
        '          value  pixels %  images  pixels an image',
        '              0     98.33       4             5310',
        '              1      0.83       2               90',
        '              4      0.42       1               90',
        '            255      0.42       1               90',
        'No mask shows 2, 3, though larger values occur.',
        'Pixels of 255 are ignored.',
    ]
    start = started(seen, places, tmp_path)
    assert start.settings['Folder.class_names'][3:] == ('class_3', 'class_4')
    # Four masks are too few to leave some for validation.
    assert len(start.train) == 4 and not start.val and start.settings['Validation.split'] is None


def test_binary_masks(folders, tmp_path):
    places = folders([[255]] * 9 + [[]])
    seen = looking.look(*places)
    assert seen.kind() == 'binary'
    start = started(seen, places, tmp_path, class_names=('ground', 'road'))
    assert start.settings['Folder.mask_values'] == 'binary'
    assert start.settings['Folder.class_names'] == ('ground', 'road')
    assert (len(start.train), len(start.val)) == (8, 2) and not set(start.train) & set(start.val)
    with pytest.raises(ValueError, match='have 2 classes, but 3 names are given: a, b, c'):
        started(seen, places, tmp_path, class_names=('a', 'b', 'c'))


def test_masks_of_colours(folders, tmp_path):
    places = folders([[(200, 0, 0), (0, 0, 200)], [(200, 0, 0), (200, 0, 0)]])
    seen = looking.look(*places)
    assert seen.kind() == 'colours'
    assert '(200, 0, 0)      2.50       2' in report.text(seen)
    start = started(seen, places, tmp_path)
    assert start.settings['Folder.colours'] == ((0, 0, 0), (200, 0, 0), (0, 0, 200))


def test_more_colours_than_classes_can_be(folders, tmp_path):
    """Each mask has 60 colours of its own."""
    places = folders([[(1 + number, row, 9) for row in range(60)] for number in range(4)])
    seen = looking.look(*places)
    assert seen.kind() == 'colours' and not seen.problems
    with pytest.raises(ValueError, match='have 240 colours together, and a run has at most 200 cl'):
        started(seen, places, tmp_path)


def test_what_cannot_be_used_is_named(folders, tmp_path):
    places = folders([[1]] * 3)
    photos, masks = map(pathlib.Path, places)
    (photos / '0.jpg').write_bytes(b'no image')
    save(masks / '1.png', np.zeros([60, 91]))
    save(masks / 'alone.png', np.zeros([60, 90]))
    random = np.random.default_rng(0)
    save(photos / '3.jpg', np.zeros([60, 90, 3]))
    save(masks / '3.png', random.integers(0, 256, (60, 90, 3)))
    seen = looking.look(*places)
    assert set(seen.problems) == {'0', '1', '3'} and seen.without_image == ('alone',)
    said = report.text(seen)
    for words in (
        '0.jpg is not an image',
        '1.png is 91x60 pixels (width x height), but its image',
        'colours: it is a picture, or was drawn with smooth edges',
        '1 masks have no image: alone.',
    ):
        assert words in said


def test_one_coloured_mask_among_grey_ones(folders, tmp_path):
    """Empty masks are often saved grey; they are read by their colours with the others."""
    places = folders([[(200, 0, 0)]])
    save(tmp_path / 'photos/1.jpg', np.zeros([60, 90, 3]))
    save(tmp_path / 'masks/1.png', np.zeros([60, 90]))
    seen = looking.look(*places)
    assert seen.totals() == {(0, 0, 0): (119 * 90, 2), (200, 0, 0): (90, 1)}
    start = started(seen, places, tmp_path)
    assert start.settings['Folder.colours'] == ((0, 0, 0), (200, 0, 0))


def test_palettes_of_different_orders_are_read_by_their_colours(tmp_path):
    red, blue = (200, 0, 0), (0, 0, 200)
    for number, order in enumerate(((red, blue), (blue, red))):
        save(tmp_path / f'photos/{number}.jpg', np.zeros([4, 5, 3]))
        mask = Image.fromarray(np.eye(4, 5, dtype=np.uint8))
        mask.putpalette([channel for colour in order for channel in colour])
        (tmp_path / 'masks').mkdir(exist_ok=True)
        mask.save(tmp_path / f'masks/{number}.png')
    seen = looking.look(str(tmp_path / 'photos'), str(tmp_path / 'masks'))
    assert seen.kind() == 'colours' and seen.totals() == {blue: (20, 2), red: (20, 2)}


def test_grey_values_that_are_no_indices_are_refused(folders, tmp_path):
    places = folders([[128, 255]])
    with pytest.raises(ValueError, match='have 2 values up to 128, which do not look like class'):
        started(looking.look(*places), places, tmp_path)
    smooth = folders([list(range(60))])
    start = started(looking.look(*smooth), smooth, tmp_path)  # Sixty classes can be.
    assert len(start.settings['Folder.class_names']) == 60


@pytest.mark.parametrize(('high', 'bits'), [(4000, 12), (1000, 10), (65000, None)])
def test_images_of_16_bits(tmp_path, high, bits):
    (tmp_path / 'photos').mkdir()
    pixels = np.full([9, 12], high, np.uint16)
    Image.fromarray(pixels).save(tmp_path / 'photos/a.png')
    save(tmp_path / 'masks/a.png', np.eye(9, 12))
    places = str(tmp_path / 'photos'), str(tmp_path / 'masks')
    seen = looking.look(*places)
    assert '1 images have 16 bits' in report.text(seen)
    assert started(seen, places, tmp_path).settings.get('Folder.bit_depth') == bits


def test_masks_that_are_turned_otherwise_are_counted(folders, tmp_path):
    places = folders([[1]])
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new('RGB', (60, 90)).save(tmp_path / 'photos/0.jpg', exif=turned)
    assert '1 masks have another EXIF orientation' in report.text(looking.look(*places))


def test_without_masks_there_is_nothing_to_start_with(folders, tmp_path):
    places = folders([], without=2)
    seen = looking.look(places[0])
    assert report.text(seen).endswith('No mask can be read.')
    with pytest.raises(ValueError, match='No image has a mask that can be read'):
        started(seen, (places[0], None), tmp_path)


def test_one_class_is_not_enough(folders, tmp_path):
    places = folders([[]])
    with pytest.raises(ValueError, match='show one class only, and two are needed'):
        started(looking.look(*places), places, tmp_path)


@pytest.mark.parametrize(
    ('size', 'free', 'long_side', 'crop', 'batch'),
    [
        ((60, 90), 10**10, None, 65, 8),  # Two thirds of 90 are less than the smallest crop.
        ((300, 240), 10**10, None, 193, 8),  # 200, rounded down to 12 * 16 + 1.
        ((3000, 4000), 10**10, 640, 321, 5),  # 5e9 / (2 * 4500 * 321^2) is 5.4.
        ((3000, 4000), 10**9, 640, 321, 2),
        ((600, 900), 10**10, None, 321, 5),
    ],
)
def test_sizes_and_memory_decide(size, free, long_side, crop, batch):
    seen = looking.Survey({'a': looking.Seen(size, False, values={0: 1, 1: 1})}, {}, ())
    found = first_settings.choose(seen, 'photos', 'masks', '', free).settings
    assert found.get('Data.long_side') == long_side
    assert found['Views.crop_size'] == (crop, crop)
    assert found['Labelled.batch_size'] == found['Unlabelled.batch_size'] == batch


def test_the_file_is_a_configuration(folders, tmp_path):
    places = folders([[1], [2], [1, 2], [255], [1], [2]], without=1)
    out = tmp_path / 'new/mine.gin'
    start = started(looking.look(*places), places, out.parent)
    for _ in range(2):  # Again, nothing changes.
        first_settings.write(start, str(out))
    gin_files.parse([str(out)], [])
    experiment = gin_files.build(Experiment)
    dataset = experiment.data.make_dataset()
    assert dataset.examples('train').ids == start.train and len(start.train) == 5
    assert dataset.examples('val').ids == start.val and len(start.val) == 1
    assert len(dataset.examples('all', labels='available').ids) == 7
    out.write_text('mine')
    with pytest.raises(ValueError, match=r'mine\.gin exists and holds something else'):
        first_settings.write(start, str(out))
    assert str(out) in first_settings.next_steps(start, str(out))
