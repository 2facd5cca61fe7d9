"""Checks of the settings that name a class or a function, before it is called."""

import inspect
import typing

from wss.settings import ranges

_PLAIN = (bool, int, float, str)


def check(setting: str, function, what: str, *arguments, kind: type | None = None, **named) -> None:
    """Refuses what cannot be called with some arguments, or makes something else.

    A class for one purpose often accepts the arguments of another, such as a dataset whose first
    argument is a size in pixels. So annotations of plain types count.

    Args:
        setting: Class and attribute, for the sentence.
        function: Value of the setting.
        what: What it must be, for the sentence.
        *arguments: What it is called with.
        kind: What it must make; only a class tells before it is called.
        **named: What it is called with by name.

    Raises:
        ValueError: If it does not fit.
    """
    if not callable(function):
        ranges.refuse(setting, function, what)
    if kind is not None and inspect.isclass(function) and not issubclass(function, kind):
        ranges.refuse(setting, function, what)
    try:
        bound = _signature(function).bind_partial(*arguments, **named)
    except TypeError as error:
        raise ValueError(
            f'{setting} is {ranges.shown(function)}; it must be {what}: {error}.'
        ) from error
    except ValueError:  # A function of C without a signature.
        return
    hints = _hints(function)
    for name, value in bound.arguments.items():
        if not _fits(value, hints.get(name)):
            ranges.refuse(setting, function, what)


def _signature(function):
    """Returns the signature of a function or of the constructor of a class, below all wrappers."""
    if not inspect.isclass(function):
        return inspect.signature(function)
    signature = inspect.signature(inspect.unwrap(function.__init__))
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _hints(function):
    """Returns the annotations of the arguments; empty where they cannot be read."""
    function = getattr(function, 'func', function)  # Of a partial.
    function = function.__init__ if inspect.isclass(function) else function
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except (AttributeError, NameError, TypeError):
        return {}


def _fits(value, hint):
    """Whether a value may be what a plain type stands for; True for other annotations."""
    if hint not in _PLAIN:
        return True
    return isinstance(value, (int, float) if hint is float else hint)
