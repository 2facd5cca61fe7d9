"""What a sweep tells: tables with numbers by hand, progress from log lines, the live table."""

import csv
import io

import pytest
from sweeping import display, progress, tables
from sweeping.grid import Planned
from sweeping.schedule import Run


def make_run(value, seed, last=None, best=None, state='finished', reason=''):
    planned = Planned(f'b={value},seed={seed}', (), (), {'A.b': value}, seed)
    run = Run(planned, f'w/{seed}', progress.Progress('none'), state, reason=reason)
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
    assert tables.markdown(runs, ['A.b']).splitlines() == [
        '| A.b | runs | mIoU %, last weights | mIoU %, best weights |',
        '| --- | --- | --- | --- |',
        "| `'x\\|y'` | 2 | 31.25 ± 26.52 (n = 2) | 56.25 ± 8.84 (n = 2) |",
        '| `2` | 1 of 3 (1 failed, 1 waiting) | 25.00 (n = 1) | 50.00 (n = 1) |',
        '| `3` | 0 of 1 (1 interrupted) | - | - |',
        '| `4` | 1 | - | - |',
        '',
        'Validation mIoU: mean ± sample standard deviation over seeds (n runs that are scored).',
        '',
        'Without a result:',
        '',
        '- `b=2,seed=1`: failed: The disk is full.',
        '- `b=2,seed=2`: waiting',
        '- `b=3,seed=0`: interrupted',
    ]


def test_spread_of_three():
    # Mean 0.5; deviations -0.1, -0.1, 0.2: squares add to 0.06, over 2 is 0.03.
    assert tables.spread([0.4, 0.4, 0.7]) == pytest.approx((0.5, 0.03**0.5))
    assert tables.spread([0.4]) == (0.4, None)
    assert tables.spread([]) == (None, None)


def test_csv_of_configurations(runs):
    rows = list(csv.DictReader(io.StringIO(tables.configurations_csv(runs, ['A.b']))))
    assert [row['A.b'] for row in rows] == ["'x|y'", '2', '3', '4']
    assert [(row['runs'], row['finished']) for row in rows] == [
        ('2', '2'),
        ('3', '1'),
        ('1', '0'),
        ('1', '1'),
    ]
    first, second, third, _ = rows
    assert float(first['last_miou_mean']) == 0.3125
    assert float(first['last_pixel_accuracy_mean']) == 0.5625
    assert float(first['best_miou_sd']) == pytest.approx(0.0625 * 2**0.5)
    assert (second['best_miou_mean'], second['best_miou_sd'], second['best_miou_n']) == (
        '0.5',
        '',
        '1',
    )
    assert (third['last_miou_mean'], third['last_miou_n']) == ('', '0')


def test_csv_of_runs(runs):
    rows = list(csv.DictReader(io.StringIO(tables.runs_csv(runs, ['A.b']))))
    assert [(row['A.b'], row['seed'], row['state']) for row in rows] == [
        ("'x|y'", '0', 'finished'),
        ("'x|y'", '1', 'finished'),
        ('2', '0', 'finished'),
        ('2', '1', 'failed'),
        ('2', '2', 'waiting'),
        ('3', '0', 'interrupted'),
        ('4', '0', 'finished'),
    ]
    assert (rows[1]['best_step'], rows[1]['best_miou']) == ('6', '0.625')
    assert (rows[3]['reason'], rows[3]['last_miou']) == ('The disk is full.', '')


def test_progress_from_lines_of_a_log(tmp_path):
    log = tmp_path / 'train.log'
    log.write_bytes(b'# sweep: now, local: python ...\nReading.\n')
    seen = progress.Progress(str(log))
    seen.read()
    assert (seen.step, seen.last_line) == (None, 'Reading.')
    with log.open('ab') as file:
        file.write(b'step  20/500  1:02:03 left  0.12 s/step  loss 1.250 = a 1.0 + b 0.25\nstep')
    seen.read()
    assert (seen.step, seen.steps, seen.left, seen.loss) == (20, 500, '1:02:03', '1.250')
    with log.open('ab') as file:
        file.write(b' 40/500  0:09 left  0.12 s/step  loss 0.750 = a 0.75\n')
        file.write(b'step 40: validation mIoU 41.20 %, pixel accuracy 80.00 % (best so far)\n')
        file.write(b'The end')
    seen.read()
    assert (seen.step, seen.loss, seen.miou) == (40, '0.750', '41.20')
    assert seen.last_line.startswith('step 40: validation')
    seen.read(to_the_end=True)
    assert seen.last_line == 'The end'


def test_progress_from_a_terminal_of_another_host(tmp_path):
    log = tmp_path / 'train.log'
    log.write_bytes(
        b'\r\x1b[K[==  ] step 1/4  loss 2.000 = a 2.000\r\x1b[K[=== ] step 2/4  0:02 left'
    )
    seen = progress.Progress(str(log))
    seen.read()
    assert (seen.step, seen.steps, seen.loss) == (1, 4, '2.000')
    seen.read(to_the_end=True)
    assert (seen.step, seen.left) == (2, '0:02')


def test_lines_of_the_log_are_those_that_training_prints(tmp_path):
    from wss.training import log, monitor

    with (tmp_path / 'train.log').open('w') as stream:
        parts = monitor.Means({}), monitor.Speed(2)
        log = log.Log(0, 30, 10, None, *parts, stream)
        log._write_scalars = lambda step: None
        for step in range(1, 21):
            log.after_step(step, {'supervised': 0.5, 'loss': 0.625})
        log.say('step 20: validation mIoU 12.34 %, pixel accuracy 56.78 %')
    seen = progress.Progress(str(tmp_path / 'train.log'))
    seen.read()
    assert (seen.step, seen.steps, seen.loss, seen.miou) == (20, 30, '0.625', '12.34')
    assert seen.left == '0:00'


def test_the_live_table_says_how_far_each_run_is(runs):
    runs[4].state = 'running'
    runs[5].state = 'running'
    runs[5].progress = progress.Progress('none', 0, 40, 500, '0:09', '0.750', '41.20')
    assert display.table(runs, 20) == [
        "b='x|y',seed=0  finished     mIoU 50.00 %",
        'b=2,seed=0      finished     mIoU 25.00 %',
        "b='x|y',seed=1  finished     mIoU 12.50 %",
        'b=2,seed=1      failed       The disk is full.',
        'b=2,seed=2      running      starting',
        'b=3,seed=0      running      step  40/500  0:09 left  loss 0.750  mIoU 41.20 %',
        'b=4,seed=0      finished   ',
        '7 runs: 2 running, 4 finished, 1 failed',
    ]


def test_a_table_of_many_runs_shows_those_at_work(runs):
    runs[5].state = 'running'
    lines = display.table(runs, 4)
    assert [line.split()[0] for line in lines[:-1]] == ['b=3,seed=0', 'b=2,seed=1', 'b=2,seed=2']
    assert lines[-1] == '7 runs: 1 running, 4 finished, 1 failed, 1 waiting'


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_table_is_drawn_in_place(runs, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '30')
    monkeypatch.setattr(display, '_PAUSE', 0)
    shown = display.Display(runs, Terminal())
    shown.show()
    first = shown.stream.getvalue()
    assert len(first.splitlines()) == 8 and max(map(len, first.splitlines())) == 29
    shown.event(runs[3], 'failed')
    shown.show()
    rest = shown.stream.getvalue()[len(first) :]
    assert rest.startswith('\x1b[8A\x1b[J[6/7] b=2,seed=1: failed\n')
    assert rest.endswith(first)


def test_elsewhere_only_lines(runs):
    shown = display.Display(runs, io.StringIO())
    shown.show()
    shown.event(runs[0], 'finished')
    shown.close()
    assert shown.stream.getvalue() == "[6/7] b='x|y',seed=0: finished\n"


def test_a_terminal_that_goes_away_stops_nothing(runs):
    shown = display.Display(runs, io.StringIO())
    shown.stream.close()
    shown.say('one')
    shown.say('two')
