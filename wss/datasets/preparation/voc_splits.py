"""The splits of VOC 2012: the files of each example."""

import collections
import dataclasses
import logging

from wss.datasets.files import reasons
from wss.datasets.preparation.archives import Source

_LOGGER = logging.getLogger(__name__)
VOC, SBD = 'VOCdevkit/VOC2012', 'benchmark_RELEASE/dataset'
LISTS = f'{VOC}/ImageSets/Segmentation'
# Images of the splits (VOC 2012 development kit; train_aug: Zou et al., 2021, section 4.1).
_COUNTS = {'train': 1464, 'val': 1449, 'trainval': 2913, 'test': 1456, 'train_aug': 10582}


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of one example: a source and a path in it, or None.

    Attributes:
        name: Id.
        image: JPEG file.
        mask: PNG file of VOC or `.mat` file of SBD.
        annotation: XML file with the objects in the image.
    """

    name: str
    image: tuple[Source, str]
    mask: tuple[Source, str] | None
    annotation: tuple[Source, str] | None


def plan(voc: Source, sbd: Source, test: Source | None = None) -> dict[str, list[Files]]:
    """Returns the files of every example by split, all of which exist.

    Args:
        voc: Training and validation photos of VOC 2012 with their annotations.
        sbd: The Semantic Boundaries Dataset.
        test: Test photos of VOC 2012, if the user has them.

    Returns:
        `train`, `val`, `trainval`, `train_aug`, `main` and, with `test`, `test`.

    Raises:
        FileNotFoundError: If a list or a file that a list names is missing.
        ValueError: If a list repeats an id, train and val share one, or a split of the official
            archives does not have the published number of images.
    """
    annotated = set(voc.names(f'{VOC}/Annotations', '.xml'))

    def of_voc(name, masked):
        return Files(
            name,
            image=(voc, f'{VOC}/JPEGImages/{name}.jpg'),
            mask=(voc, f'{VOC}/SegmentationClass/{name}.png') if masked else None,
            annotation=(voc, f'{VOC}/Annotations/{name}.xml')
            if f'{name}.xml' in annotated or not masked
            else None,
        )

    splits = {
        split: [of_voc(name, True) for name in _ids(voc, f'{LISTS}/{split}.txt')]
        for split in ('train', 'val', 'trainval')
    }
    held_out = {files.name for files in splits['val']}
    if shared := [files.name for files in splits['train'] if files.name in held_out]:
        raise ValueError(
            f'{voc.folder / LISTS} has ids in both train.txt and val.txt: '
            f'{reasons.list_some(shared)}. {voc.advice}'
        )
    photos = set(voc.names(f'{VOC}/JPEGImages', '.jpg'))
    augmented = {files.name: files for files in splits['train']}
    for name in (*_ids(sbd, f'{SBD}/train.txt'), *_ids(sbd, f'{SBD}/val.txt')):
        if name in held_out or name in augmented:
            continue
        files = dataclasses.replace(of_voc(name, True), mask=(sbd, f'{SBD}/cls/{name}.mat'))
        if f'{name}.jpg' not in photos:  # SBD has copies of the photos.
            files = dataclasses.replace(files, image=(sbd, f'{SBD}/img/{name}.jpg'))
        augmented[name] = files
    splits['train_aug'] = list(augmented.values())
    splits['main'] = [
        of_voc(name, False)
        for name in _ids(voc, f'{VOC}/ImageSets/Main/trainval.txt')
        if name not in held_out
    ]
    if test is not None:
        splits['test'] = [
            Files(name, (test, f'{VOC}/JPEGImages/{name}.jpg'), None, None)
            for name in _ids(test, f'{LISTS}/test.txt')
        ]
    _check_counts(splits, all(source.official for source in (voc, sbd, test or sbd)))
    _check_present(splits)
    return splits


def _ids(source, name):
    ids = source.lines(name)
    if twice := [item for item, count in collections.Counter(ids).items() if count > 1]:
        raise ValueError(f'{source.folder / name} repeats ids: {reasons.list_some(twice)}.')
    if not ids:
        raise ValueError(f'{source.folder / name} is empty.')
    return ids


def _check_counts(splits, official):
    for split, expected in _COUNTS.items():
        found = len(splits.get(split, ()))
        if split not in splits or found == expected:
            continue
        text = f'Split {split} of voc_seg has {found} images, the official one {expected}.'
        if official:
            raise ValueError(f'{text} The archives are the official ones: please report this.')
        _LOGGER.warning('%s The files in manual_dir are taken as they are.', text)


def _check_present(splits):
    """Refuses lists that name missing files."""
    listed = {}

    def missing(part):
        source, name = part
        folder, file = name.rsplit('/', 1)
        place = str(source.folder / folder)
        if place not in listed:
            listed[place] = set(source.names(folder))
        return file not in listed[place]

    for split, examples in splits.items():
        for kind in ('image', 'mask', 'annotation'):
            parts = [getattr(files, kind) for files in examples if getattr(files, kind)]
            if lost := [part for part in parts if missing(part)]:
                names = reasons.list_some(str(source.folder / name) for source, name in lost)
                raise FileNotFoundError(
                    f'Split {split} of voc_seg cannot be made: {len(lost)} files of kind {kind} '
                    f'are missing: {names}. {lost[0][0].advice}'
                )
