"""Builds a dataset: python -m wss.prepare --dataset voc_seg --data_dir D [--manual_dir M].

A dataset of your own is named by the file and the class of its builder, `lakes.py:Lakes`; see
`wss.datasets.preparation.builder`.
"""

from absl import flags

from wss.configuration import binary
from wss.datasets.preparation import build

DATASET = flags.DEFINE_string(
    'dataset',
    None,
    'voc_seg; coco_seg/2017, coco_seg/2014, coco_seg/unlabeled2017; cityscapes_seg/fine or '
    'cityscapes_seg/coarse; or a builder of your own, FILE.py:CLASS[/CONFIGURATION].',
)
DATA_DIR = binary.define_path('data_dir', None, 'Folder for datasets, local or gs://.')
MANUAL_DIR = binary.define_path(
    'manual_dir', None, 'Folder with official archives, or with folders unpacked from them.'
)
for _name in ('data_dir', 'manual_dir'):
    flags.declare_key_flag(_name)  # So that --help shows it.


def main() -> None:
    """Builds the dataset."""
    build.prepare(DATASET.value, DATA_DIR.value, MANUAL_DIR.value)


def command() -> None:
    """Runs the command line; also the script `wss-prepare`."""
    binary.run_main(main, required=['dataset', 'data_dir'], wait_for_threads=False)


if __name__ == '__main__':
    command()
