import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.views.image_label import classes_present

COLOURS = ((0, 0, 0), (1, 1, 1), (2, 2, 2))
LABEL = tf.constant([[0, 2, 255], [255, 2, 0]])


def test_background_is_left_out():
    info = DatasetInfo('with', ('background', 'a', 'b'), COLOURS)
    assert classes_present(LABEL, info).numpy().tolist() == [0.0, 1.0]


def test_without_background_every_class_counts():
    info = DatasetInfo('without', ('a', 'b', 'c'), COLOURS, has_background=False)
    assert classes_present(LABEL, info).numpy().tolist() == [1.0, 0.0, 1.0]


def test_ignored_pixels_are_no_class():
    info = DatasetInfo('low', ('a', 'b', 'c'), COLOURS, has_background=False, ignore_value=3)
    assert classes_present(tf.constant([[3, 3], [1, 3]]), info).numpy().tolist() == [0, 1, 0]
    assert classes_present(tf.fill([2, 2], 3), info).numpy().tolist() == [0, 0, 0]
