"""Two processes of a benchmark, without and with oneDNN."""

import subprocess

import onednn
import pytest

SCRIPT = """
import json, os, sys
off = os.environ['TF_ENABLE_ONEDNN_OPTS'] == '0'
print('a message')
print(json.dumps({'seconds_per_step': 8.0 if off else 2.0, 'off': off, 'words': sys.argv[1:]}))
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / 'script.py'
    path.write_text(SCRIPT)
    return path


def test_each_way_has_a_process(script, monkeypatch):
    monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', '0')  # Does not decide.
    without, found = onednn.both_ways(str(script), ['--steps', '2'])
    assert (without['off'], found['off']) == (True, False)
    assert without['words'] == found['words'] == ['--steps', '2']


def test_a_process_that_fails_is_no_result(script):
    script.write_text('raise SystemExit(3)')
    with pytest.raises(subprocess.CalledProcessError):
        onednn.both_ways(str(script), [])


def test_the_ratio_is_that_of_the_times(script):
    found = onednn.compare(str(script), ['--steps', '2', '--compare_onednn'])
    assert found == {
        'seconds_per_step': 2.0,
        'off': False,
        'words': ['--steps', '2', '--json'],
        'seconds_without_onednn': 8.0,
        'onednn_ratio': 0.25,
    }
