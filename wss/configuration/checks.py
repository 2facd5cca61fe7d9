"""Checks of a gin configuration: names, types of values, unused settings."""

import collections.abc
import difflib
import importlib
import inspect
import re
import tokenize
import types
import typing
from collections.abc import Callable, Collection

import gin

from wss.configuration import parts
from wss.runs.configuration import settings
from wss.settings import ranges

_PLAIN_TYPES = (bool, int, float, str, type(None))
_LARGEST = 3.4e38  # Of float32.


def check_types(config: dict) -> None:
    """Refuses values of a wrong type; gin calls this at the end of reading.

    Args:
        config: From `(scope, selector)` to the values by argument name.

    Raises:
        ValueError: If a value does not fit the annotation of its argument.
    """
    for (_, selector), values in config.items():
        hints = _hints(gin.get_configurable(selector))
        for name, value in values.items():
            value = _without_macros(value, config)
            if name in hints and not fits(value, hints[name]):
                raise ValueError(
                    f'{_short(selector)}.{name} is {value!r}, but must be {describe(hints[name])}.'
                )


def fits(value, hint) -> bool:
    """Whether a value of a configuration fits an annotation; True where this is unknown.

    An int fits a float, a list fits a tuple or a sequence, a reference (`@name`) fits a callable,
    and what a reference makes (`@name()`) fits anything but a callable, or, from a class, a plain
    value.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, choice) for choice in inner) or (
            _makes_callables(value)
            and any(
                collections.abc.Callable in (choice, typing.get_origin(choice)) for choice in inner
            )
        )
    if isinstance(value, gin.config.ConfigurableReference):
        container = origin in (tuple, list, dict, collections.abc.Sequence, collections.abc.Mapping)
        is_plain = hint in _PLAIN_TYPES or container
        if value.evaluate:  # A class makes no number or text; a function may.
            made_by_class = inspect.isclass(value.configurable.wrapped)
            return collections.abc.Callable not in (origin, hint) and not (
                is_plain and made_by_class
            )
        return not is_plain
    if origin is typing.Literal:
        return value in inner
    if hint in (int, float):
        accepted = int if hint is int else int | float
        return isinstance(value, accepted) and not isinstance(value, bool)
    if hint in _PLAIN_TYPES:
        return isinstance(value, hint)
    if origin is tuple and inner[-1] is not Ellipsis:
        whole = isinstance(value, tuple | list) and len(value) == len(inner)
        return whole and all(map(fits, value, inner))
    if origin in (tuple, list, collections.abc.Sequence):
        return isinstance(value, tuple | list) and all(fits(item, inner[0]) for item in value)
    if origin in (dict, collections.abc.Mapping):
        return isinstance(value, dict) and all(
            fits(key, inner[0]) and fits(item, inner[1]) for key, item in value.items()
        )
    return collections.abc.Callable not in (origin, hint)  # References are checked above.


def _makes_callables(value):
    """Whether a value is `@Name()` of a class whose objects can be called, such as a list."""
    if not isinstance(value, gin.config.ConfigurableReference) or not value.evaluate:
        return False
    made_by = value.configurable.wrapped
    return inspect.isclass(made_by) and '__call__' in dir(made_by)


def describe(hint) -> str:
    """Returns in words what `fits` accepts: `an int`, `a tuple of 2: an int, an int or None`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return ' or '.join(describe(choice) for choice in inner)
    if origin is typing.Literal:
        return f'one of {inner}'
    if collections.abc.Callable in (origin, hint):
        return 'a reference such as @module.name, without parentheses'
    if origin is tuple and inner[-1] is not Ellipsis:
        return f'a tuple of {len(inner)}: {", ".join(describe(item) for item in inner)}'
    if origin in (tuple, list, collections.abc.Sequence):
        return f'a tuple, of which each is {describe(inner[0])}'
    if origin in (dict, collections.abc.Mapping):
        return f'a dict, of which each key is {describe(inner[0])}, each value {describe(inner[1])}'
    names = {
        type(None): 'None',
        int: 'an int',
        float: 'a number',
        bool: 'True or False',
        str: 'a text in quotes',
    }
    return names.get(hint) or f'a {hint.__name__}'


def marked(names, is_marked: Callable) -> frozenset[str]:
    """Returns which settings of full names are marked (`info.may_change`, `info.of_host`)."""

    def holds(name):
        selector, _, field = name.rpartition('.')
        try:
            return is_marked(gin.get_configurable(selector), field)
        except ValueError:  # Such as a macro.
            return False

    return frozenset(filter(holds, names))


def check_all_used(bound: str, used: str, unneeded: Collection[str] = ()) -> None:
    """Refuses unused settings.

    A setting of a scope (`a/Schedule.steps`) is used where something is built in that scope.

    Args:
        bound: `gin.config_str()`.
        used: `gin.operative_config_str()`, after everything is built.
        unneeded: Names, with the whole modules, that may be unused: what files of the package set
            for parts that another setting has replaced.

    Raises:
        ValueError: If a setting of `bound` is not in `used`.
    """
    scopes = {}
    for scope, name in map(_split_scope, _names(used)):
        scopes.setdefault(name, []).append(f'{scope}/')

    def is_used(text):
        scope, name = _split_scope(text)
        found = scopes.get(name, ())
        return any(not scope or one.startswith(f'{scope}/') for one in found)

    def is_unneeded(text):
        scope, name = _split_scope(text)
        return any(
            other == name or ('.' in name and other.endswith(f'.{name}'))
            for other_scope, other in map(_split_scope, unneeded)
            if other_scope == scope
        )

    unused = [name for name in _names(bound) if not is_used(name) and not is_unneeded(name)]
    if unused:
        part, _, field = unused[0].rpartition('.')
        meant = '' if part else parts.meant('', field)
        raise ValueError(
            f'The configuration sets {", ".join(unused[:5])}, which nothing in this run uses; '
            f'leave it out, or choose the part that it belongs to{meant.removesuffix("?")}'
            f'{"?" if meant else "."}'
        )


def check_finite(config: dict) -> None:
    """Refuses numbers that float32 cannot hold; parts of users need no check of their own.

    Args:
        config: From `(scope, selector)` to the values by argument name.

    Raises:
        ValueError: If a number is infinite, not a number, or too large.
    """
    for (_, selector), values in config.items():
        for name, value in values.items():
            for number in _numbers(value):
                if not abs(number) <= _LARGEST:
                    raise ValueError(
                        f'{_short(selector)}.{name} is {ranges.shown(value)}; numbers must be '
                        f'finite, at most {_LARGEST:.3g}.'
                    )


def _numbers(value):
    """Returns the numbers in a value, however deep."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [value]
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return [n for item in value for n in _numbers(item)] if isinstance(value, tuple | list) else []


def as_user_error(error: Exception, source: str | None) -> Exception:
    """Turns an error of gin's reading into one sentence, if possible with the right name.

    Args:
        error: What gin raised.
        source: The file or setting that was read; None for neither.

    Returns:
        The error to raise, with one sentence; `error` itself if it is none of the user's.
    """
    text, place = _first_line(error), _place(error, source)
    if isinstance(error, tokenize.TokenError):
        return ValueError(f'A bracket or a text in {source} is not closed.')
    if isinstance(error, UnicodeDecodeError):
        return ValueError(f'The gin file {source} is not UTF-8 text.')
    if match := re.match(r"No bindings specified for '(.+)/gin\.macro'", text):
        macros = [name for name in _names(gin.config_str()) if '.' not in name]
        meant = _meant(match[1], macros)
        return ValueError(
            f'A setting uses %{match[1]}, which is not defined{meant}; add a line '
            f'{match[1]} = value.'
        )
    if isinstance(error, RecursionError) and source is None:
        return ValueError('A name used as %name is defined by itself; give it a value.')
    if match := re.match(r'(\S+) set to `%gin\.REQUIRED`', text):
        return ValueError(f'The configuration must set {match[1]}.')
    if isinstance(error, RecursionError):
        return ValueError(f'The gin file {source} includes itself.')
    if isinstance(error, SyntaxError) and str(error.filename).endswith('.py'):
        return ValueError(f'{error.filename}, line {error.lineno}, is not Python: {error.msg}.')
    if isinstance(error, SyntaxError):
        token = re.search(r"Failed to parse token '(.+?)'", str(error))
        what = f'The value {token[1]}' if token else 'A setting'
        return ValueError(f'{what} cannot be read{place}; write name = value, and texts in quotes.')
    if match := re.match(r"Configurable '(.+)' doesn't have a parameter named '(.+)'", text):
        own = tuple(_hints(gin.get_configurable(match[1]), of_all=True))
        meant = parts.meant(_short(match[1]), match[2], own)
        return ValueError(f'{match[1]} has no setting {match[2]}{meant}{place}.')
    if match := re.match(r"No configurable matching (?:reference )?'@?([\w./]+)", text):
        if sentence := _of_an_unknown_part(match[1], place):
            return ValueError(sentence)
        bound = settings(gin.config_str())
        known = {name.split('.')[-2] for name in bound if '.' in name}
        references = [value.removesuffix('()') for value in bound.values() if value.startswith('@')]
        known |= {name.removeprefix('@').split('.')[-1] for name in references}
        known |= set(parts.modules())
        meant = _meant(match[1], known)
        return ValueError(f'There is no {match[1]} in the configuration{meant}{place}.')
    if match := re.match(r"Couldn't resolve selector .+; <(?:module|class) '(.+?)'", text):
        name = re.search(r'has no attribute (\w+)', text)[1]
        meant = _meant(name, _public_names(match[1]))
        return ValueError(f'{match[1]} has no {name}{meant}{place}.')
    if match := re.match(r"'(.+)' was not provided by an import statement", text):
        return ValueError(f'The gin file does not import {match[1]}{place}.')
    if match := re.match(r'Unable to open file: (.*?)\. Searched', text):
        return FileNotFoundError(f'The gin file {match[1]} does not exist or is a folder{place}.')
    if isinstance(error, ImportError):
        return ValueError(
            f'A gin file imports a missing module: {text}{place}. Modules are searched beside the '
            '--gin_file, in the current folder and on PYTHONPATH.'
        )
    return error


def _of_an_unknown_part(name, place):
    """Returns the sentence about a setting of an unknown part that another part has."""
    line = re.match(rf'.*?\b({re.escape(name)})\.(\w+) *=', place)
    own_names = [part.split('.')[-1] for part in parts.modules()]
    if not line or difflib.get_close_matches(name, own_names, n=1, cutoff=0.7):
        return None  # The name of the part is misspelt, not that of the setting.
    meant = parts.meant(line[1], line[2])
    return f'There is no {line[1]}.{line[2]}{meant}{place}.' if meant else None


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]


def _place(error, source):
    """Returns in which line of a file, or in which setting, gin met an error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f' ({error.filename}, line {error.lineno})'
    lines = str(error).splitlines()
    for line, following in zip(lines, [*lines[1:], ''], strict=True):
        if match := re.match(r'\s*In file "(.+)", line (\d+)', line):
            return f' ({match[1]}, line {match[2]}: {following.strip()})'
    return f' ({source})' if source else ''


def _meant(name, known):
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f'; did you mean {close[0]}?' if close else ''


def _hints(function, of_all=False):
    """Returns the annotations of a function's or constructor's arguments (or all, by name)."""
    if inspect.isclass(function):
        function = function.__init__
    function = inspect.unwrap(function)
    if of_all:
        return dict.fromkeys(name for name in inspect.signature(function).parameters)
    return typing.get_type_hints(function)


def _public_names(dotted):
    try:
        return [name for name in dir(importlib.import_module(dotted)) if name[0] != '_']
    except ImportError:
        return []


def _without_macros(value, config):
    """Returns a value with `%name` replaced by what it stands for."""
    if isinstance(value, gin.config.ConfigurableReference):
        if value.configurable.wrapped is gin.config.macro:
            return _without_macros(config[value.config_key]['value'], config)
        return value
    if isinstance(value, tuple | list):
        return type(value)(_without_macros(item, config) for item in value)
    if isinstance(value, dict):
        return {key: _without_macros(item, config) for key, item in value.items()}
    return value


def _names(text):
    """Lists the names that a configuration sets."""
    return list(settings(text))


def _split_scope(name):
    """Returns scope and name of a setting; the scope may be empty."""
    scope, _, unscoped = name.rpartition('/')
    return scope, unscoped


def _short(selector):
    return selector.rsplit('.', 1)[-1]
