"""Draws a list of labelled images: python -m wss.draw --gin_file F --amount 46 --out list.txt.

The file names the dataset, such as `gin_configs/datasets/camvid.gin`. A run takes the list with
`run.labelled_list`.
"""

from absl import flags

from wss import config, drawing, experiment, selection
from wss.datasets import splits

GIN_FILE = flags.DEFINE_multi_string('gin_file', [], 'Configuration that names a dataset.')
SPLIT = flags.DEFINE_string('split', 'train', 'Split of the dataset to draw from.')
AMOUNT = flags.DEFINE_string(
    'amount', None, 'How many images: a count (46), or with a decimal point a share (0.125).'
)
SEED = flags.DEFINE_integer(
    'seed', 0, 'Seed: of two draws of one seed, the smaller is part of the larger.'
)
EVERY_CLASS = flags.DEFINE_bool(
    'every_class', False, 'Whether every class that the split shows must be in the draw.'
)
WITHIN = flags.DEFINE_string('within', None, 'List of ids to draw from, instead of all.')
OUT = flags.DEFINE_string('out', None, 'File to write, one id a line; another is not replaced.')
flags.declare_key_flag('gin_param')


def main() -> None:
    """Draws, writes the list and prints what is in it."""
    drawing.refuse_folder(OUT.value)
    amount = splits.parse_amount(AMOUNT.value)
    choice = selection.Choice(SPLIT.value, WITHIN.value, amount, SEED.value, EVERY_CLASS.value)
    config.parse(GIN_FILE.value, config.GIN_PARAM.value)
    drawn = drawing.draw(config.setting(experiment.run, 'make_dataset')(), choice)
    drawing.write(OUT.value, drawn.ids)
    print(drawing.report(drawn, choice, OUT.value))


if __name__ == '__main__':
    config.run_main(main, required=['amount', 'out'])
