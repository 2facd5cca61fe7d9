"""Attacks the program with damaged and hostile input, and counts what it survives.

    python benchmarks/attack/attack.py --workdir runs/attack
    python benchmarks/attack/attack.py --workdir runs/attack --only images,records --tries 50

An attempt is survived if it ends with the right result, or with a sentence for the user. It is not
survived if it ends with a trace, a crash, a wrong result without a word, or never. Every kind of
attack runs in a process of its own, so that a crash costs one attempt. The script prints how many
attempts of each kind were made and survived, and ends with status 0 if all were.
"""

import argparse
import json
import os
import pathlib
import signal
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]  # The package of this checkout.

from attack import workers  # noqa: E402

_NAMED = 20  # Failures of a kind that are printed.


def main(arguments: list[str] | None = None) -> int:
    """Attacks and prints the counts; returns the exit status: 0 if everything is survived."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # The attacking process ends with it.
    flags = _flags(arguments)
    workdir = pathlib.Path(flags.workdir).expanduser().resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    counts = {}
    for kind in flags.only:
        print(f'{kind} ...', flush=True)
        outcome = workers.run(kind, workdir / kind, flags.seed, flags.tries)
        counts[kind] = {'tried': outcome.tried, 'survived': outcome.survived}
        print(f'{kind:14} tried {outcome.tried:5}   survived {outcome.survived:5}', flush=True)
        for failure in outcome.failures[:_NAMED]:
            print(f'  {failure}', flush=True)
        if len(outcome.failures) > _NAMED:
            print(f'  and {len(outcome.failures) - _NAMED} more', flush=True)
    if flags.json:
        print(json.dumps(counts))
    lost = sum(count['tried'] - count['survived'] for count in counts.values())
    print(f'{sum(count["tried"] for count in counts.values())} attempts, {lost} not survived.')
    return 1 if lost else 0


def _flags(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--workdir', required=True, help='folder for damaged files and logs')
    parser.add_argument(
        '--only',
        type=lambda names: names.split(','),
        default=list(workers.KINDS),
        help=f'kinds of attack, divided by commas (default: {",".join(workers.KINDS)})',
    )
    parser.add_argument('--tries', type=int, help='attempts of each kind (default: its own number)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the attacks')
    parser.add_argument('--json', action='store_true', help='also print the counts as JSON')
    flags = parser.parse_args(arguments)
    unknown = sorted(set(flags.only) - set(workers.KINDS))
    if unknown:
        parser.error(f'--only {unknown[0]}: the kinds are {", ".join(workers.KINDS)}')
    if flags.tries is not None and flags.tries < 1:
        parser.error(f'--tries is {flags.tries}; it must be 1 or more')
    return flags


if __name__ == '__main__':
    sys.exit(main())
