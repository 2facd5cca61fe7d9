"""What a sweep reports: tables with numbers by hand, and the line about the runs at work."""

import io
import pathlib
import subprocess
import sys

import pytest
from sweeping import report
from sweeping.grid import Run

LAUNCH = pathlib.Path(__file__).resolve().parents[2] / 'launch'
AT_WORK = {'step': 40, 'steps': 500, 'seconds_per_step': 0.5, 'seconds_left': 230.0}


def make_run(value, seed, last=None, best=None, state='finished', reason=''):
    run = Run(f'b={value},seed={seed}', {'A.b': value}, seed, state=state, reason=reason)
    if state == 'finished':
        run.result = {'steps': 9}
    if last is not None:
        run.result['last'] = {'step': 9, 'miou': last, 'pixel_accuracy': last + 0.25}
        run.result['best'] = {'step': 6, 'miou': best, 'pixel_accuracy': best + 0.25}
    return run


@pytest.fixture
def runs():
    return [
        make_run("'x|y'", 0, 0.5, 0.5),
        make_run('2', 0, 0.25, 0.5),
        make_run("'x|y'", 1, 0.125, 0.625),
        make_run('2', 1, state='failed', reason='The disk is full.'),
        make_run('2', 2, state='waiting'),
        make_run('3', 0, state='interrupted'),
        make_run('4', 0),
    ]


def test_markdown(runs):
    # 0.5 and 0.125: mean 0.3125, deviations 0.1875, root of 2 * 0.1875^2 / 1 = 0.26517.
    # 0.5 and 0.625: mean 0.5625, deviations 0.0625, root of 2 * 0.0625^2 / 1 = 0.08839.
    assert report.markdown(runs).splitlines() == [
        '| A.b | runs | mIoU %, last weights | mIoU %, best weights |',
        '| --- | --- | --- | --- |',
        "| `'x\\|y'` | 2 | 31.25 ± 26.52 (n = 2) | 56.25 ± 8.84 (n = 2) |",
        '| `2` | 1 of 3 | 25.00 (n = 1) | 50.00 (n = 1) |',
        '| `3` | 0 of 1 | - | - |',
        '| `4` | 1 | - | - |',
        '',
        'Validation mIoU: mean ± sample standard deviation over seeds (n scored runs).',
        '',
        'Without a result:',
        '',
        '- `b=2,seed=1`: failed: The disk is full.',
        '- `b=2,seed=2`: waiting',
        '- `b=3,seed=0`: interrupted',
    ]


def test_configurations(runs):
    first, second, third, _ = report.configurations(runs)
    assert first['values'] == {'A.b': "'x|y'"} and first['runs'] == {'finished': 2}
    assert first['last']['miou']['mean'] == 0.3125
    assert first['last']['pixel_accuracy']['mean'] == 0.5625
    assert first['best']['miou']['sd'] == pytest.approx(0.0625 * 2**0.5)
    assert second['runs'] == {'finished': 1, 'failed': 1, 'waiting': 1}
    assert second['best']['miou'] == {'n': 1, 'mean': 0.5, 'sd': None}
    assert third['last']['miou'] == {'n': 0, 'mean': None, 'sd': None}


def test_spread_of_three():
    # Mean 0.5; deviations -0.1, -0.1, 0.2: squares add to 0.06, over 2 is 0.03.
    runs = [make_run('1', seed, score, score) for seed, score in enumerate((0.4, 0.4, 0.7))]
    found = report.configurations(runs)[0]['last']['miou']
    assert (found['mean'], found['sd']) == pytest.approx((0.5, 0.03**0.5))


def test_the_line_about_the_runs_at_work(runs):
    runs[4].state = runs[5].state = 'running'
    assert report.status_line(runs, 2) == (
        '4 of 7 finished  b=2,seed=2 starting  b=3,seed=0 starting'
    )
    runs[5].progress = {**AT_WORK, 'seconds_left': None, 'seconds_per_step': None}
    assert report.status_line(runs, 2).endswith('  b=3,seed=0 40/500')
    runs[5].progress = AT_WORK
    runs[3].state = 'waiting'
    # 230 s for the run at work and, in another round, 500 * 0.5 s for the one that waits.
    assert report.status_line(runs, 2) == (
        '4 of 7 finished  about 8:00 left  b=2,seed=2 starting  b=3,seed=0 40/500'
    )


def test_clock():
    assert [report.clock(seconds) for seconds in (0.4, 61, 3723)] == ['0:00', '1:01', '1:02:03']


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_is_drawn_in_place(runs, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '20')
    runs[4].state = 'running'
    display = report.Display(Terminal())
    display.show(runs, 2)
    display.event(runs, runs[3], 'failed')
    assert display.stream.getvalue() == (
        '\r\x1b[K4 of 7 finished  b=\r\x1b[K[6/7] b=2,seed=1: failed\n'
    )


def test_elsewhere_only_lines(runs):
    display = report.Display(io.StringIO())
    display.show(runs, 2)
    display.event(runs, runs[0], 'finished')
    assert display.stream.getvalue() == "[6/7] b='x|y',seed=0: finished\n"


def test_last_line_of_a_log(tmp_path):
    log = tmp_path / 'train.log'
    log.write_bytes(b'# sweep: now\n' + b'x' * 20_000 + b'\n[=  ] step 1\r[== ] The end.\n\n')
    assert report.last_line(str(log)) == '[== ] The end.'


def test_a_console_that_cannot_show_a_sign_ends_no_sweep():
    program = "from sweeping import report; report.show_any_name(); print('50 ± 2: 碗')"
    environment = {'PYTHONIOENCODING': 'ascii', 'PYTHONPATH': str(LAUNCH), 'PATH': '/usr/bin:/bin'}
    command = [sys.executable, '-c', program]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == '50 \\xb1 2: \\u7897\n'
