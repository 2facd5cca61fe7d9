"""Predicts a folder of images: python -m wss.predict --workdir W --images DIR --out DIR."""

from absl import flags

from wss import config, experiment

CHECKPOINT = config.define_checkpoint_flag()
IMAGES = flags.DEFINE_string('images', None, 'Folder of images of any size.')
OUT = flags.DEFINE_string('out', None, 'Folder for a mask and an overlay of each image.')
flags.adopt_module_key_flags(config)


def main() -> int:
    """Predicts; the exit status is 1 if an image could not be read."""
    workdir = config.WORKDIR.value
    config.parse_run(workdir, config.GIN_PARAM.value)
    task = experiment.Predict(IMAGES.value, OUT.value, CHECKPOINT.value)
    done, failed = config.configured(experiment.run)(workdir, task)
    unread = f'; {failed} could not be read' if failed else ''
    print(f'Predicted {done} images into {OUT.value}{unread}.')
    return 1 if failed else 0


if __name__ == '__main__':
    config.run_main(main, required=['workdir', 'images', 'out'])
