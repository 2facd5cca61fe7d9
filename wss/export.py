"""Exports a trained run: python -m wss.export --workdir W [--out DIR] [--weights FILE.npz]."""

from absl import flags

from wss import config, experiment, prediction, run_folder
from wss.networks import weights

CHECKPOINT = config.define_checkpoint_flag()
OUT = flags.DEFINE_string('out', None, 'Folder for a SavedModel: images to labels.')
WEIGHTS = flags.DEFINE_string('weights', None, 'File for backbone and classifier, as float16.')
flags.adopt_module_key_flags(config)


def main() -> None:
    """Writes what the flags ask for."""
    if not (OUT.value or WEIGHTS.value):
        raise ValueError('Nothing to export: give --out, --weights or both.')
    workdir = config.WORKDIR.value
    config.parse_run(workdir, config.GIN_PARAM.value)
    method = config.configured(experiment.run)(workdir, experiment.Load(CHECKPOINT.value))
    if WEIGHTS.value:
        weights.save(method.network, WEIGHTS.value)
        print(f'Wrote {WEIGHTS.value}.')
    if OUT.value:
        _, size = run_folder.read_description(workdir)
        prediction.save_model(method, size, OUT.value)
        print(f'Wrote {OUT.value}.')


if __name__ == '__main__':
    config.run_main(main, required=['workdir'])
