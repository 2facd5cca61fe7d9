"""Trains a run, or resumes it: python -m wss.train --workdir W --gin_file F --gin_param P."""

from absl import flags

from wss.configuration import binary, gin_files
from wss.devices import workers
from wss.devices.strategies import Devices
from wss.experiment import Experiment

GIN_FILE = binary.define_multi_path(
    'gin_file', 'Configuration; by default that of the run that --workdir holds.'
)
PROFILE = flags.DEFINE_boolean('profile', False, 'Write a TensorBoard profile of a few steps.')
DEVICES = binary.define_device_flags()
flags.adopt_module_key_flags(binary)


def main() -> None:
    """Reads the configuration and trains."""
    workdir, files = binary.workdir(), GIN_FILE.value
    if files or not gin_files.holds_run(workdir):
        gin_files.parse(files, binary.GIN_PARAM.value)
    else:
        gin_files.parse_run(workdir, binary.GIN_PARAM.value)
    experiment = gin_files.build(Experiment)
    devices = Devices(**DEVICES())
    given = gin_files.given()
    result = experiment.train(workdir, gin_files.operative, devices, PROFILE.value, given)
    if workers.is_chief():
        print(binary.next_commands(workdir, is_scored='best' in result))


def command() -> None:
    """Runs the command line; also the script `wss-train`."""
    binary.run_main(main, required=['workdir'])


if __name__ == '__main__':
    command()
