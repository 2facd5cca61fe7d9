"""Makers of small archives in the layouts of the official ones, for the tests of the builders."""

import dataclasses
import hashlib
import io
import pathlib
import tarfile
import zipfile

import numpy as np
import scipy.io
import scipy.sparse
import tensorflow_datasets as tfds
from PIL import Image

from wss.datasets.files import palette


def pack(path, files) -> pathlib.Path:
    """Writes an archive (`.tar`, `.tgz`, `.tar.gz` or `.zip` by its name) of `{name: bytes}`."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith('.zip'):
        with zipfile.ZipFile(path, 'w') as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, 'w' if path.name.endswith('.tar') else 'w:gz') as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def unpack(folder, files) -> pathlib.Path:
    """Writes `{name: bytes}` as files of a folder."""
    folder = pathlib.Path(folder)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def build(folder, patch, module, make, config, files, zipped=False):
    """Builds a config from `{archive name: files}`, packed as official archives or unpacked.

    `patch` makes the small archives the official ones of the `module`; `make` is its builder.
    """
    for name, content in files.items():
        if zipped:
            path = pack(folder / 'manual' / name, content)
            patch.setitem(module.ARCHIVES, name, described(module.ARCHIVES[name], path))
        else:
            unpack(folder / 'manual', content)
    builder = make(config=config, data_dir=folder / 'data')
    settings = tfds.download.DownloadConfig(manual_dir=folder / 'manual')
    builder.download_and_prepare(download_config=settings)
    return builder


def read(builder, split):
    """Returns the records of a split by id; images stay as encoded."""
    decoders = {'image': tfds.decode.SkipDecoding()}
    records = tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
    return {record['id'].decode(): record for record in records}


def described(archive, path):
    """Returns the description of an archive with size and SHA-256 of a small one at `path`."""
    content = pathlib.Path(path).read_bytes()
    return dataclasses.replace(
        archive, size=len(content), sha256=hashlib.sha256(content).hexdigest(), md5=None
    )


def jpeg(seed=0, height=6, width=9) -> bytes:
    """An image of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'JPEG')
    return file.getvalue()


def palette_png(mask) -> bytes:
    """A mask as VOC stores it: indices with VOC's colours as palette."""
    image = Image.fromarray(np.asarray(mask, np.uint8), 'P')
    image.putpalette([value for colour in palette.distinct_colours(256) for value in colour])
    file = io.BytesIO()
    image.save(file, 'PNG')
    return file.getvalue()


def sbd_mat(mask) -> bytes:
    """A mask as the Semantic Boundaries Dataset stores it."""
    mask = np.asarray(mask, np.uint8)
    boundaries = np.empty((20, 1), object)
    for i in range(20):
        boundaries[i, 0] = scipy.sparse.csc_matrix((mask == i + 1).astype(np.uint8))
    shown = np.array([[value] for value in np.unique(mask) if value], np.uint8)
    struct = {'Boundaries': boundaries, 'Segmentation': mask, 'CategoriesPresent': shown}
    file = io.BytesIO()
    scipy.io.savemat(file, {'GTcls': struct}, do_compression=True)
    return file.getvalue()


def voc_xml(*objects) -> bytes:
    """An annotation with objects, each a name or (name, difficult, truncated)."""
    texts = []
    for item in objects:
        name, difficult, truncated = (item, 0, 0) if isinstance(item, str) else item
        texts.append(
            f'<object><name>{name}</name><pose>Left</pose><truncated>{truncated}</truncated>'
            f'<difficult>{difficult}</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>'
            '<xmax>5</xmax><ymax>4</ymax></bndbox>'
            '<part><name>head</name></part></object>'
        )
    text = f'<annotation><folder>VOC2012</folder>{"".join(texts)}</annotation>'
    return text.encode()


def filled(value, border=None, height=6, width=9):
    """A mask of background with a rectangle of a class and, perhaps, a border around it."""
    mask = np.zeros((height, width), np.uint8)
    if border is not None:
        mask[1:5, 1:7] = border
    mask[2:4, 2:6] = value
    return mask


def voc_files() -> dict[str, bytes]:
    """Content of a small VOCtrainval_11-May-2012.tar: two training, one validation, two others."""
    home = 'VOCdevkit/VOC2012'
    train, val, others = ['2007_000001', '2007_000002'], ['2007_000003'], ['2008_000004']
    beside = ['2008_000005', '2009_000006']  # Of SBD and of neither list.
    files = {
        f'{home}/ImageSets/Segmentation/train.txt': train,
        f'{home}/ImageSets/Segmentation/val.txt': val,
        f'{home}/ImageSets/Segmentation/trainval.txt': train + val,
        f'{home}/ImageSets/Main/trainval.txt': train + val + others,
    }
    files = {name: '\n'.join([*ids, '']).encode() for name, ids in files.items()}
    files[f'{home}/ImageSets/Main/aeroplane_trainval.txt'] = b'2007_000001  1\n'
    for seed, name in enumerate(train + val + others + beside):
        files[f'{home}/JPEGImages/{name}.jpg'] = jpeg(seed)
        files[f'{home}/Annotations/{name}.xml'] = voc_xml('dog')
    for value, name in enumerate(train + val, start=1):
        files[f'{home}/SegmentationClass/{name}.png'] = palette_png(filled(value, border=255))
        files[f'{home}/SegmentationObject/{name}.png'] = palette_png(filled(1, border=255))
    files[f'{home}/Annotations/2007_000001.xml'] = voc_xml('aeroplane', 'person', 'person')
    files[f'{home}/Annotations/2008_000004.xml'] = voc_xml(('cat', 1, 0), ('tvmonitor', 0, 1))
    return files


def sbd_files() -> dict[str, bytes]:
    """Content of a small benchmark.tgz: one of VOC train and of VOC val each, and three others."""
    home = 'benchmark_RELEASE/dataset'
    train, val = ['2007_000001', '2008_000005', '2010_000007'], ['2007_000003', '2009_000006']
    files = {
        f'{home}/train.txt': '\n'.join(train).encode(),
        f'{home}/val.txt': '\n'.join(val).encode(),
        'benchmark_RELEASE/README': b'read me',
    }
    for value, name in enumerate(train + val, start=11):
        files[f'{home}/img/{name}.jpg'] = jpeg(value)
        files[f'{home}/cls/{name}.mat'] = sbd_mat(filled(value))
        files[f'{home}/inst/{name}.mat'] = b'not read'
    return files


def voc_test_files() -> dict[str, bytes]:
    """Content of a small VOC2012test.tar."""
    home = 'VOCdevkit/VOC2012'
    names = ['2008_000100', '2008_000101']
    files = {f'{home}/ImageSets/Segmentation/test.txt': '\n'.join(names).encode()}
    return files | {f'{home}/JPEGImages/{name}.jpg': jpeg(int(name[-3:])) for name in names}
