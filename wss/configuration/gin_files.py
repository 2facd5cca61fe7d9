"""Reads gin files and settings, and builds what they configure."""

import contextlib
import io
import logging
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Sequence

import gin

from wss.configuration import checks, import_path, parts, precedence
from wss.configuration.quiet import tf
from wss.datasets import info
from wss.datasets.files import whole
from wss.runs import folder as run_folder
from wss.runs.configuration import Configuration, settings

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
# `gin_configs` lies beside the package in the repository and inside it when installed. Found from
# any folder: 'gin_configs/experiments/x.gin' by its parent, and 'experiments/x.gin' by itself.
_PLACES = [
    place
    for home in (_PACKAGE.parent, _PACKAGE)
    for place in (home, home / 'gin_configs')
    if (home / 'gin_configs').is_dir()
]
for _place in _PLACES:
    gin.add_config_file_search_path(str(_place))
_sources = precedence.Sources()
_given = {}  # Settings of the command line.


@contextlib.contextmanager
def _open(path):
    """Opens a file for gin and notes what it sets and includes; an empty one if it is known."""
    name = _short(path)
    if kind := _kind(path):
        _sources.kinds[name] = kind
    with _sources.reading(name, _take) as is_new:
        if not is_new:
            yield io.StringIO()
            return
        with tf.io.gfile.GFile(path) as file:
            yield file


def _kind(path):
    """Returns the folder of a packaged gin file, such as `networks`; '' for a user's file."""
    if '://' in path:
        return ''
    homes = [place for place in _PLACES if place.name == 'gin_configs']
    path = pathlib.Path(path).resolve()
    folders = [path.relative_to(home).parts for home in homes if path.is_relative_to(home)]
    return folders[0][0] if folders else ''


def _take():
    """Takes from gin the settings that it has read."""
    taken = {
        (*key, name): value
        for key, values in gin.config._CONFIG.items()
        for name, value in values.items()
    }
    gin.config._CONFIG.clear()
    return taken


def _give(settings):
    """Gives gin settings back."""
    for (scope, selector, name), value in settings.items():
        gin.config._CONFIG.setdefault((scope, selector), {})[name] = value


def _describe(setting):
    """Returns the name of a setting, for errors: a macro such as %batch_size is one, too."""
    scope, selector, name = setting
    return scope if selector == 'gin.macro' else f'{selector.rsplit(".", 1)[-1]}.{name}'


def _short(path):
    """Returns the name of a file: its path from `gin_configs` or from here, or its whole path."""
    if '://' in path:
        return path
    path = os.path.abspath(path)
    homes = [*(place for place in _PLACES if place.name == 'gin_configs'), os.getcwd()]
    names = [os.path.relpath(path, home) for home in homes]
    return next((name for name in names if not name.startswith(os.pardir)), path)


# gin's own readers also look for packages, and take a user's folder `datasets` for the package that
# an include of `datasets/shapes.gin` names. This one reads `gs://` too.
gin.config._FILE_READERS[:] = [
    (_open, lambda path: tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path))
]
gin.config.register_finalize_hook(checks.check_types)


def parse(files: Sequence[str], params: Sequence[str] = ()) -> None:
    """Reads gin files and settings in place of what was read before.

    The order of the files does not matter, see `precedence`. What several of them include is read
    once. Files outside `gin_configs` may import modules that lie beside them.

    Args:
        files: Paths, as they are or in `gin_configs`.
        params: Lines `name = value`, which override the files, and of which the last one counts;
            names may be shortened (`Schedule.steps`).

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a name is unknown, a value of the wrong type, or files contradict each other.

    Example:
        >>> from wss.configuration import gin_files
        >>> from wss.experiment import Experiment
        >>> parts = ['datasets/shapes.gin', 'networks/small.gin', 'methods/supervised.gin']
        >>> gin_files.parse(parts, ['Schedule.steps = 100'])
        >>> gin_files.build(Experiment).schedule.steps
        100
    """
    import_path.add(_folders(map(_found, files)))
    _parse(files, params)


def _parse(files, params):
    gin.clear_config()
    _sources.clear()
    _given.clear()
    logging.disable(logging.CRITICAL)  # gin logs what it then raises.
    source, given = None, {}
    try:
        for source in files:
            gin.parse_config_file(_found(source))
        for source in params:
            _import_parts(source)
            gin.parse_config(source)
            given.update(_take())
        source = None
        _given.update(given)
        _give(_sources.settle(given, _describe))
        _give(given)
        gin.finalize()
    except Exception as error:
        for settings in (*_sources.settings.values(), given):  # An error suggests their names.
            _give(settings)
        raise checks.as_user_error(error, source) from error
    finally:
        logging.disable(logging.NOTSET)
    _warn_of_lost_weights()


def _warn_of_lost_weights():
    """Warns if weights were left out with the network that they are of."""
    settings = [one for file in _sources.replaced for one in _sources.settings[file]]
    name = next((one for one in settings if one[-1] == 'initial_weights'), None)
    if name and name[-1] not in gin.config._CONFIG.get(name[:2], {}):
        warnings.warn(
            'The initial weights are random: those of the configuration are of another network. '
            'Set Experiment.initial_weights, or take a network file with weights.',
            stacklevel=2,
        )


def _import_parts(setting):
    """Imports the parts of the package that a setting names and no file has imported."""
    for name in dict.fromkeys(re.findall(r'@([\w.]+)|^(?:\w+/)*([\w.]+)\.\w+ *=', setting)):
        name = name[0] or name[1]
        known = parts.modules()
        found = [part for part in known if part == name or part.split('.')[-1] == name]
        found = found or [part for part in known if name.endswith(f'.{part}')]
        if len(found) != 1 or gin.config._REGISTRY.matching_selectors(name):
            continue
        package, module = known[found[0]].rsplit('.', 1)
        gin.parse_config(
            'from __gin__ import dynamic_registration\n'
            f'from {package} import {module}\n'
            f'imported = @{module}.{found[0].split(".")[-1]}'
        )
        _take()


def _folders(paths):
    """Returns the folders of local gin files of users."""
    folders = [pathlib.Path(path).resolve().parent for path in paths if os.path.isfile(path)]
    own = [place / 'gin_configs' for place in _PLACES]
    return [f for f in folders if not any(f.is_relative_to(place) for place in own)]


def _found(path):
    """Returns the file that `path` means; gin's own search fails on folders of `sys.path`."""
    path = whole.expanded(path)
    choices = [place / path for place in (pathlib.Path(), *_PLACES)]
    return str(next((choice for choice in choices if choice.is_file()), path))


def parse_run(workdir: str, params: Sequence[str] = ()) -> None:
    """Reads the configuration of a run (see `parse`)."""
    workdir = whole.expanded(workdir)
    if not holds_run(workdir):
        raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no config.gin.')
    path = os.path.join(workdir, run_folder.CONFIG_FILE)
    import_path.add(import_path.noted(whole.read(path).decode(errors='replace')))
    _parse([path], params)


def holds_run(workdir: str) -> bool:
    """Whether a folder, local or `gs://`, has the configuration of a run."""
    return tf.io.gfile.exists(os.path.join(whole.expanded(workdir), run_folder.CONFIG_FILE))


def build(part: Callable):
    """Builds a part of the library, such as `Experiment`, from the settings that were read.

    Raises:
        ValueError: If no setting mentions it, or a part refuses its settings.

    Example:
        >>> from wss.configuration import gin_files
        >>> from wss.training.schedule import Schedule
        >>> gin_files.parse(['experiments/shapes_supervised.gin'])
        >>> gin_files.build(Schedule).checkpoint_every
        250
    """
    if not _bound(part):
        raise ValueError(
            f'The configuration sets nothing of {part.__name__}; give a --gin_file, such as one of '
            'gin_configs/experiments.'
        )
    try:
        return gin.get_configurable(part)()
    except RecursionError as error:
        raise ValueError(
            f'A part of {part.__name__} is a setting of itself; look for a reference @name() among '
            'the settings of name.'
        ) from error


def built(part: Callable, name: str):
    """Builds one setting of a part alone, for a command that needs nothing else.

    Args:
        part: The part, such as `Data`.
        name: A setting of it that makes something, such as `make_dataset`.

    Raises:
        ValueError: If the configuration does not set it.
    """
    if name not in _bound(part):
        raise ValueError(
            f'The configuration does not set {part.__name__}.{name}; give a --gin_file that '
            'does, such as one of gin_configs/experiments.'
        )
    return gin.get_bindings(part)[name]()


def _bound(part):
    try:
        return gin.get_bindings(part, resolve_references=False)
    except ValueError:  # No file that was read mentions it.
        return {}


def _full(setting):
    """Returns the name of a setting as `checks.check_all_used` compares it."""
    scope, selector, name = setting
    if selector == 'gin.macro':
        return scope
    return f'{scope}/{selector}.{name}' if scope else f'{selector}.{name}'


def operative() -> Configuration:
    """Returns every setting that was used, with defaults.

    Raises:
        ValueError: If nothing that was built so far used a setting.
    """
    used = gin.operative_config_str()
    unneeded = {
        _full(setting) for setting, file in _sources.decided.items() if file in _sources.kinds
    }
    checks.check_all_used(gin.config_str(), used, unneeded - {_full(one) for one in _given})
    checks.check_finite(gin.config._CONFIG)
    return _configuration(used, import_path.note(used) + used)


def given() -> Configuration:
    """Returns every setting that was read, whether it is used or not."""
    return _configuration(gin.config_str(), gin.config_str())


def _configuration(text, noted):
    names = settings(text)
    marks = (checks.marked(names, is_marked) for is_marked in (info.may_change, info.of_host))
    return Configuration(noted, *marks)
