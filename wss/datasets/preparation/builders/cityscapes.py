"""Cityscapes (Cordts et al., 2016) as records of tensorflow-datasets.

Its archives need a login, so they must be in `manual_dir`, packed or unpacked.
"""

import functools
import logging
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from wss.datasets import classes
from wss.datasets.files import decoding, reasons
from wss.datasets.preparation import archives, builder
from wss.datasets.preparation import records as builder_records
from wss.datasets.preparation.cost import Records

_LOGGER = logging.getLogger(__name__)
_PAGE = 'https://www.cityscapes-dataset.com/downloads/'
_IGNORED = 255
# Label ids are 0..33; the -1 of licence plates is 255 in a PNG file.
_NUM_CLASSES = len(classes.CITYSCAPES_LABEL_IDS)
_LOOKED_AT = 10  # Masks of a split that tell whether they are label ids.
_KNOWN_IDS = np.isin(np.arange(256), [*range(34), 255])
# The official archive has an all-black picture here.
_LEFT_OUT = ('troisdorf_000000_000073',)

# Sizes and MD5 sums: the git-annex keys of github.com/datasets-mila/datasets--cityscapes. SHA-256:
# torchvision/prototype/datasets/_builtin/cityscapes.py of github.com/pytorch/vision at 1ccf7b0.
ARCHIVES = {
    item.name: item
    for item in (
        archives.Archive(
            name='leftImg8bit_trainvaltest.zip',
            shows=('leftImg8bit/train', 'leftImg8bit/val', 'leftImg8bit/test'),
            size=11592327197,
            sha256='3ccff9ac1fa1d80a6a064407e589d747ed0657aac7dc495a4403ae1235a37525',
            md5='0a6e97e94b616a514066c9e2adb0c97f',
            page=_PAGE,
        ),
        archives.Archive(
            name='gtFine_trainvaltest.zip',
            shows=('gtFine/train', 'gtFine/val'),
            size=252567705,
            sha256='40461a50097844f400fef147ecaf58b18fd99e14e4917fb7c3bf9c0d87d95884',
            md5='4237c19de34c8a376e9ba46b495d6f66',
            page=_PAGE,
        ),
        archives.Archive(
            name='leftImg8bit_trainextra.zip',
            shows=('leftImg8bit/train_extra',),
            size=47230218747,
            sha256='e41cc14c0c06aad051d52042465d9b8c22bacf6e4c93bb98de273ed7177b7133',
            md5='9167a331a158ce3e8989e166c95d56d4',
            page=_PAGE,
        ),
        archives.Archive(
            name='gtCoarse.zip',
            shows=('gtCoarse/train', 'gtCoarse/val', 'gtCoarse/train_extra'),
            size=1324321629,
            sha256='3555e09349ed49127053d940eaa66a87a79a175662b329c1a26a58d47e602b5b',
            md5='1c7b95c84b1d36cc59a9194d8e5b989f',
            page=_PAGE,
        ),
    )
}
_TRAINVALTEST, _EXTRA = 'leftImg8bit_trainvaltest.zip', 'leftImg8bit_trainextra.zip'
# Config -> archive of its masks and their type; split -> archive of its images.
_MASKS = {'fine': ('gtFine_trainvaltest.zip', 'gtFine'), 'coarse': ('gtCoarse.zip', 'gtCoarse')}
_IMAGES = {
    'fine': dict.fromkeys(('train', 'val', 'test'), _TRAINVALTEST),
    'coarse': {'train': _TRAINVALTEST, 'val': _TRAINVALTEST, 'train_extra': _EXTRA},
}
# Images of the official splits: the README of github.com/mcordts/cityscapesScripts.
_COUNTS = {'train': 2975, 'val': 500, 'test': 1525, 'train_extra': 19_998 - len(_LEFT_OUT)}
_CITATION = """\
@inproceedings{cordts2016cityscapes,
  author = {Cordts, Marius and Omran, Mohamed and Ramos, Sebastian and Rehfeld, Timo and Enzweiler,
    Markus and Benenson, Rodrigo and Franke, Uwe and Roth, Stefan and Schiele, Bernt},
  title = {The Cityscapes Dataset for Semantic Urban Scene Understanding},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2016},
}
"""
_LICENCE = (
    'For non-commercial purposes only, not to be passed on; see '
    'https://www.cityscapes-dataset.com/license/.'
)


class CityscapesSeg(builder.SegmentationBuilder):
    """The 19 classes of Cityscapes that are scored, without a background.

    All other labels are ignored. Masks of the test split are not published (the archive holds
    dummies), so that its images have none. Ids are city, sequence and frame:
    `aachen_000000_000019`.
    """

    CLASSES = classes.CITYSCAPES
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name='fine', description='2,975 + 500 images with fine masks, 1,525 without.'
        ),
        tfds.core.BuilderConfig(
            name='coarse',
            description='The same 2,975 + 500 images and 19,997 more, with coarse masks.',
        ),
    ]
    # Bytes of a record: of the archives by images, and some kB for a mask.
    COST: ClassVar = {
        'fine': Records(count=5_000, size=2_360_000, rate=10),
        'coarse': Records(count=23_472, size=2_380_000, rate=10),
    }
    HOMEPAGE = 'https://www.cityscapes-dataset.com'
    CITATION = _CITATION
    LICENCE = _LICENCE

    @functools.cached_property
    def archives(self):
        """Official archives of this config."""
        config = self.builder_config.name
        names = dict.fromkeys([*_IMAGES[config].values(), _MASKS[config][0]])
        return tuple(ARCHIVES[name] for name in names)

    def splits(self, sources):
        """Returns the records of each split; every file is looked for before the first is made."""
        config = self.builder_config.name
        archive, kind = _MASKS[config]
        made = {
            split: _examples(
                split, sources[images], None if split == 'test' else sources[archive], kind
            )
            for split, images in _IMAGES[config].items()
        }
        _refuse_train_ids(sources[archive], kind, [split for split in made if split != 'test'])
        return made


def to_train_ids(label_ids: np.ndarray, name: str) -> np.ndarray:
    """Turns the label ids of Cityscapes into the indices of the 19 classes that are scored.

    Args:
        label_ids: Integers `[H, W]`: 0..33, or 255 for -1 (licence plates).
        name: Name of the mask in messages.

    Returns:
        uint8 `[H, W]`: 0..18, or 255 (ignored) for every other label.

    Raises:
        ValueError: If a value is not a label id, or the mask holds train ids already.
    """
    outside = (label_ids < 0) | (label_ids > 255)
    unknown = outside | ~_KNOWN_IDS[np.where(outside, 0, label_ids)]
    if unknown.any():
        values = sorted({int(value) for value in label_ids[unknown]})
        raise ValueError(
            f'Mask {name} holds {reasons.list_some(map(str, values))}, which are not label ids of '
            'Cityscapes (0..33, and 255 for -1); use the files *_labelIds.png, not instanceIds or '
            'color.'
        )
    # Licence plates are on cars, of the id 26; in train ids 255 marks all that is ignored.
    if (label_ids == _IGNORED).any() and not _shows_label_ids(label_ids, _NUM_CLASSES):
        raise ValueError(_train_ids_sentence(f'Mask {name} holds'))
    table = np.full(256, _IGNORED, np.uint8)
    table[list(classes.CITYSCAPES_LABEL_IDS)] = np.arange(len(classes.CITYSCAPES_LABEL_IDS))
    return table[label_ids]


def _shows_label_ids(values, first):
    """Whether a value is a label id, but not a train id: these end below `first`."""
    return bool(((values >= first) & (values != _IGNORED)).any())


def _train_ids_sentence(who):
    return (
        f'{who} train ids (0..18, and 255), not label ids (0..33), although the name ends in '
        '_labelIds.png: the masks were converted already. Restore the published files, by '
        'unpacking the archive again.'
    )


def _refuse_train_ids(source, kind, splits):
    """Refuses masks that were converted to train ids under their old names.

    In label ids, vegetation is 21, sky 23 and car 26: a few masks of streets show one of these.

    Args:
        source: Where the masks are.
        kind: Type of the masks, as in the names of files.
        splits: The splits that have masks.

    Raises:
        ValueError: If no mask shows them.
    """
    if source.official:
        return
    for split in splits:
        paths = list(_files(source, f'{kind}/{split}', f'_{kind}_labelIds.png').values())
        for path in paths[:: -(-len(paths) // _LOOKED_AT)]:
            name = str(source.folder / path)
            # Some count one class more, the ignored pixels.
            if _shows_label_ids(decoding.decode_mask(source.read(path), name), _NUM_CLASSES + 1):
                return
    raise ValueError(_train_ids_sentence(f'The masks in {source.folder / kind} hold'))


def _examples(split, images, masks, kind):
    """Returns the records of a split, made one after another; the files are looked for now."""
    image_of = _files(images, f'leftImg8bit/{split}', '_leftImg8bit.png')
    mask_of = {}
    if masks is not None:
        mask_of = _files(masks, f'{kind}/{split}', f'_{kind}_labelIds.png')
        for one, other, source, place in (
            (image_of, mask_of, masks, f'a mask in {masks.folder / kind / split}'),
            (mask_of, image_of, images, f'an image in {images.folder / "leftImg8bit" / split}'),
        ):
            missing = [name for name in one if name not in other]
            if missing:
                raise FileNotFoundError(
                    f'{len(missing)} of {len(one)} ids of the split {split} lack {place}: '
                    f'{reasons.list_some(missing)}. {source.advice}'
                )
    if len(image_of) != _COUNTS[split]:
        _LOGGER.warning(
            'The split %s has %d images in %s, officially %d. All of them are used.',
            split, len(image_of), images.folder, _COUNTS[split],
        )  # fmt: skip
    return (
        _example(name, images, path, masks, mask_of.get(name)) for name, path in image_of.items()
    )


def _files(source, folder, ending):
    """Returns the files of all cities: id -> path in the source."""
    found = {
        name.removesuffix(ending): f'{folder}/{city}/{name}'
        for city in source.names(folder)
        if (source.folder / folder / city).is_dir()
        for name in source.names(f'{folder}/{city}', ending)
    }
    if not found:
        raise FileNotFoundError(
            f'{source.folder / folder} holds no CITY/CITY_SEQUENCE_FRAME{ending}. {source.advice}'
        )
    return {name: path for name, path in found.items() if name not in _LEFT_OUT}


def _example(name, images, path, masks, mask_path):
    mask, mask_name = None, ''
    if mask_path is not None:
        mask_name = str(masks.folder / mask_path)
        label_ids = decoding.decode_mask(masks.read(mask_path), mask_name, upright=False)
        mask = to_train_ids(label_ids, mask_name)
    return builder_records.example(
        name,
        images.read(path),
        str(images.folder / path),
        classes.CITYSCAPES,
        mask,
        mask_name,
        decode=not images.official,
    )
