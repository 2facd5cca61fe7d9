"""Plays `wss.train` for the tests of sweeps: does what `plays.json` beside the sweep says.

`plays.json` has, by the name of a run, what it does at its first start, its second, and so on;
after the last it finishes. Every start is written to `starts.jsonl`. Both lie in the folder that
the variable STAND_IN names.
"""

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
    affinity = getattr(os, 'sched_getaffinity', lambda _: {0})
    about = {
        'name': workdir.name,
        'arguments': sys.argv[1:],
        'gpu': os.environ.get('CUDA_VISIBLE_DEVICES'),
        'path': os.environ.get('PYTHONPATH'),
        'cores': sorted(affinity(0)),
    }
    file.write(json.dumps(about) + '\n')

plays = json.loads((folder / 'plays.json').read_text()).get(workdir.name, [])
count = sum(json.loads(line)['name'] == workdir.name for line in starts.open())
play = plays[count - 1] if count <= len(plays) else {}


def save_and_end(number, frame):
    """Ends as a run that is told to."""
    (workdir / 'saved').write_text(signal.Signals(number).name)
    sys.exit({signal.SIGTERM: 143, signal.SIGINT: 130}[number])


if play.get('wait') == 'deaf':
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, save_and_end)
    signal.signal(signal.SIGINT, save_and_end)
for line in play.get('say', []):
    print(line, flush=True)
if 'wait' in play:
    (workdir / 'ready').write_text('')
    time.sleep(60)  # A test ends it before.
if 'kill' in play:
    os.kill(os.getpid(), play['kill'])
status = play.get('status', 0)
if status == 0 and not play.get('no_result'):
    seed = next(int(line[11:]) for line in sys.argv if line.startswith('run.seed = '))
    last = {'step': 9, 'miou': play.get('miou', 0.5 + 0.1 * seed), 'pixel_accuracy': 0.75}
    scores = {'last': last, 'best': {**last, 'step': 6, 'miou': last['miou'] + 0.05}}
    result = {'steps': 9, **({} if play.get('no_scores') else scores)}
    (workdir / 'result.json').write_text(json.dumps(result))
sys.exit(status)
