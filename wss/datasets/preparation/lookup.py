"""Finds the class that builds a dataset: in the package by its name, or in a user's file."""

import difflib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys

from tensorflow_datasets.core import registered

from wss.datasets.preparation import builder, builders

_IN_FILE = re.compile(r'(?P<path>.*\.py)(?::(?P<name>\w+)(?:/(?P<config>.+))?)?')


def find(dataset: str) -> tuple[type[builder.SegmentationBuilder], str]:
    """Returns the builder of a dataset, and the configuration to build.

    Args:
        dataset: `voc_seg` or, with a configuration, `coco_seg/2017`. Of a builder in a file:
            `lakes.py`, `lakes.py:Lakes` or `lakes.py:Lakes/small`; the class can be omitted if the
            file has one builder only, and the configuration if the builder has one only.

    Returns:
        A class that keeps the contract of `builder`, and the name of one of its configurations.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such dataset or configuration, or the class breaks the contract.
    """
    if match := _IN_FILE.fullmatch(dataset):
        found, config = _in_file(match['path'], match['name']), match['config'] or ''
        builder.check_class(found)
        label = f'{match["path"]}:{found.__name__}'
    else:
        label, _, config = dataset.partition('/')
        found = packaged().get(label)
        if found is None or (config and config not in _configs(found)):
            raise ValueError(_unknown(dataset))
    configs = _configs(found)
    every = ', '.join(f'{label}/{name}' for name in configs)
    if not config and len(configs) > 1:
        raise ValueError(f'{label} has several configurations; name one of them: {every}.')
    if config and config not in configs:
        raise ValueError(f'{label} has no configuration {config!r}; there are: {every}.')
    return found, config or configs[0]


def packaged() -> dict[str, type[builder.SegmentationBuilder]]:
    """Returns the builders of the package by the names of their datasets."""
    found = {}
    for module in pkgutil.iter_modules(builders.__path__, f'{builders.__name__}.'):
        for item in _builders(importlib.import_module(module.name)):
            found[item.name] = item
    return found


def _in_file(path, name):
    found = {item.__name__: item for item in _builders(_module(path))}
    if not found:
        raise ValueError(
            f'{path} has no builder: a class that derives from SegmentationBuilder (see '
            f'{builder.__name__}).'
        )
    if not name and len(found) > 1:
        every = ', '.join(f'{path}:{known}' for known in found)
        raise ValueError(f'{path} has several builders; name one of them: {every}.')
    if name and name not in found:
        raise ValueError(f'{path} has no builder {name}; it has {", ".join(found)}.')
    return found[name or next(iter(found))]


def _module(path):
    """Imports a file by its path; it can import the files beside it."""
    path = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(path):
        raise FileNotFoundError(f'File {path} does not exist.')
    folder, file = os.path.split(path)
    name = file.removesuffix('.py')
    before = sys.modules.get(name)
    if before is not None and getattr(before, '__file__', None) != path:
        raise ValueError(f'{path} has the name of a module that is in use; rename the file.')
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # tensorflow-datasets looks for it there.
    # tensorflow-datasets keeps a list of all builders, and refuses two of one name.
    with registered.skip_registration():
        spec.loader.exec_module(module)
    return module


def _builders(module):
    """Returns the builders that a module defines, also those that break the contract."""
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, builder.SegmentationBuilder)
        and item.__module__ == module.__name__
    ]


def _configs(found):
    return [config.name for config in found.BUILDER_CONFIGS]


def _unknown(dataset):
    known = [f'{name}/{config}' for name, item in packaged().items() for config in _configs(item)]
    near = difflib.get_close_matches(dataset, [*known, *packaged()], n=1)
    meant = f' (did you mean {near[0]}?)' if near else ''
    return (
        f'There is no dataset {dataset!r}{meant}; there are {", ".join(sorted(known))}. For a '
        'builder in a file of your own, give the file and the class: lakes.py:Lakes.'
    )
