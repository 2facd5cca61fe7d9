"""Whether two versions of this program compute the same numbers, bit for bit.

    git worktree add ../before dd2c1e6
    python benchmarks/same_numbers.py write --checkout ../before --out before.json
    python benchmarks/same_numbers.py write --out after.json
    python benchmarks/same_numbers.py compare before.json after.json

`write` trains in a checkout and writes the SHA-256 of every variable afterwards: of six steps of
the shapes experiments (their checkpoints, scores included), and of one step of each network of the
parity files. `compare` ignores the names of variables, so that modules, attributes and settings may
be renamed. Both files must come from one machine: processors round differently. The kernels of
large networks round a gradient or two differently from process to process, whatever the version, so
each takes its step in several processes, and a variable is equal if one of them computed the same
bits.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS = 6
PROCESSES = 4  # For each step of a network of the parity files.
EXPERIMENTS = ('shapes_pseudoseg', 'shapes_supervised')

# Runs in the checkout: one step of a network of the parity files, from fresh weights and noise.
ONE_STEP = """
import json, os, sys
if hasattr(os, 'sched_setaffinity'):  # Kernels look at the cache of the core they start on.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), 'benchmarks')]
import numpy as np, tensorflow as tf, tf_keras as keras
tf.config.experimental.enable_op_determinism()  # Threads add up in one order.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
import step_cost
options = json.load(open(sys.argv[1]))['options']
keras.utils.set_random_seed(0)
step = step_cost.make_step(options, fast=False)
batch = step_cost.make_batch(options, tuple(options['crop_size']), options['batch'])
values = {f'value {name}': value.numpy() for name, value in step(batch).items()}
method = step.python_function.__self__
variables = [*method.variables, *method.optimizer.variables]
values.update({f'{i} {v.name}'.replace('/', '|'): v.numpy() for i, v in enumerate(variables)})
np.savez(sys.argv[2], **values)
"""


def main() -> int:
    """Writes or compares; the exit status is 1 if numbers differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest='verb', required=True)
    write = verbs.add_parser('write', help='train in a checkout and write the hashes')
    write.add_argument('--checkout', type=pathlib.Path, default=ROOT)
    write.add_argument('--out', type=pathlib.Path, required=True)
    write.add_argument(
        '--parity',
        type=pathlib.Path,
        default=ROOT.parent / 'shared' / 'parity',
        help='folder with NAME.json, the flag values of the authors; skipped where it is missing',
    )
    compare = verbs.add_parser('compare', help='compare two files')
    compare.add_argument('files', type=pathlib.Path, nargs=2)
    arguments = parser.parse_args()
    if arguments.verb == 'compare':
        return print_differences(*(json.loads(file.read_text()) for file in arguments.files))
    hashes = {}
    for name in EXPERIMENTS:
        trained = train(arguments.checkout, name)
        hashes[name] = {variable: [value] for variable, value in trained.items()}
    for path in sorted(arguments.parity.glob('*.json')):
        steps = [one_step(arguments.checkout, path.resolve()) for _ in range(PROCESSES)]
        hashes[path.stem] = {name: [step[name] for step in steps] for name in steps[0]}
    arguments.out.write_text(json.dumps(hashes, indent=1))
    print(f'Wrote {arguments.out}: {", ".join(f"{k} {len(v)}" for k, v in hashes.items())}.')
    return 0


def train(checkout: pathlib.Path, experiment: str) -> dict[str, str]:
    """Trains a few steps of an experiment; returns the hash of each variable and of the scores."""
    import tensorflow as tf

    steps = 'Schedule.steps' if (checkout / 'wss' / 'training').is_dir() else 'run.steps'
    with tempfile.TemporaryDirectory() as workdir:
        command = [sys.executable, '-m', 'wss.train', '--workdir', workdir]
        command += ['--gin_file', f'gin_configs/experiments/{experiment}.gin']
        _run([*command, '--gin_param', f'{steps} = {STEPS}'], checkout)
        scores = pathlib.Path(workdir, 'result.json').read_text()
        reader = tf.train.load_checkpoint(f'{workdir}/checkpoints/last/ckpt-{STEPS}')
        names = [name for name in reader.get_variable_to_shape_map() if 'OBJECT_GRAPH' not in name]
        found = {name: _hash(reader.get_tensor(name)) for name in names}
    return found | {'scores': hashlib.sha256(scores.encode()).hexdigest()}


def one_step(checkout: pathlib.Path, flag_values: pathlib.Path) -> dict[str, str]:
    """Takes one step of the network of a parity file; returns the hash of each variable."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'variables.npz')
        _run([sys.executable, '-c', ONE_STEP, str(flag_values), out], checkout)
        with np.load(out) as variables:
            return {name: _hash(variables[name]) for name in variables.files}


def _run(command, checkout):
    environment = {**os.environ, 'PYTHONPATH': str(checkout), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    result = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f'{checkout}: {result.stdout[-1000:]}{result.stderr[-3000:]}')


def _hash(value) -> str:
    if isinstance(value, bytes):  # A text that a checkpoint keeps.
        return hashlib.sha256(value).hexdigest()
    shape = f'{value.dtype} {value.shape} '.encode()
    return hashlib.sha256(shape + value.tobytes()).hexdigest()


def print_differences(before: dict, after: dict) -> int:
    """Prints what differs; returns 1 if anything does."""
    status = 0
    for name in sorted({*before, *after}):
        gone, new = unequal(before.get(name, {}), after.get(name, {}))
        status |= bool(gone or new)
        equal = len(before.get(name, {})) - len(gone)
        print(f'{name}: {equal} equal, {len(gone)} only before, {len(new)} only after')
        for title, names in (('before', gone), ('after', new)):
            if names:
                print(f'  only {title}: {", ".join(names[:5])}')
    return status


def unequal(before: dict[str, list], after: dict[str, list]) -> tuple[list[str], list[str]]:
    """Pairs variables that share a hash, whatever their names; returns the names of the others."""
    left = dict(after)
    gone = []
    for name, hashes in before.items():
        # The same name first: variables of equal values, such as zeros, share their hashes.
        candidates = [name, *left] if name in left else left
        pair = next((other for other in candidates if set(hashes) & set(left[other])), None)
        if pair is None:
            gone.append(name)
        else:
            del left[pair]
    return gone, list(left)


if __name__ == '__main__':
    sys.exit(main())
