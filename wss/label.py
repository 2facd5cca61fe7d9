"""Labels images without masks: python -m wss.label --workdir W --images FOLDER --out DIR."""

from absl import flags

from wss.configuration import binary, gin_files
from wss.experiment import Experiment
from wss.inference import labelling
from wss.runs import folder as run_folder

CHECKPOINT = binary.define_checkpoint_flag()
IMAGES = binary.define_images_flag()
SOURCE = flags.DEFINE_string(
    'source',
    None,
    'What labels come from: decoder, sgc or fused; by default what was the best on the validation '
    'images at the end of the run.',
)
THRESHOLD = flags.DEFINE_float(
    'threshold', 0.0, 'Pixels that are less confident have no label (the ignore value), 0 to 1.'
)
WINDOWS = binary.define_window_flags()
OUT = binary.define_path('out', None, 'Folder for label, overlay and confidence of each image.')
SKIP = flags.DEFINE_bool('skip_existing', False, 'Skip images whose files are there already.')
flags.adopt_module_key_flags(binary)


def main() -> int:
    """Labels; the exit status is 1 if an image was not labelled."""
    workdir, out = binary.workdir(), OUT.value
    gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    trained = gin_files.build(Experiment).predictor(workdir, CHECKPOINT.value)
    best = run_folder.best_label_source(workdir)
    source = SOURCE.value or labelling.default_source(trained.method, best)
    print(f'Source of the labels: {source}')
    given = IMAGES.value, out, source, THRESHOLD.value, SKIP.value
    done = labelling.label_folder(trained, *given, **WINDOWS())
    print(done.sentence('Labelled', out), 'label_next.csv: what to label next')
    return 1 if done.failed else 0


def command() -> None:
    """Runs the command line; also the script `wss-label`."""
    binary.run_main(main, required=['workdir', 'images', 'out'])


if __name__ == '__main__':
    command()
