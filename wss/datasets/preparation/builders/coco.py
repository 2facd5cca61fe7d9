"""COCO's objects (Lin et al., 2014) as records of tensorflow-datasets."""

import functools
import logging
from typing import ClassVar

import tensorflow_datasets as tfds

from wss.datasets import classes
from wss.datasets.files import checks, coco_json, coco_masks, decoding, reasons
from wss.datasets.preparation import archives, builder
from wss.datasets.preparation import records as builder_records
from wss.datasets.preparation.cost import Records

_LOGGER = logging.getLogger(__name__)
_ZIPS = 'http://images.cocodataset.org/zips/'
_ANNOTATIONS = 'http://images.cocodataset.org/annotations/'
_PAGE = 'https://cocodataset.org/#download'


def _images(name, size, sha256=None, md5=None):
    """Describes the archive of a folder of images; unpacked JPEG files take the same space."""
    return archives.Archive(
        name=f'{name}.zip',
        shows=(name,),
        size=size,
        sha256=sha256,
        md5=md5,
        urls=(f'{_ZIPS}{name}.zip',),
        page=_PAGE,
    )


def _annotations(year, size, sha256):
    return archives.Archive(
        name=f'annotations_trainval{year}.zip',
        shows=tuple(f'annotations/instances_{split}{year}.json' for split in ('train', 'val')),
        size=size,
        sha256=sha256,
        urls=(f'{_ANNOTATIONS}annotations_trainval{year}.zip',),
        page=_PAGE,
        unpacked=850_000_000,
    )


# Sizes and SHA-256: url_checksums/coco.txt of tensorflow-datasets 4.9.10. It lacks the unlabelled
# images; their size and MD5: git-annex key of github.com/datasets-mila/datasets--coco.
ARCHIVES = {
    item.name: item
    for item in (
        _images(
            'train2017',
            19336861798,
            '69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929',
        ),
        _images(
            'val2017',
            815585330,
            '4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05',
        ),
        _annotations(
            2017, 252907541, '113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268'
        ),
        _images(
            'train2014',
            13510573713,
            'ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775',
        ),
        _images(
            'val2014',
            6645013297,
            'fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0',
        ),
        _annotations(
            2014, 252872794, '031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009'
        ),
        _images('unlabeled2017', 20126613414, md5='7ebc562819fdb32847aab79530457326'),
    )
}
# Config -> split -> folder of its images.
_FOLDERS = {
    '2017': {'train': 'train2017', 'val': 'val2017'},
    '2014': {'train': 'train2014', 'val': 'val2014'},
    'unlabeled2017': {'unlabeled': 'unlabeled2017'},
}
# Images of unlabeled2017, at least: https://cocodataset.org/#download says "123K".
_UNLABELLED = 123_000

_CITATION = """\
@inproceedings{lin2014microsoft,
  author = {Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and Perona, Pietro
    and Ramanan, Deva and Doll{\\'a}r, Piotr and Zitnick, C. Lawrence},
  title = {Microsoft {COCO}: Common Objects in Context},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year = {2014},
}
"""
_LICENCE = (
    'Annotations: Creative Commons Attribution 4.0. Images: each under the licence that its author '
    'chose at Flickr, see https://cocodataset.org/#termsofuse.'
)


class CocoSeg(builder.SegmentationBuilder):
    """The 80 things of COCO and background, from the annotations of instances.

    `coco_masks.paint` makes a mask from outlines. Ids are folder and file name without ending, as
    in the authors' lists: `train2017/000000177254`.
    """

    CLASSES = classes.COCO
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name='2017', description='118,287 + 5,000 images with masks.'),
        tfds.core.BuilderConfig(name='2014', description='82,783 + 40,504 images with masks.'),
        tfds.core.BuilderConfig(
            name='unlabeled2017', description='123 thousand images without annotations.'
        ),
    ]
    # Images: the page of the dataset. Bytes: of the archives by images, and some kB for a mask.
    COST: ClassVar = {
        '2017': Records(count=123_287, size=170_000, rate=100),
        '2014': Records(count=123_287, size=170_000, rate=100),
        'unlabeled2017': Records(count=123_403, size=165_000, rate=300),
    }
    HOMEPAGE = 'https://cocodataset.org'
    CITATION = _CITATION
    LICENCE = _LICENCE

    @functools.cached_property
    def archives(self):
        """Official archives of this config."""
        folders = _FOLDERS[self.builder_config.name].values()
        names = [f'{folder}.zip' for folder in folders]
        names += [_annotation_archive(folder) for folder in folders if folder != 'unlabeled2017']
        return tuple(ARCHIVES[name] for name in dict.fromkeys(names))

    def splits(self, sources):
        """Returns the records of each split; all annotations are read before the first is made."""
        return {
            split: _unlabelled(sources[f'{folder}.zip'], folder)
            if split == 'unlabeled'
            else _labelled(sources[f'{folder}.zip'], sources[_annotation_archive(folder)], folder)
            for split, folder in _FOLDERS[self.builder_config.name].items()
        }


def _unlabelled(source, folder):
    names = source.names(folder, '.jpg')
    if not names:
        raise ValueError(f'Folder {source.folder / folder} holds no JPEG file.')
    if len(names) < _UNLABELLED:
        _LOGGER.warning(
            '%s holds %d images, the official archive more than %d. All of them are used.',
            source.folder / folder, len(names), _UNLABELLED,
        )  # fmt: skip
    return (_example(source, folder, name) for name in names)


def _labelled(source, annotations, folder):
    file = f'annotations/instances_{folder}.json'
    images = coco_json.read_instances(annotations.folder / file)
    here = set(source.names(folder, '.jpg'))
    missing = [image.file_name for image in images if image.file_name not in here]
    if missing:
        raise FileNotFoundError(
            f'{annotations.folder / file} names images that are not in {source.folder / folder}, '
            f'{len(missing)} of {len(images)}: {reasons.list_some(missing)}. {source.advice}'
        )
    if len(here) > len(images):
        _LOGGER.warning(
            '%s: %d images are left out: %s does not name them.',
            source.folder / folder, len(here) - len(images), file,
        )  # fmt: skip
    return (_example(source, folder, image.file_name, image) for image in images)


def _annotation_archive(folder):
    return f'annotations_trainval{folder[-4:]}.zip'


def _example(source, folder, file_name, image=None):
    """Returns the record of an image, with a mask if `image` has its annotations."""
    name = f'{folder}/{file_name.removesuffix(".jpg")}'
    where = source.folder / folder / file_name
    content = source.read(f'{folder}/{file_name}')
    mask_name = f'The mask from the annotations of {file_name}'
    mask = found = None
    if image is not None:
        # Before it is painted: a damaged file can give any size.
        size = decoding.image_size(content, str(where), upright=False)
        checks.check_size(size, (image.height, image.width), str(where), mask_name)
        try:
            mask = coco_masks.paint(image.regions, image.height, image.width)
        except ValueError as error:
            raise ValueError(f'The mask of {where} cannot be painted. {error}') from error
        found = [region.class_index for region in image.regions]
    return builder_records.example(
        name,
        content,
        str(where),
        classes.COCO,
        mask,
        mask_name,
        found,
        decode=not source.official,
    )
