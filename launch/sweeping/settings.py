"""Settings as gin writes them, read as text: no module that a file names is imported."""

import pathlib
import re
import tokenize
from collections.abc import Sequence

from gin import config_parser

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where `wss.train` looks for gin files.
_PLACES = (pathlib.Path(), ROOT, ROOT / 'gin_configs')


class _Written(str):
    """A reference or a macro, which stays as it is written."""

    __repr__ = str.__str__


class _AsWritten(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_configurable_name, evaluate):
        return _Written(f'@{scoped_configurable_name}{"()" if evaluate else ""}')

    def macro(self, macro_name):
        return _Written(f'%{macro_name}')


def statements(text: str, source: str) -> list:
    """Parses gin text.

    Args:
        text: Lines of a gin file.
        source: What to call it in an error.

    Returns:
        gin's statements. References and macros in values have a `repr` as they are written.

    Raises:
        ValueError: If it cannot be parsed.
    """
    try:
        return list(config_parser.ConfigParser(text, _AsWritten()))
    except SyntaxError as error:
        line = f', line {error.lineno}' if error.lineno and '\n' in text.strip() else ''
        reason = str(error.msg).splitlines()[0].rstrip('.')
        raise ValueError(
            f'{source}{line} cannot be read ({reason}); write name = value, and texts in quotes.'
        ) from error
    except tokenize.TokenError as error:
        raise ValueError(f'A bracket or a text in {source} is not closed.') from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'{source} cannot be read: {error}.') from error


def bindings(text: str, source: str) -> list[tuple[str, object]]:
    """Lists the names that gin text binds, with their values (see `statements`)."""
    return [
        (_name(statement), statement.value)
        for statement in statements(text, source)
        if isinstance(statement, config_parser.BindingStatement)
    ]


def canonical(line: str) -> str:
    """Returns a setting of the command line in the one way in which gin would write it."""
    found = bindings(line, f'--gin_param {line!r}')
    return '; '.join(f'{name} = {value!r}' for name, value in found) or line


def read_files(paths: Sequence[str], within: tuple[str, ...] = ()) -> dict[str, str]:
    """Reads gin files and what they include.

    Args:
        paths: Files, as they are or in `gin_configs`.
        within: The files that include them.

    Returns:
        The value of every setting as text, by name; of several bindings the last.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If one cannot be parsed or includes itself.
    """
    found = {}
    for path in paths:
        file = next((place / path for place in _PLACES if (place / path).is_file()), None)
        if file is None:
            by = f' (included by {within[-1]})' if within else ''
            raise FileNotFoundError(f'The gin file {path} does not exist or is a folder{by}.')
        if path in within:
            raise ValueError(f'The gin file {path} includes itself.')
        try:
            text = file.read_text(encoding='utf-8')
        except UnicodeDecodeError as error:
            raise ValueError(f'The gin file {path} is not UTF-8 text.') from error
        for statement in statements(text, f'The gin file {path}'):
            if isinstance(statement, config_parser.IncludeStatement):
                found |= read_files([statement.filename], (*within, path))
            elif isinstance(statement, config_parser.BindingStatement):
                found[_name(statement)] = repr(statement.value)
    return found


def same(one: str, other: str) -> bool:
    """Whether two names, shortened or not, mean the same setting (`run.seed`, `a.run.seed`)."""
    (scope, name), (other_scope, other_name) = (part.rpartition('/')[::2] for part in (one, other))
    if scope != other_scope:
        return False
    if '.' not in name or '.' not in other_name:  # Names for `%name` are never shortened.
        return name == other_name
    return f'.{name}'.endswith(f'.{other_name}') or f'.{other_name}'.endswith(f'.{name}')


def is_name(text: str) -> bool:
    """Whether this can be the name of a setting."""
    return bool(re.fullmatch(r'([A-Za-z_]\w*[./])*[A-Za-z_]\w*', text, re.ASCII))


def _name(statement):
    scope = f'{statement.scope}/' if statement.scope else ''
    argument = f'.{statement.arg_name}' if statement.arg_name else ''
    return f'{scope}{statement.selector}{argument}'
