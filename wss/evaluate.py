"""Scores a trained run: python -m wss.evaluate --workdir W [--checkpoint best] [--split val]."""

import os

from absl import flags

from wss.configuration import binary, gin_files
from wss.datasets.files import whole
from wss.devices import workers
from wss.devices.strategies import Devices
from wss.experiment import Experiment
from wss.inference.averaging import Averaging
from wss.results import scores

CHECKPOINT = binary.define_checkpoint_flag()
SPLIT = flags.DEFINE_string('split', None, 'Split to score; by default the validation split.')
AVERAGING = binary.define_averaging_flags()
DEVICES = binary.define_device_flags()
flags.adopt_module_key_flags(binary)


def main() -> None:
    """Prints the scores by class and writes them to the folder of the run."""
    workdir = binary.WORKDIR.value
    gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    devices, averaging = Devices(**DEVICES()), Averaging(**AVERAGING())
    found = gin_files.build(Experiment).evaluate(
        workdir, CHECKPOINT.value, SPLIT.value, devices, averaging
    )
    if workers.is_chief():
        weights = f'{found["checkpoint"]} weights (step {found["step"]}) of {workdir}'
        print(f'Split {found["split"]}, {weights}:\n{scores.table(found)}')
        copies = '' if averaging.is_plain else f'-{averaging}'
        name = f'evaluation-{found["checkpoint"]}-{found["split"]}{copies}.json'
        whole.write_json(os.path.join(workdir, name), found)


if __name__ == '__main__':
    binary.run_main(main, required=['workdir'])
