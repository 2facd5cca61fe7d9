"""Checks folders before training: python -m wss.check --images photos --masks masks --out F.gin.

It reports what is in them, and writes a configuration to start from.
"""

import os

from absl import flags

from wss.configuration import binary, first_settings
from wss.datasets.files import decoding
from wss.datasets.survey import looking, report
from wss.inference import memory

IMAGES = binary.define_path('images', None, 'Folder of the images.')
MASKS = binary.define_path('masks', None, 'Folder of the masks, whose names are those of images.')
ENDINGS = flags.DEFINE_list(
    'mask_endings', list(decoding.ENDINGS), 'Endings of the names of masks, such as _mask.png.'
)
NAMES = flags.DEFINE_list('class_names', None, 'Names of the classes, divided by commas.')
OUT = binary.define_path(
    'out', None, 'Gin file to start from; train.txt and val.txt are written beside it.'
)


def main() -> int:
    """Reports what is there, and writes what to start with; status 1 if files cannot be used."""
    out, names = OUT.value, tuple(NAMES.value) if NAMES.value else None
    seen = looking.look(IMAGES.value, MASKS.value, mask_endings=ENDINGS.value)
    print(report.text(seen))
    if out:
        given = IMAGES.value, MASKS.value, os.path.dirname(out), memory.available()
        start = first_settings.choose(seen, *given, class_names=names)
        first_settings.write(start, out)
        print(first_settings.next_steps(start, out))
    return 1 if seen.problems else 0


def command() -> None:
    """Runs the command line; also the script `wss-check`."""
    binary.run_main(main, required=['images'])


if __name__ == '__main__':
    command()
