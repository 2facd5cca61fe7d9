"""Scores a trained run: python -m wss.evaluate --workdir W [--checkpoint best] [--split val]."""

import os

from absl import flags

from wss import cluster, config, evaluation, experiment, run_folder, runtime

CHECKPOINT = config.define_checkpoint_flag()
SPLIT = flags.DEFINE_string('split', None, 'Split to score; by default the validation split.')
DEVICES = config.define_device_flags()
flags.adopt_module_key_flags(config)


def main() -> None:
    """Prints the scores by class and writes them to the folder of the run."""
    workdir = config.WORKDIR.value
    config.parse_run(workdir, config.GIN_PARAM.value)
    task = experiment.Evaluate(CHECKPOINT.value, SPLIT.value, runtime.Devices(**DEVICES()))
    scores = config.configured(experiment.run)(workdir, task)
    if not cluster.is_chief():
        return
    print(evaluation.table(scores))
    name = f'evaluation-{scores["checkpoint"]}-{scores["split"]}.json'
    run_folder.write_json(os.path.join(workdir, name), scores)


if __name__ == '__main__':
    config.run_main(main, required=['workdir'])
