import pytest

from wss.datasets.files import palette


def test_colours_are_those_of_pascal_voc():
    # The first and last entries of the published colour map.
    assert palette.distinct_colours(5) == (
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
        (0, 0, 128),
    )
    assert palette.distinct_colours(1, first=20) == ((0, 64, 128),)
    assert palette.distinct_colours(1, first=255) == ((224, 224, 192),)


def test_colours_do_not_repeat():
    assert len(set(palette.distinct_colours(256))) == 256


def test_colours_beyond_the_map_are_refused():
    with pytest.raises(ValueError, match='256 colours'):
        palette.distinct_colours(256, first=1)
