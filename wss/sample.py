"""Samples a list of labelled images: python -m wss.sample --gin_file F --amount 46 --out list.txt.

The file names the dataset, such as `gin_configs/datasets/camvid.gin`. A run takes the list with
`Labelled.list_file`.
"""

from absl import flags

from wss.configuration import binary, gin_files
from wss.datasets.lists import report, sampling, selection
from wss.pipeline.data import Data

GIN_FILE = binary.define_multi_path('gin_file', 'Configuration that names a dataset.')
SPLIT = flags.DEFINE_string('split', 'train', 'Split of the dataset to sample from.')
AMOUNT = flags.DEFINE_string(
    'amount', None, 'How many images: a number (46), or a share with a decimal point (0.125).'
)
SEED = flags.DEFINE_integer(
    'seed', 0, 'Seed. Of two samples with one seed, the larger contains the smaller.'
)
EVERY_CLASS = flags.DEFINE_bool(
    'every_class', False, 'Whether the sample must show every class that the split shows.'
)
WITHIN = binary.define_path('within', None, 'List of ids to sample from, instead of all.')
OUT = binary.define_path('out', None, 'File to write, one id a line; no other list is replaced.')
for _name in ('gin_file', 'gin_param', 'within', 'out'):
    flags.declare_key_flag(_name)  # So that --help shows it.


def main() -> None:
    """Samples, writes the list and prints what is in it."""
    report.refuse_folder(OUT.value)
    amount = sampling.parse_amount(AMOUNT.value)
    choice = selection.Choice(SPLIT.value, WITHIN.value, amount, SEED.value, EVERY_CLASS.value)
    gin_files.parse(GIN_FILE.value, binary.GIN_PARAM.value)
    sampled = report.sample(gin_files.built(Data, 'make_dataset'), choice)
    report.write(OUT.value, sampled.ids)
    print(report.report(sampled, choice, OUT.value))


def command() -> None:
    """Runs the command line; also the script `wss-sample`."""
    binary.run_main(main, required=['amount', 'out'])


if __name__ == '__main__':
    command()
