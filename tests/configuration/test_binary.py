"""What the commands share: warnings."""

import subprocess
import sys
import sysconfig

PROGRAM = """
import sys, warnings
sys.path.append({folder!r})
from wss.configuration import binary
from wss.datasets.files import checks, decoding
import own
def main():
    for split in ('train', 'train', 'val'):
        broken = decoding.BrokenFileError('a is damaged.')
        checks.keep_good([broken, 1], f'split {{split}}', skip_broken=True)
    own.warn()
    exec(compile('import warnings; warnings.warn("noise")', {installed!r}, 'exec'), {{}})
binary.run_main(main, [])
"""


def test_warnings_are_sentences_shown_once_and_those_of_others_are_hidden(tmp_path):
    (tmp_path / 'own.py').write_text(
        'import warnings\n'
        'def warn():\n'
        "    warnings.warn('Of my own part.', stacklevel=2)\n"
        "    warnings.warn('Soon gone.', DeprecationWarning, stacklevel=2)\n"
    )
    installed = sysconfig.get_path('purelib') + '/tensorflow_addons/utils.py'
    program = PROGRAM.format(folder=str(tmp_path), installed=installed)
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        'Warning: 1 of 2 examples of split train are damaged and left out: a is damaged.',
        'Warning: 1 of 2 examples of split val are damaged and left out: a is damaged.',
        'Warning: Of my own part.',
    ]


def test_a_switch_with_a_value_is_one_sentence():
    """Absl raises no error of its own for it."""
    program = 'from wss.configuration import binary; binary.run_main(lambda: None, [])'
    result = subprocess.run(
        [sys.executable, '-c', program, '--nologtostderr=3'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith('--nologtostderr=3 does not take an argument. See --help')
    assert len(result.stderr.splitlines()) == 1
