"""The page of the benchmarks names what is there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'benchmarks' / 'README.md').read_text(encoding='utf-8')
COMMANDS = re.findall(r'^python (benchmarks/\S+\.py)(.*)$', PAGE, re.MULTILINE)


def test_every_file_that_is_named_exists():
    named = set(re.findall(r'`((?:\w+/)*\w+\.py)`', PAGE)) | {path for path, _ in COMMANDS}
    assert len(named) > 10
    places = (ROOT, ROOT / 'benchmarks')
    assert not [name for name in named if not any((place / name).exists() for place in places)]


@pytest.mark.parametrize('link', re.findall(r'\]\(([^)#]+)\)', PAGE))
def test_links_lead_to_files(link):
    assert (ROOT / 'benchmarks' / link).exists()


@pytest.mark.parametrize(('script', 'arguments'), COMMANDS)
def test_the_flags_of_every_command_exist(script, arguments):
    source = (ROOT / script).read_text(encoding='utf-8')
    for flag in re.findall(r'--\w+', arguments.partition('#')[0]):
        assert f"'{flag}'" in source
