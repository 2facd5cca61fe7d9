"""Scores trained runs: python -m wss.evaluate --workdir W [--checkpoint best] [--split val].

With several --workdir each of the others is compared with the first.
"""

import os

from absl import flags

from wss.configuration import binary, gin_files
from wss.datasets.files import whole
from wss.devices import strategies, workers
from wss.devices.strategies import Devices
from wss.experiment import Experiment
from wss.inference import evaluation
from wss.inference.averaging import Averaging
from wss.results import by_image, scores

CHECKPOINT = binary.define_checkpoint_flag()
SPLIT = flags.DEFINE_string('split', None, 'Split to score; by default the validation split.')
DETAILS = flags.DEFINE_bool(
    'details',
    False,
    'Also score boundaries, and write the confusion matrix, the scores of each image and a picture '
    'of the ten worst.',
)
AVERAGING = binary.define_averaging_flags()
DEVICES = binary.define_device_flags()
flags.adopt_module_key_flags(binary)


def main() -> None:
    """Prints the scores by class and writes them to the folder of the run."""
    devices, averaging, runs = Devices(**DEVICES()), Averaging(**AVERAGING()), binary.workdirs()
    asked = CHECKPOINT.value, SPLIT.value
    if len(runs) == 1 and not DETAILS.value:
        found = _experiment(runs[0]).evaluate(runs[0], *asked, devices, averaging)
        if workers.is_chief():
            _report(runs[0], found, averaging)
        return
    strategies.only_one(devices, 'An evaluation with --details or of several runs')
    first = None
    for workdir in runs:
        found = _experiment(workdir).evaluate_images(workdir, *asked, averaging)
        name = _report(workdir, found.scores, averaging)
        if DETAILS.value:
            found.write(name)
            print(f'Details: {name}')
        if first is not None:
            compared = evaluation.compare(first, found)
            print(f'First: {runs[0]}; second: {workdir}\n{by_image.table(compared)}')
            against = os.path.basename(os.path.abspath(runs[0]))
            whole.write_json(f'{name}-against-{against}.json', compared)
        first = first or found


def _experiment(workdir):
    gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    return gin_files.build(Experiment)


def _report(workdir, found, averaging):
    """Prints and writes the scores of a run; returns the path without `.json`."""
    weights = f'{found["checkpoint"]} weights (step {found["step"]}) of {workdir}'
    print(f'Split {found["split"]}, {weights}:\n{scores.table(found)}')
    copies = '' if averaging.is_plain else f'-{averaging}'
    name = f'evaluation-{found["checkpoint"]}-{found["split"]}{copies}'
    path = os.path.join(workdir, name)
    whole.write_json(f'{path}.json', found)
    return path


def command() -> None:
    """Runs the command line; also the script `wss-evaluate`."""
    binary.run_main(main, required=['workdir'])


if __name__ == '__main__':
    command()
