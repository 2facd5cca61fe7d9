"""Prints how large the program is, and its largest parts.

    python benchmarks/size.py [--checkout DIR]

Functions and files are those of the program, without its tests. `self` is no argument, and a
docstring is no part of a function. A line of code holds more than a comment or a docstring.
"""

import argparse
import ast
import io
import pathlib
import tokenize

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ('wss', 'launch', 'benchmarks', 'tests')
_NOT_CODE = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> list[Function]:
    """Returns the functions and methods of a module, inner ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def arguments(function: Function) -> int:
    """Counts the arguments of a function, except `self` and `cls`."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(one.arg not in ('self', 'cls') for one in named)


def length(function: Function) -> int:
    """Counts the lines of a function from its `def` to its end, without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    return lines - (first.end_lineno - first.lineno + 1 if has_docstring else 0)


def lines_of_code(text: str) -> int:
    """Counts the lines that hold code."""
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node):
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NOT_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found - docstrings)


def measure(checkout: pathlib.Path) -> dict[str, str]:
    """Returns what is printed, by name."""
    texts = {
        path.relative_to(checkout): path.read_text(encoding='utf-8')
        for folder in FOLDERS
        for path in sorted((checkout / folder).rglob('*.py'))
    }
    program = {path: text for path, text in texts.items() if path.parts[0] != 'tests'}
    every = [(path, one) for path, text in program.items() for one in functions(ast.parse(text))]

    def largest(size, kind=every):
        path, one = max(kind, key=lambda pair: size(pair[1]))
        return f'{size(one)}: {one.name} in {path}'

    constructors = [pair for pair in every if pair[1].name == '__init__']
    others = [pair for pair in every if pair[1].name != '__init__']
    loose = sorted(path.stem for path in program if path.parent == pathlib.Path('wss'))
    loose.remove('__init__')
    lines, path = max((len(text.splitlines()), path) for path, text in program.items())
    result = {
        'loose modules in wss': f'{len(loose)}: {", ".join(loose)}',
        'most arguments of a function': largest(arguments, others),
        'most settings of a constructor': largest(arguments, constructors),
        'longest function': largest(length),
        'longest file': f'{lines}: {path}',
    }
    for folder in FOLDERS:
        here = [text for path, text in texts.items() if path.parts[0] == folder]
        total = sum(len(text.splitlines()) for text in here)
        result[f'lines in {folder}'] = f'{total:,}, {sum(map(lines_of_code, here)):,} of code'
    result['gin files'] = str(len(list((checkout / 'gin_configs').rglob('*.gin'))))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--checkout', type=pathlib.Path, default=ROOT, help='default: this one')
    checkout = parser.parse_args().checkout
    if not (checkout / 'wss' / '__init__.py').is_file():
        parser.error(f'{checkout} holds no package wss')
    for name, value in measure(checkout).items():
        print(f'{name:32}{value}')


if __name__ == '__main__':
    main()
