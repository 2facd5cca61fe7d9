"""Reads configurations as training does, to find misspelt names before any run starts.

That needs TensorFlow, which the sweep does not import, so `check` runs this module as another
process: JSON `[[files, params], ...]` goes in; the last line that comes out has an error or null
for each.
"""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

from sweeping import grid


def check(runs: Sequence[grid.Run]) -> None:
    """Reads the configurations of runs; where that is impossible, prints why.

    Raises:
        ValueError: If one of them cannot be read.
    """
    launch = str(pathlib.Path(__file__).resolve().parents[1])
    paths = [launch, *filter(None, [os.environ.get('PYTHONPATH')])]
    result = subprocess.run(
        [sys.executable, '-m', 'sweeping.check'],
        input=json.dumps([[run.files, run.params] for run in runs]),
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        *_, reason = result.stderr.splitlines() or [f'status {result.returncode}']
        print(f'The configurations cannot be checked here ({reason}); starting anyway.', flush=True)
        return
    errors = [error for error in json.loads(result.stdout.splitlines()[-1]) if error]
    if errors:
        raise ValueError(
            f'{errors[0]} So {len(errors)} of {len(runs)} runs cannot start; nothing was started.'
        )


def _parse(files, params):
    from wss.configuration import gin_files

    gin_files.parse(files, params)


def _error(files, params):
    try:
        _parse(files, params)
    except (ValueError, OSError) as error:
        return str(error)


if __name__ == '__main__':
    print(json.dumps([_error(*configuration) for configuration in json.load(sys.stdin)]))
