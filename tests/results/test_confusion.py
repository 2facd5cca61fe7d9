"""A confusion matrix as a table and as a picture."""

import numpy as np

from wss.results import confusion

COUNTS = [[3, 1], [0, 0]]


def test_the_table_has_names():
    assert confusion.as_csv(COUNTS, ('sky', 'a, b')).splitlines() == [
        'true \\ predicted,sky,"a, b"',
        'sky,3,1',
        '"a, b",0,0',
    ]


def test_a_cell_is_as_dark_as_its_share():
    picture = confusion.picture(COUNTS, ('sky', 'sea'))
    cells = [
        [picture[-50 + 44 * (row - 1) + 3, -50 + 44 * (column - 1) + 3] for column in range(2)]
        for row in range(2)
    ]
    np.testing.assert_allclose(cells[0][0], 255 + 0.75 * (np.array([8, 64, 129]) - 255), atol=0.6)
    np.testing.assert_allclose(cells[0][1], 255 + 0.25 * (np.array([8, 64, 129]) - 255), atol=0.6)
    # A class that is true nowhere has an empty row.
    assert np.all(cells[1][0] == 255) and np.all(cells[1][1] == 255)
