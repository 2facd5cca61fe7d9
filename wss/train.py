"""Trains a run, or goes on with it: python -m wss.train --workdir W --gin_file F --gin_param P."""

from absl import flags

from wss import config, experiment, runtime

GIN_FILE = flags.DEFINE_multi_string(
    'gin_file', [], 'Configuration; by default that of the run that --workdir holds.'
)
PROFILE = flags.DEFINE_boolean('profile', False, 'Write a TensorBoard profile of a few steps.')
DEVICES = config.define_device_flags()
flags.adopt_module_key_flags(config)


def main() -> None:
    """Reads the configuration and trains."""
    workdir, files = config.WORKDIR.value, GIN_FILE.value
    if files or not config.holds_run(workdir):
        config.parse(files, config.GIN_PARAM.value)
    else:
        config.parse_run(workdir, config.GIN_PARAM.value)
    task = experiment.Train(config.operative_text, runtime.Devices(**DEVICES()), PROFILE.value)
    config.configured(experiment.run)(workdir, task)


if __name__ == '__main__':
    config.run_main(main, required=['workdir'])
