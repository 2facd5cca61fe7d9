"""A stand-in for `gcloud`: writes its calls down and plays a scenario from a JSON file.

Beside it lie `scenario.json`, a list of rules `[part of a command line, [answer, ...]]` of which
the first that fits counts, and `calls.json`, the command lines so far. The answers of a rule are
given in turn, the last one again and again. An answer has `status`, `output` and `errors`; with
`home` the `--command` is run there instead, as if that folder were the home on a machine.
"""

import json
import os
import pathlib
import subprocess
import sys

folder = pathlib.Path(__file__).resolve().parent
calls_file = folder / 'calls.json'
calls = json.loads(calls_file.read_text()) if calls_file.exists() else []
line = ' '.join(sys.argv[1:])
calls.append(line)
calls_file.write_text(json.dumps(calls))

for part, answers in json.loads((folder / 'scenario.json').read_text()):
    if part not in line:
        continue
    turn = sum(part in call for call in calls) - 1
    answer = answers[min(turn, len(answers) - 1)]
    if 'home' in answer:
        (command,) = [word for word in sys.argv if word.startswith('--command=')]
        result = subprocess.run(
            ['sh', '-c', command.removeprefix('--command=')],
            cwd=answer['home'],
            env=os.environ | {'HOME': answer['home']},
        )
        sys.exit(result.returncode)
    print(answer.get('output', ''))
    print(answer.get('errors', ''), file=sys.stderr)
    sys.exit(answer.get('status', 0))
sys.exit(f'ERROR: the scenario has nothing for: {line}')
