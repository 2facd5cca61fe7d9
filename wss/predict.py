"""Predicts images: python -m wss.predict --workdir W --images FOLDER_OR_IMAGE --out DIR."""

from absl import flags

from wss.configuration import binary, gin_files
from wss.experiment import Experiment
from wss.inference.averaging import Averaging
from wss.inference.outputs import Outputs

CHECKPOINT = binary.define_checkpoint_flag()
IMAGES = binary.define_images_flag()
AVERAGING = binary.define_averaging_flags()
OUT = binary.define_path('out', None, 'Folder for a mask and an overlay of each image.')
OUTPUTS = binary.define_output_flags()
BATCH = flags.DEFINE_integer(
    'batch_size', 1, 'How many images of one size, or windows of one image, to predict at a time.'
)
flags.adopt_module_key_flags(binary)


def main() -> int:
    """Predicts; the exit status is 1 if an image was not predicted."""
    workdir, out = binary.workdir(), OUT.value
    gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    done = gin_files.build(Experiment).predict(
        workdir,
        IMAGES.value,
        out,
        CHECKPOINT.value,
        Averaging(**AVERAGING()),
        Outputs(**OUTPUTS()),
        BATCH.value,
    )
    print(done.sentence('Predicted', out))
    return 1 if done.failed else 0


def command() -> None:
    """Runs the command line; also the script `wss-predict`."""
    binary.run_main(main, required=['workdir', 'images', 'out'])


if __name__ == '__main__':
    command()
