import json

from wss.results import scores

SCORES = {
    'iou': [0.5, None, 0.25],
    'miou': 0.375,
    'classes': 2,
    'only_predicted': [],
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
        'The mIoU is the mean over 2 of 3 classes: neither a mask nor a prediction shows dark.',
    ]


def test_table_has_a_column_for_each_measure_of_classes():
    given = {
        **SCORES,
        'precision': [1.0, None, 0.5],
        'recall': [0.5, None, 0.25],
        'boundary_iou_3_pixels': [0.125, None, None],
        'boundary_miou_3_pixels': 0.125,
        'frequency_weighted_iou': 0.4,
    }
    assert scores.table(scores.by_class(given, ('ground', 'dark', 'light'))).splitlines()[:-1] == [
        'class                     IoU %  precision %  recall %  boundary 3 px',
        '---------------------------------------------------------------------',
        'ground                    50.00       100.00     50.00          12.50',
        'dark                          -            -         -              -',
        'light                     25.00        50.00     25.00              -',
        '---------------------------------------------------------------------',
        'mIoU                      37.50',
        'pixel accuracy            90.00',
        'image accuracy           100.00',
        'boundary mIoU, 3 pixels   12.50',
        'frequency-weighted IoU    40.00',
    ]


def test_table_names_classes_that_only_the_predictions_show():
    given = {**SCORES, 'iou': [0.75, 0.0, 0.0], 'classes': 3, 'only_predicted': [1, 2]}
    lines = scores.table(scores.by_class(given, ('ground', 'dark', 'light'))).splitlines()
    assert lines[-1] == 'Predicted, but in no mask, so that the IoU is 0: dark, light.'
    assert lines[-2].startswith('image accuracy')


def test_by_class_names_the_values_and_keeps_the_rest():
    named = scores.by_class(SCORES, ('ground', 'dark', 'light'))
    assert named['iou'] == {'ground': 0.5, 'dark': None, 'light': 0.25}
    assert named['pixels'] == 100
    assert (named['classes'], named['absent'], named['only_predicted']) == (2, ['dark'], [])
    assert json.loads(json.dumps(named))['iou']['dark'] is None
    assert SCORES['iou'] == [0.5, None, 0.25]
