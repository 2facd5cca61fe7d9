"""Scores trained runs: python -m wss.evaluate --workdir W [--checkpoint best] [--split val].

With several --workdir each of the others is compared with the first.
"""

from absl import flags

from wss.configuration import binary, gin_files
from wss.devices import strategies, workers
from wss.devices.strategies import Devices
from wss.experiment import Experiment
from wss.inference.averaging import Averaging
from wss.training import evaluations

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
            evaluations.report(runs[0], found, averaging)
        return
    strategies.only_one(devices, 'An evaluation with --details or of several runs')
    evaluations.by_image_of(
        runs,
        lambda workdir: _experiment(workdir).evaluate_images(workdir, *asked, averaging),
        averaging,
        DETAILS.value,
    )


def _experiment(workdir):
    gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    return gin_files.build(Experiment)


def command() -> None:
    """Runs the command line; also the script `wss-evaluate`."""
    binary.run_main(main, required=['workdir'])


if __name__ == '__main__':
    command()
