import dataclasses

import numpy as np
import pytest
from PIL import Image

from wss.datasets.info import DatasetInfo
from wss.results import pictures

COLOURS = ((0, 0, 0), (200, 0, 0), (0, 100, 0))
INFO = DatasetInfo('test', ('ground', 'red', 'green'), COLOURS)


def test_palette_has_class_colours_and_white_for_ignore():
    table = pictures.palette(COLOURS, 254)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    np.testing.assert_array_equal(table[:3], COLOURS)
    np.testing.assert_array_equal(table[254], [255, 255, 255])
    np.testing.assert_array_equal(table[[3, 255]], 0)


def test_labels_take_the_colours_of_their_classes():
    drawn = pictures.colour_labels(np.array([[0, 1], [2, 255]]), COLOURS)
    expected = [[[0, 0, 0], [200, 0, 0]], [[0, 100, 0], [255, 255, 255]]]
    np.testing.assert_array_equal(drawn, expected)


def test_overlay_mixes_half_and_keeps_background_and_ignored_pixels():
    image = np.full([1, 4, 3], 100, np.uint8)
    drawn = pictures.overlay(image, np.array([[0, 1, 2, 255]]), INFO)
    np.testing.assert_array_equal(
        drawn[0], [[100, 100, 100], [150, 50, 50], [50, 100, 50], [100, 100, 100]]
    )


def test_overlay_colours_class_0_that_is_no_background():
    image = np.full([1, 1, 3], 100, np.uint8)
    info = dataclasses.replace(INFO, has_background=False)
    np.testing.assert_array_equal(
        pictures.overlay(image, np.array([[0]]), info)[0, 0], [50, 50, 50]
    )


def test_scores_are_the_darker_the_less_likely():
    scores = np.array([[[0.1, 0.5, 0.4], [0.0, 0.2, 1.5], [0.8, 0.1, 0.1]]])
    drawn = pictures.colour_scores(scores, COLOURS)
    # 200 * 0.5; 100 at a score cut off to 1; grey 90 * 0.8 for the black class.
    np.testing.assert_array_equal(drawn[0], [[100, 0, 0], [0, 100, 0], [72, 72, 72]])


def test_values_outside_are_cut_off():
    np.testing.assert_array_equal(
        pictures.as_picture(np.array([-5.0, 0.6, 254.4, 300.0])), [0, 1, 254, 255]
    )


def test_panel_scales_columns_to_one_height_and_puts_rows_below_each_other():
    red = np.full([2, 100, 100, 3], (255, 0, 0), np.uint8)
    blue = np.full([2, 50, 100, 3], (0, 0, 255), np.uint8)
    sheet = pictures.panel({'red': red, 'blue': blue})
    # Two rows of 100 pixels; columns of 100 and 200 pixels; between them gaps of 6.
    assert sheet.shape[1] == 6 + 100 + 6 + 200 + 6
    rows = np.all(sheet[:, 50] == (255, 0, 0), axis=-1)
    assert rows.sum() == 200
    blue_pixels = np.all(sheet == (0, 0, 255), axis=-1)
    assert blue_pixels.sum() == 2 * 100 * 200


def test_panel_refuses_columns_of_different_numbers():
    with pytest.raises(ValueError, match=r"equally many pictures; got \{'a': 2, 'b': 1\}"):
        pictures.panel({'a': np.zeros([2, 4, 4, 3]), 'b': np.zeros([1, 4, 4, 3])})


def test_legend_breaks_lines():
    names, colours = ('one', 'two', 'three'), COLOURS
    wide, narrow = (pictures.legend(names, colours, width) for width in (400, 80))
    assert wide.shape[1] == 400
    assert narrow.shape[0] > wide.shape[0]
    for colour in COLOURS[1:]:
        assert np.any(np.all(wide == colour, axis=-1))


def test_method_panel_draws_every_part(tiny):
    parts = {
        'images': {'image': np.zeros([5, 8, 8, 3]), 'strong view': np.zeros([5, 8, 8, 3])},
        'labels': {'truth': np.ones([5, 8, 8], int), 'prediction': np.zeros([5, 8, 8], int)},
        'scores': {'CAM': np.ones([5, 2, 2, 3])},
    }
    one, four = (pictures.method_panel(parts, tiny.make_info(), rows) for rows in (1, 4))
    assert one.shape[1] >= 5 * 96
    assert four.shape[0] - one.shape[0] == 3 * (96 + 6)


def test_masks_are_written_as_indices_with_a_palette(tmp_path):
    labels = np.array([[0, 1, 2], [255, 1, 0]], np.int32)
    (tmp_path / 'mask.png').write_bytes(pictures.encode_mask(labels, COLOURS))
    with Image.open(tmp_path / 'mask.png') as mask:
        assert mask.mode == 'P'
        np.testing.assert_array_equal(np.asarray(mask), labels)
        np.testing.assert_array_equal(
            np.asarray(mask.convert('RGB')), pictures.colour_labels(labels, COLOURS)
        )


def test_validation_images_of_any_size_with_a_legend():
    wide, tall = np.full([10, 40, 3], 90, np.uint8), np.full([400, 100, 3], 20.0)
    examples = [
        (wide, np.ones([10, 40], np.int32), np.zeros([10, 40], np.int32)),
        (tall, np.full([800, 200], 255), np.full([400, 100], 2)),
    ]
    sheet = pictures.validation_panel(examples, INFO, height=100)
    assert sheet.dtype == np.uint8 and sheet.shape[1] == 3 * 400 + 4 * 6
    legend = pictures.legend(INFO.class_names, COLOURS, sheet.shape[1])
    np.testing.assert_array_equal(sheet[-len(legend) :], legend)
    # Image, truth and prediction of the first row; of the second the left part, then paper.
    middle = sheet[int(1.6 * 12) + 50]
    assert [tuple(middle[6 + 406 * i + 200]) for i in range(3)] == [(90,) * 3, COLOURS[1], (0,) * 3]
    below = sheet[int(1.6 * 12) + 156]
    assert tuple(below[6 + 406 * 2 + 10]) == COLOURS[2]
    assert tuple(below[6 + 10]) == (20,) * 3 and tuple(below[6 + 40]) == (250,) * 3


def test_a_legend_of_names_that_the_font_lacks():
    assert pictures.legend(('碗', 'é'), COLOURS[:2], 100).shape[1] == 100
    two_lines, one_line = (pictures.legend((n,), COLOURS[:1], 90) for n in ('a\nb', 'a b'))
    np.testing.assert_array_equal(two_lines, one_line)
