"""Builds datasets: reports the cost first, resumes after an interruption."""

import contextlib
import io
import logging
import os

import tensorflow_datasets as tfds
from etils import epath

from wss.datasets.files import owner, whole
from wss.datasets.preparation import archives, disk, lookup
from wss.datasets.preparation import builder as builder_contract
from wss.datasets.preparation import cost as preparation_cost
from wss.datasets.records import description
from wss.datasets.records import index as record_index

_LOGGER = logging.getLogger(__name__)


def prepare(dataset: str, data_dir: str, manual_dir: str | None = None) -> str:
    """Builds a dataset, unless it is built already.

    Reports the disk space and time that this takes before it begins. After an interruption, the
    same call resumes: it uses finished downloads and unpacked archives, and writes the records
    again.

    Args:
        dataset: `voc_seg`; with a configuration, `coco_seg/2017`; for a builder in a file of the
            user's, `lakes.py:Lakes`. See `lookup.find`.
        data_dir: Folder in which datasets are built, local or `gs://`.
        manual_dir: The user's folder with archives, or with folders unpacked from them.

    Returns:
        Folder of the records.

    Raises:
        ValueError: If there is no such dataset, a builder breaks its contract, a folder has an
            impossible name, or a file is damaged or not the official one.
        FileNotFoundError: If an archive is missing and cannot be downloaded.
        OSError: If `data_dir` cannot be written, the disk is too small, or another process prepares
            the dataset.
    """
    make, config = lookup.find(dataset)
    data_dir = _folder(data_dir, 'data_dir')
    manual_dir = None if manual_dir is None else _folder(manual_dir, 'manual_dir')
    if manual_dir and not epath.Path(manual_dir).is_dir():
        raise FileNotFoundError(f'manual_dir {manual_dir} is not a folder.')
    with _only_one(data_dir, make.name):
        builder = _builder(make, config, data_dir)
        builder_contract.check_builder(builder)
        folder = epath.Path(builder.data_dir)
        if folder.exists() and not builder.info.splits:
            raise ValueError(
                f'{folder} exists, but it lacks the dataset_info.json of a finished preparation. '
                'Delete the folder and run the same command again.'
            )
        if folder.exists():
            _LOGGER.info('%s/%s is built already, in %s.', builder.name, config, folder)
        else:
            _build(builder, data_dir, manual_dir)
        _complete(str(folder), builder)
    for split, info in builder.info.splits.items():
        _LOGGER.info('%s: %d', split, info.num_examples)
    return str(folder)


def _build(builder, data_dir, manual_dir):
    if manual_dir:
        archives.check_useful([*builder.archives, *builder.optional_archives], manual_dir)
    looked_in = manual_dir
    if not manual_dir:
        # Where tfds looks without a manual_dir.
        usual = os.path.join(data_dir, 'downloads', 'manual')
        looked_in = usual if epath.Path(usual).exists() else None
    archives.check_present(builder.archives, looked_in)
    cost = preparation_cost.estimate(
        builder.archives,
        builder.COST.get(builder.builder_config.name),
        data_dir,
        looked_in,
        dataset=builder.name,
    )
    folder = epath.Path(builder.data_dir)
    _LOGGER.info('Preparing %s in %s.\n%s', builder.info.full_name, folder, cost.text())
    cost.check()
    _remove_unfinished(folder)
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # It prints that sizes are unknown.
            builder.download_and_prepare(download_config=config)
    except KeyboardInterrupt:
        _LOGGER.info('Run the same command again to resume: it uses what is finished.')
        raise
    except Exception as error:
        if disk.is_full(error) and not str(error).startswith('The disk is full'):
            raise disk.full(folder.parent) from error
        raise
    _LOGGER.info(
        "%s is ready in %s: set Prepared.name = '%s'. It does not need %s any more.",
        builder.info.full_name,
        folder,
        f'{builder.name}/{builder.builder_config.name}',
        epath.Path(data_dir) / 'downloads',
    )


def _folder(path, setting):
    path = whole.expanded(path)
    if not path.strip():  # Such as an unset variable of the shell.
        raise ValueError(f'{setting} is empty; name a folder ("." for the current one).')
    if '://' in path and not path.startswith('gs://'):
        raise ValueError(f'{setting} {path} is neither a local folder nor one on gs://.')
    return path.rstrip('/') or '/'


def _builder(make, config, data_dir):
    """Makes a builder. If the dataset is built, it reads the description of the build."""
    try:
        return make(config=config, data_dir=data_dir)
    except Exception as error:  # tfds and protocol buffers raise errors of many types.
        home = os.path.join(data_dir, make.name, config)
        builds = epath.Path(home).glob('*/dataset_info.json')
        if isinstance(error, OSError) or not any(builds):
            raise
        raise ValueError(
            f'The dataset_info.json in {home}/{make.VERSION} is damaged or of another dataset. '
            'Delete that folder and run the same command again.'
        ) from error


def _remove_unfinished(folder):
    """Deletes half-written records of a killed process, which tfds marks by their name."""
    for left in folder.parent.glob(f'incomplete.*_{folder.name}'):
        _LOGGER.info('Deleting half-written records of an earlier attempt: %s.', left)
        left.rmtree()


def _only_one(data_dir, name):
    """Returns what keeps a second process from deleting what the first is writing, in a `with`."""
    with contextlib.ExitStack() as stack:
        try:
            epath.Path(data_dir).mkdir(parents=True, exist_ok=True)
            stack.enter_context(owner.only_one(os.path.join(data_dir, f'.{name}.lock')))
        except owner.Owned as error:
            raise OSError(
                f'Another process is preparing {name} in {data_dir} ({error.owner}); wait until it '
                'has ended.'
            ) from error
        except OSError as error:
            if disk.is_full(error):
                raise disk.full(data_dir) from error
            raise type(error)(
                f'data_dir {data_dir} cannot be used: {error.strerror}. Name a folder that can be '
                'written.'
            ) from error
        return stack.pop_all()


def _complete(folder, builder):
    """Writes the classes and the index of the records, where they are missing."""
    there = record_index.splits(folder)
    if lost := [split for split in builder.info.splits if split not in there]:
        raise ValueError(
            f'The files of {", ".join(lost)} are missing in {folder}; delete the folder and run '
            'the same command again.'
        )
    before = description.read(folder)
    if before is None:
        description.write(folder, builder.CLASSES)
    elif before != builder.CLASSES:
        name = type(builder).__name__
        raise ValueError(
            f'{folder} was built with other classes than {name}.CLASSES. Raise {name}.VERSION to '
            'build the dataset beside it, or delete the folder; then run the same command again.'
        )
    for split in builder.info.splits:
        record_index.read(folder, split)
