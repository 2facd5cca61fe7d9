import numpy as np
import pytest
from pycocotools import mask as pycocotools_mask

from wss.datasets.files import coco_masks

# Images of 10x8 pixels (width x height).
HEIGHT, WIDTH = 8, 10


def region(segmentation, class_index=1, area=1.0, crowd=False, number=1):
    return coco_masks.Region(number, class_index, area, crowd, coco_masks.compact(segmentation))


def box(left, top, right, bottom):
    """A polygon around the pixels of columns left..right - 1 and rows top..bottom - 1."""
    return [float(v) for v in (left, top, right, top, right, bottom, left, bottom)]


def runs(mask):
    """The lengths of the runs of a mask down its columns, the first one outside, by counting."""
    counts, value = [0], False
    for pixel in np.asarray(mask, bool).T.ravel():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {'size': list(np.shape(mask)), 'counts': counts}


def paint(*regions):
    mask = coco_masks.paint(regions, HEIGHT, WIDTH)
    assert mask.dtype == np.uint8
    return mask


def rows(text):
    """A mask written down: one character a pixel, `#` is 255."""
    values = {'.': 0, '#': 255}
    return [[values.get(c, ord(c) - ord('0')) for c in line] for line in text.split()]


LARGE = box(1, 1, 8, 6)  # 7 x 5 pixels.
SMALL = box(5, 3, 9, 7)  # 4 x 4 pixels, of which 3 x 3 are in LARGE.
OVERLAP = rows("""
    ..........
    .1111111..
    .1111111..
    .11112222.
    .11112222.
    .11112222.
    .....2222.
    ..........
""")


@pytest.mark.parametrize('order', [1, -1])
def test_smaller_objects_cover_larger_ones(order):
    regions = [
        region([LARGE], class_index=1, area=35.0, number=7),
        region([SMALL], class_index=2, area=16.0, number=5),
    ]
    assert paint(*regions[::order]).tolist() == OVERLAP


def test_the_area_that_is_given_decides():
    mask = paint(region([LARGE], 1, area=15.0), region([SMALL], 2, area=16.0))
    assert mask[1:6, 1:8].tolist() == [[1] * 7] * 5
    assert mask[3:7, 8].tolist() == [2] * 4


@pytest.mark.parametrize('order', [1, -1])
def test_of_the_same_area_the_higher_id_is_on_top(order):
    regions = [
        region([LARGE], 1, area=20.0, number=8),
        region([SMALL], 2, area=20.0, number=30),
    ]
    assert paint(*regions[::order]).tolist() == OVERLAP


def test_nothing_annotated_is_background():
    assert paint().tolist() == [[0] * WIDTH] * HEIGHT


def test_a_crowd_is_ignored_but_not_the_objects_in_it():
    crowd = np.zeros((HEIGHT, WIDTH))
    crowd[2:6, 3:10] = 1
    mask = paint(
        region([box(0, 4, 5, 8)], 3, area=20.0),
        region(runs(crowd), 1, area=1.0, crowd=True),  # Smaller, and yet below.
    )
    assert mask.tolist() == rows("""
        ..........
        ..........
        ...#######
        ...#######
        33333#####
        33333#####
        33333.....
        33333.....
    """)


def test_a_region_of_several_polygons():
    mask = paint(region([box(0, 0, 2, 2), box(6, 5, 9, 8)], 4))
    assert mask.tolist() == rows("""
        44........
        44........
        ..........
        ..........
        ..........
        ......444.
        ......444.
        ......444.
    """)


@pytest.mark.parametrize(
    ('polygon', 'inside'),
    [
        (box(-5, -5, 3, 4), (slice(0, 4), slice(0, 3))),
        (box(7, 5, 30, 40), (slice(5, 8), slice(7, 10))),
        (box(-9, -9, 90, 90), (slice(0, 8), slice(0, 10))),
        (box(17, 5, 30, 8), (slice(0, 0), slice(0, 0))),
        (box(1, -5, 5, -2), (slice(0, 0), slice(0, 0))),
    ],
)
def test_polygons_that_leave_the_image(polygon, inside):
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[inside] = 5
    np.testing.assert_array_equal(paint(region([polygon], 5)), expected)


def test_polygons_of_fewer_than_three_points_enclose_nothing():
    # COCO's tools would take the four numbers for a box of 6x5 pixels.
    outline = coco_masks.compact([[1.0, 1.0, 6.0, 5.0], [3.0, 3.0], []])
    assert outline == ()
    assert not paint(region([[1.0, 1.0, 6.0, 5.0]])).any()
    mask = paint(region([[1.0, 1.0, 6.0, 5.0], box(8, 0, 10, 1)]))
    assert np.argwhere(mask).tolist() == [[0, 8], [0, 9]]
    assert not paint(region([])).any()


def test_runs_go_down_the_columns():
    # Column 0: rows 0..2 outside, 3..7 inside; column 1: rows 0 and 1 inside.
    mask = paint(region({'size': [HEIGHT, WIDTH], 'counts': [3, 7, 70]}, 6))
    expected = np.zeros((HEIGHT, WIDTH))
    expected[3:, 0] = expected[:2, 1] = 6
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize('seed', range(5))
def test_compressed_and_plain_runs_agree_with_cocos_own_tools(seed):
    random = np.random.default_rng(seed)
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[random.integers(0, 5) :, random.integers(0, 8) :] = 1
    expected ^= random.random(expected.shape) < 0.2 * seed
    packed = pycocotools_mask.encode(np.asfortranarray(expected))
    packed['counts'] = packed['counts'].decode()
    np.testing.assert_array_equal(paint(region(packed)), expected)
    np.testing.assert_array_equal(paint(region(runs(expected))), expected)


def test_long_compressed_runs():
    # 300 = 9 * 32 + 12, so that the text has 12 + 32 + 48 and 9 + 48; 0 is '0'.
    mask = coco_masks.paint([region({'size': [300, 1], 'counts': '0\\9'}, 7)], 300, 1)
    np.testing.assert_array_equal(mask, np.full((300, 1), 7))
    expected = np.zeros((480, 640), np.uint8)
    expected[17:401, 33:600] = 1
    for packed in (pycocotools_mask.encode(np.asfortranarray(expected)), runs(expected)):
        if isinstance(packed['counts'], bytes):
            packed['counts'] = packed['counts'].decode()
        np.testing.assert_array_equal(coco_masks.paint([region(packed)], 480, 640), expected)


@pytest.mark.parametrize('text', ['01', '010', '000001'])
def test_compressed_runs_of_no_pixels(text):
    mask = coco_masks.paint([region({'size': [1, 1], 'counts': text}, 3)], 1, 1)
    assert mask.tolist() == [[3]]


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        (None, 'neither polygons nor an RLE'),
        ('abc', 'neither polygons nor an RLE'),
        (['abc'], 'not a list of pairs'),
        ([[0.0, 0.0, 1.0, 1.0, 2.0]], 'not a list of pairs'),
        ([[[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]], 'not a list of pairs'),
        ([[0.0, 0.0, 1.0, float('nan'), 2.0, 0.0]], 'beyond 100000 pixels'),
        ([[0.0, 0.0, 1e9, 1.0, 2.0, 0.0]], 'beyond 100000 pixels'),
        ({'counts': [80]}, 'size None'),
        ({'counts': [80], 'size': [8, -10]}, 'size'),
        ({'counts': [80], 'size': [8]}, 'size'),
        ({'counts': None, 'size': [8, 10]}, 'neither lengths in pixels nor text'),
        ({'counts': [90, -10], 'size': [8, 10]}, 'neither lengths in pixels nor text'),
        ({'counts': [8.0, 72.0], 'size': [8, 10]}, 'neither lengths in pixels nor text'),
        ({'counts': 'é', 'size': [8, 10]}, 'damaged'),
        ({'counts': '0' + 30 * 'o', 'size': [8, 10]}, 'damaged'),
        ({'counts': '0P', 'size': [8, 10]}, 'cut off'),
        ({'counts': '0' + 6 * 'P' + '0', 'size': [8, 10]}, 'damaged'),  # Too large a number.
        ({'counts': '0\x001', 'size': [8, 10]}, 'damaged'),
    ],
)
def test_segmentations_that_are_none(segmentation, message):
    with pytest.raises(ValueError, match=message):
        coco_masks.compact(segmentation)


@pytest.mark.parametrize(
    'segmentation',
    [
        {'size': [WIDTH, HEIGHT], 'counts': [80]},
        {'size': [HEIGHT, WIDTH], 'counts': [8, 8]},
        {'size': [HEIGHT, WIDTH], 'counts': [8, 800]},
        {'size': [HEIGHT, WIDTH], 'counts': []},
        {'size': [HEIGHT, WIDTH], 'counts': ''},
        {'size': [HEIGHT, WIDTH], 'counts': 'O'},  # -1.
        {'size': [HEIGHT, WIDTH], 'counts': '0O'},
        {'size': [HEIGHT, WIDTH], 'counts': '0_2'},  # 79: one too few.
        {'size': [HEIGHT, WIDTH], 'counts': 'a2'},  # 81: one too many.
        {'size': [HEIGHT, WIDTH], 'counts': '0ooooo?'},  # 2**29 - 1.
        {'size': [HEIGHT, WIDTH], 'counts': '00' + 2000 * '0'},
        {'size': [1, 80], 'counts': '`2'},  # 80 = 2 * 32 + 16, but of another size.
        {'size': [2**31 - 1, 2**31 - 1], 'counts': '`2'},
    ],
)
def test_runs_that_do_not_fill_the_image(segmentation):
    with pytest.raises(ValueError, match=r'Annotation 9 has an RLE of .* its image has 10x8'):
        paint(region(segmentation, number=9))
