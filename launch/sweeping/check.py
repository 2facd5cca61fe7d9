"""Reads configurations as training will, to find misspelt names before runs fail one by one.

`find_errors` asks a process of its own, because this needs TensorFlow, which the sweep does not
import. That process runs this module: JSON `[[files, params], ...]` comes in, and a list with a
sentence or null for each goes out as the last line.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from sweeping import grid, settings


def find_errors(runs: Sequence[grid.Planned]) -> tuple[dict[str, str], str]:
    """Finds what is wrong with the configurations of runs.

    Args:
        runs: The runs.

    Returns:
        Sentences by name of the run; and why nothing could be checked, empty if it could.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = [str(settings.ROOT), here, *filter(None, [os.environ.get('PYTHONPATH')])]
    result = subprocess.run(
        [sys.executable, '-m', 'sweeping.check'],
        input=json.dumps([[run.files, run.params] for run in runs]),
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        sentences = json.loads(result.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        said = result.stderr.strip().splitlines()
        return {}, said[-1] if said else f'status {result.returncode}'
    found = {run.name: text for run, text in zip(runs, sentences, strict=True) if text}
    return found, ''


def main() -> None:
    """Checks the configurations on standard input."""
    from wss import config

    sentences = []
    for files, params in json.load(sys.stdin):
        try:
            config.parse(files, params)
            sentences.append(None)
        except Exception as error:
            sentences.append(config.user_sentence(error) or f'{type(error).__name__}: {error}')
    print(json.dumps(sentences))


if __name__ == '__main__':
    main()
