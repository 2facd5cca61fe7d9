"""Commands on consoles that cannot show every character, and errors of other libraries."""

import re
import subprocess
import sys

import pytest
import tensorflow as tf

from wss.configuration import binary, sentences

PROGRAM = """
import logging
from wss.configuration import binary

def main():
    print('bowl: 碗 é')
    logging.getLogger('wss').info('logged: 碗')
    raise FileNotFoundError('missing: 茶')

binary.run_main(main, required=[])
"""


@pytest.mark.parametrize(
    'settings',
    [{'PYTHONIOENCODING': 'cp1252'}, {'PYTHONIOENCODING': 'ascii'}, {'LANG': 'C', 'LC_ALL': 'C'}],
)
def test_a_console_that_cannot_show_a_name_ends_no_command(settings):
    result = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': ':'.join(sys.path), **settings},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith(b'bowl: ') and b'logged: ' in result.stdout
    assert result.stderr.startswith(b'missing: ') and b'Traceback' not in result.stderr
    if 'PYTHONIOENCODING' in settings:
        assert b'\\u7897' in result.stdout and b'\\u8336' in result.stderr


def test_the_sentence_of_an_error_is_one_line():
    try:
        tf.io.read_file('/nowhere/a.png')
    except tf.errors.OpError as error:
        text = sentences.user_sentence(error)
    assert text.startswith('A file cannot be read or written: /nowhere/a.png')
    assert text.endswith('No such file or directory.') and '\n' not in text
    try:
        with open('/nowhere/b.txt', encoding='utf-8'):
            pass
    except OSError as error:
        text = sentences.user_sentence(error)
    assert text == 'A file cannot be read or written: No such file or directory: /nowhere/b.txt.'


def test_the_next_commands_name_the_folder_and_what_a_run_without_scores_needs():
    said = binary.next_commands('runs/my run', is_scored=True)
    assert "python -m wss.evaluate --workdir 'runs/my run'\n" in said
    said = binary.next_commands('w', is_scored=False)
    assert 'wss.evaluate --workdir w --checkpoint last --split SPLIT\n' in said
    assert 'wss.predict --workdir w --checkpoint last --images FOLDER' in said


@pytest.mark.parametrize('command', ['evaluate', 'predict', 'prepare', 'sample'])
def test_the_help_of_a_command_describes_each_flag_that_its_first_line_names(command):
    result = subprocess.run(
        [sys.executable, '-m', f'wss.{command}', '--help'],
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': ':'.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    first, *described = result.stdout.splitlines()
    shown = {line.split(':')[0].strip() for line in described if line.startswith('  --')}
    assert set(re.findall(r'--\w+', first)) <= shown


@pytest.mark.parametrize(('given', 'found'), [({}, '1'), ({'TF_ENABLE_ONEDNN_OPTS': '0'}, '0')])
def test_commands_take_the_operations_of_onednn_unless_told_otherwise(given, found):
    said = subprocess.run(
        [
            sys.executable,
            '-c',
            'import os, wss.configuration.quiet; print(os.environ["TF_ENABLE_ONEDNN_OPTS"])',
        ],
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': ':'.join(sys.path), **given},
        capture_output=True,
        check=True,
        text=True,
    )
    assert said.stdout.strip() == found
