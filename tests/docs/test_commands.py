"""README and pages: links lead somewhere, and commands, settings and files are understood."""

import pathlib
import re
import shlex

import pytest

from wss.configuration import gin_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [
    'README.md',
    'CHANGELOG.md',
    'docs/README.md',
    'docs/datasets.md',
    'docs/deploy.md',
    'docs/method.md',
    'docs/own_images.md',
    'docs/predict.md',
    'docs/troubleshooting.md',
    'docs/weights.md',
]
OWN_FILES = ('mine.gin',)  # The reader's own.


def text(page):
    return (ROOT / page).read_text(encoding='utf-8')


def flag_values(page, flag):
    """Returns what follows a flag in the commands of a page."""
    found = re.findall(rf'--{flag} (\'[^\']*\'|"[^"]*"|[^\s`|,]+)', text(page))
    return [shlex.split(value)[0] for value in found]


def anchors(page):
    """Returns the anchors that GitHub gives the headings of a page."""
    heads = re.findall(r'^#+ (.+)$', text(page), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', head.lower()).replace(' ', '-') for head in heads}


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', text(page)):
        if link.startswith('http'):
            continue
        path, _, anchor = link.partition('#')
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.relative_to(ROOT)), link


@pytest.mark.parametrize('page', PAGES)
def test_every_gin_file_is_there(page):
    names = [name for name in flag_values(page, 'gin_file') if name not in OWN_FILES]
    names += re.findall(r"^include '(.+)'", text(page), re.MULTILINE)
    names += re.findall(r'`(?:gin_configs/)?((?:datasets|networks|methods)/\w+\.gin)`', text(page))
    for name in names:
        assert pathlib.Path(gin_files._found(name)).is_file(), name


@pytest.mark.parametrize('page', PAGES)
def test_every_command_has_its_flags(page):
    for module, options in re.findall(r'python -m (wss\.\w+)((?: +--\w+ [^\s`]+)*)', text(page)):
        source = text(f'{module.replace(".", "/")}.py') + text('wss/configuration/binary.py')
        known = re.findall(r"(?:DEFINE_\w+|define_\w*path|declare_key_flag)\(\s*'(\w+)'", source)
        for option in re.findall(r'--(\w+)', options):
            assert option in known, f'{module} has no --{option}'


def test_the_index_lists_every_page():
    index = re.findall(r'\]\((\w+\.md)\)', text('docs/README.md'))
    pages = {path.name for path in (ROOT / 'docs').glob('*.md')} - {'README.md'}
    assert sorted(index) == sorted(pages)
