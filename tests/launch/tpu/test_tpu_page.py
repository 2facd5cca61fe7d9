"""`docs/tpu.md`: its commands are understood, and its table follows from its formula."""

import importlib
import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = (ROOT / 'docs' / 'tpu.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'```bash\n(.*?)```', PAGE, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.replace('\\\n', ' ').splitlines()]
COMMANDS = [line for line in LINES if line.startswith('python launch/tpu_pod.py')]
ROWS = re.findall(r'^\| `(v\S+)` \| (.+) \|$', PAGE, re.MULTILINE)


def test_it_has_every_verb():
    verbs = {line.split()[2] for line in COMMANDS}
    assert verbs == {'create', 'setup', 'run', 'logs', 'status', 'delete'}


@pytest.mark.parametrize('command', COMMANDS)
def test_its_commands_are_understood(load, command):
    training = load('training')
    parser = importlib.import_module('tpu_pod').make_parser()
    words = shlex.split(command.replace('BUCKET', 'my-bucket'), comments=True)[2:]
    flags = words[words.index('--') + 1 :] if '--' in words else []
    given = parser.parse_args(words[: words.index('--')] if flags else words)
    if given.verb == 'run':
        assert training.bucket_of(flags) == 'my-bucket'
        assert all((ROOT / file).is_file() for file in training.flag_values(flags, 'gin_file'))
    if given.verb == 'create':
        load('kinds').split_type(given.type)


@pytest.mark.parametrize(('name', 'cells'), ROWS[:5])
def test_its_costs_follow_from_its_formula(load, name, cells):
    kinds = load('kinds')
    chips, peak, seconds, hours, price, dollars = (float(cell) for cell in cells.split(' | '))
    generation, size = kinds.split_type(name)
    assert chips == size / generation.per_chip
    flops = 8.54e11 * 64
    assert seconds == pytest.approx(flops / (chips * peak * 1e12 * 0.3), abs=5e-4)
    assert hours == pytest.approx(30_000 * seconds / 3600, abs=0.05)
    assert price == pytest.approx(kinds.price_per_hour(name))
    assert dollars == pytest.approx(30_000 * seconds / 3600 * price, abs=0.5)


def test_its_images_are_those_of_the_program(load):
    kinds = load('kinds')
    for name in ('v2-8', 'v3-32', 'v4-8', 'v4-16', 'v5litepod-8', 'v5litepod-16'):
        assert f'`{kinds.runtime_version(name)}`' in PAGE
