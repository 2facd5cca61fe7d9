import collections.abc
import typing

import gin
import pytest

from wss.configuration import checks


def reference(text):
    """A parsed `@name` or `@name()` of something that gin knows."""
    return gin.config.parse_value(text)


@pytest.mark.parametrize(
    ('hint', 'fitting', 'unfitting'),
    [
        (int, [0, -3], [1.5, True, '1', None, (1,)]),
        (float, [0.5, 2], [True, '0.5', None]),
        (bool, [True, False], [0, 1, 'True']),
        (str, ['', 'x'], [1, None]),
        (int | None, [1, None], ['1', 0.5]),
        (typing.Optional[str], ['a', None], [1]),  # noqa: UP045
        (int | float | None, [1, 0.5, None], [True, 'x']),
        (tuple[int, int], [(1, 2), [1, 2]], [(1,), (1, 2, 3), (1, 0.5), 1, None]),
        (tuple[float, ...], [(), (1, 0.5)], [('a',), 1.0]),
        (collections.abc.Sequence[str], [('a',), ['b', 'c']], ['ab', (1,)]),
        (collections.abc.Mapping[str, str | None], [{}, {'a': None}], [{1: 'a'}, 'a']),
        (dict[str, int], [{'a': 1}], [{'a': 'b'}, ()]),
        (typing.Literal['a', 'b'], ['a'], ['c', 1]),
        (collections.abc.Callable[[], typing.Any], [], [1, 'name', None]),
        (collections.abc.Callable | None, [None], [1]),
        (typing.Any, [1, 'a', None], []),
    ],
)
def test_values_that_fit_an_annotation(hint, fitting, unfitting):
    for value in fitting:
        assert checks.fits(value, hint), value
    for value in unfitting:
        assert not checks.fits(value, hint), value
    assert checks.describe(hint)


def test_references_fit_where_something_is_made_or_called():
    bare, called = reference('@gin.macro'), reference('@gin.singleton()')
    assert checks.fits(bare, collections.abc.Callable[[], int])
    assert checks.fits(bare, collections.abc.Callable | None)
    assert not checks.fits(bare, int)
    assert not checks.fits(bare, tuple[int, ...])
    path = str | collections.abc.Callable[[], str] | None
    assert all(checks.fits(value, path) for value in (bare, 'list.txt', None))
    assert not checks.fits(3, path)
    assert checks.fits(called, int)
    assert not checks.fits(called, collections.abc.Callable[[], int])


@pytest.mark.parametrize(
    ('hint', 'text'),
    [
        (int, 'an int'),
        (float | None, 'a number or None'),
        (tuple[int, int], 'a tuple of 2: an int, an int'),
        (tuple[float, ...], 'a tuple, of which each is a number'),
        (collections.abc.Callable[[], int], 'a reference such as @module.name'),
    ],
)
def test_descriptions(hint, text):
    assert checks.describe(hint).startswith(text)


def test_settings_that_nothing_uses():
    used = '# Parameters for a.b:\na.b.x = 1\na.b.y = \\\n    (1,\n     2)\nscope/c.d = 3\nm = 1\n'
    checks.check_all_used('a.b.x = 1\na.b.y = (1, 2)\nscope/c.d = 5\nm = 1\n', used)
    with pytest.raises(ValueError, match=r'sets other/c\.d, which nothing'):
        checks.check_all_used('other/c.d = 5\n', used)
    with pytest.raises(ValueError, match=r'sets a\.b\.z, n, which nothing in this run uses'):
        checks.check_all_used('a.b.x = 1\na.b.z = 1\nn = 2\n', used)
