"""Exports a trained run: python -m wss.export --workdir W [--out DIR] [--weights FILE.npz]."""

import os

from absl import flags

from wss.configuration import binary, gin_files
from wss.datasets.files import whole
from wss.experiment import Experiment
from wss.inference import saved_model
from wss.networks.weights import npz
from wss.runs import model_card

CHECKPOINT = binary.define_checkpoint_flag()
OUT = binary.define_path('out', None, 'Folder for a SavedModel: images to labels.')
WEIGHTS = binary.define_path('weights', None, 'File for backbone and classifier, as float16.')
flags.adopt_module_key_flags(binary)


def main() -> None:
    """Writes a SavedModel, a file of weights, or both."""
    if not (OUT.value or WEIGHTS.value):
        raise ValueError('Nothing to export: give --out, --weights or both.')
    if WEIGHTS.value:
        npz.check_target(WEIGHTS.value)
    workdir = binary.workdir()
    gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    experiment = gin_files.build(Experiment)
    method = experiment.load(workdir, CHECKPOINT.value)
    if WEIGHTS.value:
        npz.save(method.evaluated_network, WEIGHTS.value)
        print(f'Wrote {WEIGHTS.value}.')
    if OUT.value:
        frame = experiment.frame_of_run(workdir, method)
        saved_model.save_model(method, frame.size, OUT.value, frame.long_side)
        card = model_card.text(workdir, method.info, CHECKPOINT.value)
        whole.write(os.path.join(OUT.value, model_card.FILE), card)
        print(f'Wrote {OUT.value}, with a model card to complete.')


def command() -> None:
    """Runs the command line; also the script `wss-export`."""
    binary.run_main(main, required=['workdir'])


if __name__ == '__main__':
    command()
