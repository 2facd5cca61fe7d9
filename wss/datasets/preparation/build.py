"""Building of datasets by name, resumable, with a word before and after."""

import contextlib
import dataclasses
import difflib
import importlib
import io
import logging
import os

import tensorflow_datasets as tfds
from etils import epath

from wss.datasets.preparation import archives, unpacking
from wss.datasets.preparation import cost as preparation_cost
from wss.datasets.preparation.cost import Records
from wss.datasets.records import index as record_index

try:
    import fcntl
except ImportError:  # Not on this system.
    fcntl = None

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Builder:
    module: str
    name: str
    configs: dict[str, Records]


# Counts of images: the papers and pages of the datasets (for `main` of VOC, estimated). Bytes of a
# record: size of the archives by images in them, and some kB for a mask. Rates: for VOC, 3,400
# records of real photos took 20 seconds on two busy cores; estimated from that for the others.
_BUILDERS = {
    'voc_seg': _Builder(
        'wss.datasets.preparation.voc', 'VocSeg', {'2012': Records(26_500, 117_000, 150)}
    ),
    'coco_seg': _Builder(
        'wss.datasets.preparation.coco',
        'CocoSeg',
        {
            '2017': Records(123_287, 170_000, 100),
            '2014': Records(123_287, 170_000, 100),
            'unlabeled2017': Records(123_403, 165_000, 300),
        },
    ),
    'cityscapes_seg': _Builder(
        'wss.datasets.preparation.cityscapes',
        'CityscapesSeg',
        {
            'fine': Records(5_000, 2_360_000, 10),
            'coarse': Records(23_472, 2_380_000, 10),
        },
    ),
}


def prepare(dataset: str, data_dir: str, manual_dir: str | None = None) -> str:
    """Builds a dataset, or says that it is there.

    Says before it begins what disk and time it takes. After an interruption, the same call goes
    on: finished downloads and unpacked archives are used again, records are written anew.

    Args:
        dataset: `voc_seg`, or with a config `coco_seg/2017`.
        data_dir: Folder in which datasets are built, local or `gs://`.
        manual_dir: Folder with archives or unpacked folders that the user has.

    Returns:
        Folder of the records.

    Raises:
        ValueError: If there is no such dataset, a folder is no path of one, or a file is damaged or
            not the official one.
        FileNotFoundError: If an archive is not there and cannot be downloaded.
        OSError: If `data_dir` cannot be written, the disk is too small, or another process prepares
            the dataset.
    """
    name, config = _chosen(dataset)
    data_dir = _folder(data_dir, 'data_dir')
    manual_dir = None if manual_dir is None else _folder(manual_dir, 'manual_dir')
    if manual_dir and not epath.Path(manual_dir).is_dir():
        raise FileNotFoundError(f'manual_dir {manual_dir} is no folder.')
    entry = _BUILDERS[name]
    make = getattr(importlib.import_module(entry.module), entry.name)
    with _only_one(data_dir, name):
        builder = _builder(make, config, data_dir, name)
        folder = epath.Path(builder.data_dir)
        if folder.exists() and not builder.info.splits:
            raise ValueError(
                f'{folder} is there, but without the dataset_info.json of a finished preparation. '
                'Delete the folder and run the same command again.'
            )
        if folder.exists():
            _LOGGER.info('%s/%s is there already, in %s.', name, config, folder)
        else:
            _build(builder, entry.configs[config], data_dir, manual_dir)
        _write_index(str(folder), builder.info.splits)
    for split, info in builder.info.splits.items():
        _LOGGER.info('%s: %d', split, info.num_examples)
    return str(folder)


def _build(builder, records, data_dir, manual_dir):
    if manual_dir:
        optional = getattr(builder, 'optional_archives', ())
        archives.check_useful([*builder.archives, *optional], manual_dir)
    looked_in = manual_dir
    if not manual_dir:
        # Where tfds looks by itself.
        usual = os.path.join(data_dir, 'downloads', 'manual')
        looked_in = usual if epath.Path(usual).exists() else None
    archives.check_present(builder.archives, looked_in)
    cost = preparation_cost.estimate(
        builder.archives, records, data_dir, looked_in, dataset=builder.name
    )
    folder = epath.Path(builder.data_dir)
    _LOGGER.info('Preparing %s in %s.\n%s', builder.info.full_name, folder, cost.text())
    cost.check()
    _remove_unfinished(folder)
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # It says that sizes are not known.
            builder.download_and_prepare(download_config=config)
    except KeyboardInterrupt:
        _LOGGER.info('Run the same command again to go on: what is finished is used again.')
        raise
    except Exception as error:
        if unpacking.is_disk_full(error) and not str(error).startswith('The disk is full'):
            raise unpacking.disk_full(folder.parent) from error
        raise
    _LOGGER.info(
        '%s is ready in %s; it does not need %s any more.',
        builder.info.full_name,
        folder,
        epath.Path(data_dir) / 'downloads',
    )


def _chosen(dataset):
    """Returns name and config, or says which there are."""
    name, _, config = dataset.partition('/')
    known = [f'{name}/{config}' for name, entry in _BUILDERS.items() for config in entry.configs]
    if name in _BUILDERS and not config:
        configs = list(_BUILDERS[name].configs)
        if len(configs) == 1:
            return name, configs[0]
        raise ValueError(
            f'{name} is there in several forms; say which: '
            f'{", ".join(f"{name}/{config}" for config in configs)}.'
        )
    if dataset not in known:
        near = difflib.get_close_matches(dataset, [*known, *_BUILDERS], n=1)
        meant = f' (did you mean {near[0]}?)' if near else ''
        raise ValueError(f'There is no dataset {dataset!r}{meant}; there are {", ".join(known)}.')
    return name, config


def _folder(path, setting):
    path = os.path.expanduser(os.fspath(path))
    if not path.strip():  # As of a variable of the shell that is not set.
        raise ValueError(f'{setting} is empty; name a folder ("." for the current one).')
    if '://' in path and not path.startswith('gs://'):
        raise ValueError(f'{setting} {path} is neither a local folder nor one on gs://.')
    return path.rstrip('/') or '/'


def _builder(make, config, data_dir, name):
    """Makes a builder, which reads the description of a build that is there."""
    try:
        return make(config=config, data_dir=data_dir)
    except Exception as error:  # tfds and Protocol buffers raise many kinds.
        home = os.path.join(data_dir, name, config)
        builds = epath.Path(home).glob('*/dataset_info.json')
        if isinstance(error, OSError) or not any(builds):
            raise
        raise ValueError(
            f'The dataset_info.json in {home}/{make.VERSION} is damaged, or of another dataset. '
            'Delete that folder and run the same command again.'
        ) from error


def _remove_unfinished(folder):
    """Removes records that a process which was killed left half-written, under tfds's name."""
    for left in folder.parent.glob(f'incomplete.*_{folder.name}'):
        _LOGGER.info('Removing half-written records of an earlier attempt: %s.', left)
        left.rmtree()


@contextlib.contextmanager
def _only_one(data_dir, name):
    """Keeps a second process from removing what the first is writing; not on `gs://`."""
    if '://' in data_dir or fcntl is None:
        yield
        return
    # The system gives the lock back however the process ends; the empty file stays.
    with _lock_file(data_dir, name) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(
                f'Another process is preparing {name} in {data_dir}; wait until it has ended.'
            ) from error
        except OSError:  # Some network file systems have no locks.
            _LOGGER.warning('%s has no locks: prepare %s once at a time.', data_dir, name)
        yield


def _lock_file(data_dir, name):
    try:
        os.makedirs(data_dir, exist_ok=True)
        return open(os.path.join(data_dir, f'.{name}.lock'), 'w', encoding='utf-8')
    except OSError as error:
        if unpacking.is_disk_full(error):
            raise unpacking.disk_full(data_dir) from error
        raise type(error)(
            f'data_dir {data_dir} cannot be used: {error.strerror}. Name a folder that can be '
            'written.'
        ) from error


def _write_index(folder, splits):
    """Writes where each record lies, if that is missing."""
    there = record_index.splits(folder)
    if lost := [split for split in splits if split not in there]:
        raise ValueError(
            f'The files of {", ".join(lost)} are missing in {folder}; delete the folder and run '
            'the same command again.'
        )
    for split in splits:
        record_index.read(folder, split)
