"""A stand-in for `gcloud`: writes its calls down and plays a scenario from a JSON file.

Beside it lie `scenario.json`, a list of rules `[part of a command line, [answer, ...]]` of which
the first that fits counts, and `calls.json`, the command lines so far. The answers of a rule are
given in turn, the last one again and again. An answer has `status`, `output` and `errors`; with
`home` the `--command` is run there instead, as if that folder were the home on a machine.
"""

import json
import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))


def read(name, default):
    try:
        with open(os.path.join(folder, name), encoding='utf-8') as file:
            return json.load(file)
    except FileNotFoundError:
        return default


calls = read('calls.json', [])
line = ' '.join(sys.argv[1:])
calls.append(line)
with open(os.path.join(folder, 'calls.json'), 'w', encoding='utf-8') as file:
    json.dump(calls, file)

for part, answers in read('scenario.json', []):
    if part not in line:
        continue
    turn = sum(part in call for call in calls) - 1
    answer = answers[min(turn, len(answers) - 1)]
    if 'home' in answer:
        (command,) = [word for word in sys.argv if word.startswith('--command=')]
        os.chdir(answer['home'])
        os.environ['HOME'] = answer['home']
        os.execvp('sh', ['sh', '-c', command.removeprefix('--command=')])
    print(answer.get('output', ''))
    print(answer.get('errors', ''), file=sys.stderr)
    sys.exit(answer.get('status', 0))
sys.exit(f'ERROR: the scenario has nothing for: {line}')
