"""The page of the settings is what the program has, and pages name settings that exist."""

import pathlib
import re

import pytest

from docs import settings
from tests.docs import test_commands
from wss.configuration import parts
from wss.runs import configuration

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = settings.PAGE.read_text(encoding='utf-8')
KNOWN = set(re.findall(r'^\| `(?:\w+\.)?(\w+\.\w+)` \|', PAGE, re.MULTILINE))
PARTS = {name.split('.')[0] for name in KNOWN}
SHORTHANDS = {'batch_size', 'checkpoint', 'data_dir'}


def test_the_page_is_what_the_program_has():
    assert settings.page() == PAGE, 'run python docs/settings.py'


def test_a_setting_without_a_line_is_refused():
    def part(known: int = 1, unknown: int = 2):
        """Does something.

        Args:
            known: What it is,
                in two lines.
        """

    rows = settings.settings(part)
    assert next(rows)[1:] == ('`int`', '`1`', 'What it is, in two lines.', '')
    with pytest.raises(ValueError, match=r'test_settings\.part has no line for unknown'):
        next(rows)


def test_it_has_every_part_of_the_configurations():
    assert len(KNOWN) > 90
    for file in sorted((ROOT / 'gin_configs').rglob('*.gin')):
        for name in configuration.settings(file.read_text(encoding='utf-8')):
            assert '.' not in name or '.'.join(name.split('.')[-2:]) in KNOWN, f'{file}: {name}'


def test_a_wrong_name_is_searched_in_all_of_it():
    searched = {
        '.'.join(f'{part}.{name}'.split('.')[-2:])
        for name, owners in parts.settings().items()
        for part in owners
    }
    assert searched == KNOWN


@pytest.mark.parametrize('page', test_commands.PAGES)
def test_pages_name_settings_that_exist(page):
    text = test_commands.text(page)
    if page == 'CHANGELOG.md':  # Without the old names.
        text = re.sub(r'^\| .+? \|', '', text, flags=re.MULTILINE)
    for part, name in re.findall(r'\b([A-Z]\w+|momentum_poly|load|load_\w+)\.([a-z]\w*)', text):
        assert part not in PARTS or f'{part}.{name}' in KNOWN, f'{part}.{name}'
    for line in test_commands.flag_values(page, 'gin_param'):
        name = line.partition(' = ')[0]
        assert name in SHORTHANDS or '.'.join(name.split('.')[-2:]) in KNOWN, line


def test_which_settings_a_resumed_run_may_change_is_what_the_program_allows():
    rows = [
        row
        for parts in settings.PARTS.values()
        for part in parts
        for row in settings.settings(part)
    ]
    marked = {row[0].strip('`') for row in rows if row[-1]}
    assert {'Schedule.log_every', 'Validation.batch_size', 'Prepared.data_dir'} <= marked
    assert not {'Schedule.steps', 'Views.crop_size', 'Labelled.seed'} & marked
