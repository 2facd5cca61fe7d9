"""Plays `wss.train` for the tests of sweeps: does what `plays.json` beside the sweep tells it.

`plays.json` has, by the name of a run, what it does at its first start, its second, and so on;
after the last it finishes. Every start is written to `starts.jsonl`. Both lie in the folder that
the variable STAND_IN names.
"""

import datetime
import json
import os
import pathlib
import signal
import sys
import time

flags = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
folder = pathlib.Path(os.environ['STAND_IN'])
workdir = pathlib.Path(flags['--workdir'])
workdir.mkdir(parents=True, exist_ok=True)
starts = folder / 'starts.jsonl'
with starts.open('a') as file:
    about = {
        'name': workdir.name,
        'process': os.getpid(),
        'arguments': sys.argv[1:],
        'gpu': os.environ.get('CUDA_VISIBLE_DEVICES'),
    }
    file.write(json.dumps(about) + '\n')

plays = json.loads((folder / 'plays.json').read_text()).get(workdir.name, [])
count = sum(json.loads(line)['name'] == workdir.name for line in starts.open())
play = plays[count - 1] if count <= len(plays) else {}


def record(state):
    """Writes `run.json`."""
    (workdir / 'run.json').write_text(json.dumps({'state': state, 'sessions': []}))


def save_and_end(number, frame):
    """Ends as a run that is told to; if it is slow, at the second time."""
    if play.get('wait') == 'slow' and not (workdir / 'asked').exists():
        (workdir / 'asked').write_text('')
        return
    (workdir / 'saved').write_text(signal.Signals(number).name)
    record('stopped')
    sys.exit({signal.SIGTERM: 143, signal.SIGINT: 130}[number])


signal.signal(signal.SIGTERM, save_and_end)
signal.signal(signal.SIGINT, save_and_end)
record('running')
for line in play.get('print', []):
    print(line, flush=True)
status = play.get('status', 0)
if play.get('step', status == 0):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
    progress = {'step': 3, 'steps': 9, 'seconds_per_step': 2.0, 'seconds_left': 12.0, 'loss': 1.5}
    (workdir / 'progress.json').write_text(json.dumps({**progress, 'updated': now}))
if 'wait' in play:
    (workdir / 'ready').write_text('')
    time.sleep(60)  # A test ends it before.
if 'kill' in play:
    os.kill(os.getpid(), play['kill'])
if status == 0 and not play.get('no_result'):
    seed = next(int(line[18:]) for line in sys.argv if line.startswith('Experiment.seed = '))
    last = {'step': 9, 'miou': play.get('miou', 0.5 + 0.1 * seed), 'pixel_accuracy': 0.75}
    scores = {'last': last, 'best': {**last, 'step': 6, 'miou': last['miou'] + 0.05}}
    result = {'steps': 9, **({} if play.get('no_scores') else scores)}
    (workdir / 'result.json').write_text(json.dumps(result))
record('failed' if status else 'finished')
sys.exit(status)
