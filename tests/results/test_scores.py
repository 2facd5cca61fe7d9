from wss.results import scores

SCORES = {
    'iou': [0.5, None, 0.25],
    'miou': 0.375,
    'pixel_accuracy': 0.9,
    'pixels': 100,
    'image_accuracy': 1.0,
}


def test_table_has_a_line_a_class_and_the_totals():
    named = scores.by_class(SCORES, ('ground', 'dark', 'light'))
    assert scores.table(named).splitlines() == [
        'class            IoU %',
        '----------------------',
        'ground           50.00',
        'dark                 -',
        'light            25.00',
        '----------------------',
        'mIoU             37.50',
        'pixel accuracy   90.00',
        'image accuracy  100.00',
    ]


def test_by_class_names_the_values_and_keeps_the_rest():
    named = scores.by_class(SCORES, ('ground', 'dark', 'light'))
    assert named['iou'] == {'ground': 0.5, 'dark': None, 'light': 0.25}
    assert named['pixels'] == 100
    assert SCORES['iou'] == [0.5, None, 0.25]
