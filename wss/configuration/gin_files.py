"""Reads gin files and settings, and builds what they configure."""

import io
import logging
import os
import pathlib
from collections.abc import Callable, Sequence

import gin

from wss.configuration import checks, import_path
from wss.configuration.quiet import tf
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
# gin's own readers also look for packages, and fail where a folder `datasets` of the user's passes
# for the package that an include of `datasets/shapes.gin` names. This one reads `gs://` too.
_read = set()  # Files that `parse` has read.


def _open_once(path):
    """Opens a file; an empty one if it was read before, so that it replaces no later setting."""
    known = os.path.abspath(path) if '://' not in path else path
    if known in _read:
        return io.StringIO()
    _read.add(known)
    return tf.io.gfile.GFile(path)


gin.config._FILE_READERS[:] = [
    (_open_once, lambda path: tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path))
]
gin.config.register_finalize_hook(checks.check_types)


def parse(files: Sequence[str], params: Sequence[str] = ()) -> None:
    """Reads gin files and settings in place of what was read before.

    The order of the files does not matter: two that give one setting different values are refused.
    What several of them include is read once. Files outside `gin_configs` may import modules that
    lie beside them.

    Args:
        files: Paths, as they are or in `gin_configs`.
        params: Lines `name = value`; names may be shortened (`Schedule.steps`).

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a name is unknown, a value of the wrong type, or files contradict each other.
    """
    import_path.add(_folders(map(_found, files)))
    _parse(files, params)


def _parse(files, params):
    gin.clear_config()
    _read.clear()
    logging.disable(logging.CRITICAL)  # gin logs what it then raises.
    source, owners = None, {}
    try:
        for source in files:
            before = _values()
            gin.parse_config_file(_found(source))
            _check_order(source, before, owners)
        for source in params:
            gin.parse_config(source)
        source = None
        gin.finalize()
    except Exception as error:
        raise checks.as_user_error(error, source) from error
    finally:
        logging.disable(logging.NOTSET)


def _folders(paths):
    """Returns the folders of local gin files of users."""
    folders = [pathlib.Path(path).resolve().parent for path in paths if os.path.isfile(path)]
    own = [place / 'gin_configs' for place in _PLACES]
    return [f for f in folders if not any(f.is_relative_to(place) for place in own)]


def _values():
    """Returns the value of every setting that was read, as text, by scope, selector and name."""
    return {
        (*key, name): repr(value)
        for key, values in gin.config._CONFIG.items()
        for name, value in values.items()
    }


def _check_order(source, before, owners):
    """Refuses a file that changes a setting of a file before it."""
    for key, value in _values().items():
        if value == before.get(key):
            continue
        owner = owners.setdefault(key, source)
        if key in before:
            scope, selector, name = key
            # A macro such as %batch_size is a setting, too.
            is_macro = selector == 'gin.macro'
            shown = scope if is_macro else f'{selector.rsplit(".", 1)[-1]}.{name}'
            raise ValueError(
                f'{owner} sets {shown} = {before[key]} and {source} sets it to {value}. The order '
                'of --gin_file does not decide: leave one of the files out, or give the setting '
                'with --gin_param.'
            )


def _found(path):
    """Returns the file that `path` means; gin's own search stumbles over folders on `sys.path`."""
    choices = [place / path for place in (pathlib.Path(), *_PLACES)]
    return str(next((choice for choice in choices if choice.is_file()), path))


def parse_run(workdir: str, params: Sequence[str] = ()) -> None:
    """Reads the configuration of a run that is there (see `parse`)."""
    if not holds_run(workdir):
        raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no config.gin.')
    path = os.path.join(workdir, 'config.gin')
    with tf.io.gfile.GFile(path, 'rb') as file:
        import_path.add(import_path.noted(file.read().decode(errors='replace')))
    _parse([path], params)


def holds_run(workdir: str) -> bool:
    """Whether a folder, local or `gs://`, has the configuration of a run."""
    return tf.io.gfile.exists(os.path.join(workdir, 'config.gin'))


def build(part: Callable):
    """Builds a part of the library, such as `Experiment`, from the settings that were read.

    Raises:
        ValueError: If no setting mentions it, or a part refuses its settings.
    """
    try:
        configured = gin.get_configurable(part)
    except ValueError as error:
        raise ValueError(
            f'The configuration sets nothing of {part.__name__}; give a --gin_file, such as one of '
            'gin_configs/experiments.'
        ) from error
    return configured()


def built(part: Callable, name: str):
    """Builds one setting of a part alone, for a command that needs no more of it.

    Args:
        part: The part, such as `Data`.
        name: A setting of it that makes something, such as `make_dataset`.

    Raises:
        ValueError: If the configuration does not set it.
    """
    try:
        values = gin.get_bindings(part)
    except ValueError:  # No file that was read mentions it.
        values = {}
    if name not in values:
        raise ValueError(
            f'The configuration does not set {part.__name__}.{name}; give a --gin_file that '
            'does, such as one of gin_configs/experiments.'
        )
    return values[name]()


def operative() -> Configuration:
    """Returns every setting that was used, defaults too.

    Raises:
        ValueError: If a setting was not used by anything built so far.
    """
    used = gin.operative_config_str()
    checks.check_all_used(gin.config_str(), used)
    names = settings(used)
    text = import_path.note(used) + used
    return Configuration(text, frozenset(name for name in names if checks.may_change(name)))
