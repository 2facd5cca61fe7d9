"""Exports a trained run: python -m wss.export --workdir W --out DIR [--format tflite]."""

import os

from absl import flags

from wss.configuration import binary, gin_files, quiet
from wss.configuration.quiet import tf
from wss.datasets.files import whole
from wss.experiment import Experiment
from wss.inference.exports import export, photos
from wss.networks.weights import npz
from wss.runs import model_card
from wss.runs import photos as run_photos

CHECKPOINT = binary.define_checkpoint_flag()
OUT = binary.define_path('out', None, 'Folder for the export: images to labels.')
FORMAT = flags.DEFINE_enum('format', 'saved_model', list(export.FORMATS), 'What is written.')
PRECISION = flags.DEFINE_enum(
    'precision', 'float32', list(export.LEAST_AGREEMENT), 'Numbers of a tflite file.'
)
SIZE = flags.DEFINE_list(
    'size', None, 'Height and width of the images, such as 257,257; by default any, if possible.'
)
IMAGES = binary.define_images_flag()
LEAST = flags.DEFINE_float(
    'least_agreement', None, 'Least share of pixels that must have the label of the model, 0 to 1.'
)
WEIGHTS = binary.define_path('weights', None, 'File for backbone and classifier, as float16.')
flags.adopt_module_key_flags(binary)
_FLOAT32 = "Compute.precision = 'float32'"  # Exports are, whatever the run was.


def main() -> None:
    """Writes a network for other programs, a file of weights, or both."""
    if not (OUT.value or WEIGHTS.value):
        raise ValueError('Nothing to export: give --out, --weights or both.')
    size = export.size_of(SIZE.value)
    if OUT.value:
        export.check(OUT.value, FORMAT.value, PRECISION.value, LEAST.value)
    if WEIGHTS.value:
        npz.check_target(WEIGHTS.value)
    workdir = binary.workdir()
    gin_files.parse_run(workdir, [_FLOAT32, *binary.GIN_PARAM.value])
    experiment = gin_files.build(Experiment)
    model = experiment.predictor(workdir, CHECKPOINT.value)
    if OUT.value:
        _export(workdir, experiment, model, size)
    if WEIGHTS.value:
        npz.save(model.method.evaluated_network, WEIGHTS.value)
        print(f'Wrote {WEIGHTS.value}.')


def _export(workdir, experiment, model, size):
    images = _images(workdir, experiment)
    with quiet.silent_stderr():  # The converters report what no user can change.
        facts = export.export(
            model, OUT.value, FORMAT.value, PRECISION.value, size, images, LEAST.value
        )
    print(export.sentences(facts, OUT.value))
    path = os.path.join(OUT.value, model_card.FILE)
    if tf.io.gfile.exists(path):
        print(f'{path} is kept as it is.')
    else:
        whole.write(path, model_card.text(workdir, model.method.info, CHECKPOINT.value))
        print(f'Complete the model card, {path}.')


def _images(workdir, experiment):
    """Returns photos: those of --images, or of the run; None where they are not here."""
    needed = export.photos_needed(PRECISION.value)
    if IMAGES.value:
        return photos.of_files(IMAGES.value, needed)
    try:
        return run_photos.load(workdir, experiment.data, needed)
    except (ValueError, OSError) as error:
        print(f'The images of the run cannot be read: {str(error).rstrip(".")}.')
        return None


def command() -> None:
    """Runs the command line; also the script `wss-export`."""
    binary.run_main(main, required=['workdir'])


if __name__ == '__main__':
    command()
