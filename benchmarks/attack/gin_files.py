"""Damaged gin files: parsing them and building the experiment gives a sentence or an experiment."""

import pathlib
import random
import re

from attack import mutations, outcomes
from wss.configuration import gin_files
from wss.experiment import Experiment

_TRIES = 400
_CONFIGS = pathlib.Path(gin_files.__file__).resolve().parents[2] / 'gin_configs'
_WORDS = (
    *('None', 'True', '-1', '0', '1e400', '10**9', "'x'", '()', '{}', '[', '@', '%x', '@x()'),
    *('@shapes.Shapes', '@shapes.Shapes()', 'Schedule.steps', 'a/b.c', 'include', '\0', '=', "'''"),
    *('nan', '# ', '\\', 'import os', 'from __gin__ import x', '\ufeff', '9' * 5000, '((' * 200),
)


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""
    sources = sorted(_CONFIGS.glob('experiments/*.gin'))

    def attempt(number):
        chance = random.Random(f'gin files {seed} {number}')
        text = _whole(chance.choice(sources))
        way = chance.choice((_bytes, _lines, _words, _words))
        path = folder / 'changed.gin'
        path.write_bytes(way(text, chance))
        return _attempt(path)

    return _TRIES, attempt


def _attempt(path):
    gin_files.parse(['experiments/shapes_supervised.gin'])

    def build():
        gin_files.parse([str(path)])
        return gin_files.build(Experiment)

    result, sentence = outcomes.result_or_sentence(build)
    if sentence:
        return 'refused'
    outcomes.require(isinstance(result, Experiment), f'The file gives a {type(result).__name__}.')
    return 'built'


def _whole(path):
    """Returns an experiment in one text: the files that it includes stand in its place."""
    text = path.read_text(encoding='utf-8')
    return re.sub(
        r"^include '(.+)'$", lambda found: _whole(_CONFIGS / found[1]), text, flags=re.MULTILINE
    )


def _bytes(text, chance):
    return mutations.mutated(text.encode(), chance)


def _lines(text, chance):
    """Leaves out, repeats or exchanges lines."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
        way = chance.randrange(3)
        if way == 0 and len(lines) > 1:
            del lines[i]
        elif way == 1:
            lines.insert(i, lines[j])
        else:
            lines[i], lines[j] = lines[j], lines[i]
    return '\n'.join(lines).encode()


def _words(text, chance):
    """Puts an odd word in place of another one."""
    words = list(re.finditer(r'[\w.@%()\']+', text))
    for found in sorted(chance.sample(words, chance.randint(1, 2)), key=lambda f: -f.start()):
        text = text[: found.start()] + chance.choice(_WORDS) + text[found.end() :]
    return text.encode('utf-8', 'replace')
