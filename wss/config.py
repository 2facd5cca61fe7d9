"""What the binaries share: flags, gin configurations, and errors as sentences.

Only binaries import this module, before the library: it imports TensorFlow and keeps it quiet.
"""

import contextlib
import importlib
import logging
import os
import pathlib
import re
import sys
import traceback
from collections.abc import Callable, Sequence

import gin
from absl import app, flags
from absl import logging as absl_logging

from wss import config_checks


@contextlib.contextmanager
def _silent_stderr():
    """Discards what C++ writes to the error stream, where no Python setting reaches it."""
    kept = os.dup(2)
    with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _say_stopped(kind, error, trace):
    """Takes the place of the trace that Ctrl-C would print outside of `run_main`."""
    if not issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    print('\nStopped.', file=sys.stderr)
    sys.exit(130)


sys.excepthook = _say_stopped  # The import of TensorFlow and of the library takes seconds.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
with _silent_stderr():
    # TensorFlow 2.20 and up greets on import whatever the level.
    tf = importlib.import_module('tensorflow')

WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
GIN_PARAM = flags.DEFINE_multi_string(
    'gin_param',
    [],
    "A setting that takes precedence over those of the files, such as 'run.steps = 9'.",
)

# What operations that save weights or events say of the file system.
_FILE_ERRORS = (
    'Permission denied',
    'Operation not permitted',
    'Read-only file system',
    'Input/output error',
    'Disk quota exceeded',
    'Stale file handle',
    'No such file or directory',
    '[Ii]s (?:not )?a directory',
    'Not a directory',
)
_PACKAGE = pathlib.Path(__file__).resolve().parent
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
gin.config._FILE_READERS[:] = [
    (tf.io.gfile.GFile, lambda path: tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path))
]
gin.config.register_finalize_hook(config_checks.check_types)


def define_checkpoint_flag() -> flags.FlagHolder:
    """Defines --checkpoint for a binary that uses a trained run."""
    return flags.DEFINE_enum('checkpoint', 'best', ['best', 'last'], 'Which weights to use.')


def define_device_flags() -> Callable[[], dict]:
    """Defines the flags of `runtime.Devices`; returns what reads them, by their names there."""
    holders = (
        flags.DEFINE_enum(
            'strategy',
            'auto',
            ['auto', 'one', 'mirrored', 'multi_worker', 'tpu'],
            'Where to compute; by itself a TPU if named, the workers of TF_CONFIG, or all GPUs.',
        ),
        flags.DEFINE_string('tpu', None, 'Name or address of a TPU, or "local".'),
        flags.DEFINE_integer(
            'replicas', None, 'How many GPUs; without any, parts of the CPU (to try things out).'
        ),
    )
    return lambda: {holder.name: holder.value for holder in holders}


def parse(files: Sequence[str], params: Sequence[str] = ()) -> None:
    """Reads gin files and settings in place of what was read before.

    Args:
        files: Paths, as they are or in `gin_configs`.
        params: Lines `name = value`; names may be shortened (`run.steps`).

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a name is unknown or a value of the wrong type.
    """
    gin.clear_config()
    logging.disable(logging.CRITICAL)  # gin logs what it then raises.
    source = None
    try:
        for source in files:
            gin.parse_config_file(_found(source))
        for source in params:
            gin.parse_config(source)
        source = None
        gin.finalize()
    except Exception as error:
        raise config_checks.as_user_error(error, source) from error
    finally:
        logging.disable(logging.NOTSET)


def _found(path):
    """Returns the file that `path` means; gin's own search stumbles over folders on `sys.path`."""
    choices = [place / path for place in (pathlib.Path(), *_PLACES)]
    return str(next((choice for choice in choices if choice.is_file()), path))


def parse_run(workdir: str, params: Sequence[str] = ()) -> None:
    """Reads the configuration of a run that is there (see `parse`)."""
    if not holds_run(workdir):
        raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no config.gin.')
    parse([os.path.join(workdir, 'config.gin')], params)


def holds_run(workdir: str) -> bool:
    """Whether a folder, local or `gs://`, has the configuration of a run."""
    return tf.io.gfile.exists(os.path.join(workdir, 'config.gin'))


def configured(function: Callable) -> Callable:
    """Returns a library function with the settings that were read.

    Raises:
        ValueError: If no setting mentions it.
    """
    try:
        return gin.get_configurable(function)
    except ValueError as error:
        raise ValueError(
            f'The configuration sets nothing of {function.__name__}; give a --gin_file, such as '
            'one of gin_configs/experiments.'
        ) from error


def setting(function: Callable, name: str):
    """Returns one setting of a library function, for a binary that needs no more of it.

    Raises:
        ValueError: If the configuration does not set it.
    """
    try:
        values = gin.get_bindings(function)
    except ValueError:  # No file that was read mentions it.
        values = {}
    if name not in values:
        raise ValueError(
            f'The configuration does not set {function.__name__}.{name}; give a --gin_file that '
            'does, such as one of gin_configs/experiments.'
        )
    return values[name]


def operative_text() -> str:
    """Returns every setting that was used, defaults too, as a gin file.

    Raises:
        ValueError: If a setting was not used by anything built so far.
    """
    used = gin.operative_config_str()
    config_checks.check_all_used(gin.config_str(), used)
    return used


def run_main(
    main: Callable[[], int | None], required: Sequence[str], wait_for_threads: bool = True
) -> None:
    """Runs a binary: its result is the exit status; a user's error is one sentence and status 1.

    Args:
        main: The binary.
        required: Names of the flags that must be given.
        wait_for_threads: Whether Ctrl-C waits for threads that still work, such as downloads.
    """
    flags.mark_flags_as_required(required)
    logger = logging.getLogger('wss')
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.setLevel(logging.INFO)
    logger.propagate = False

    def guarded(arguments):
        absl_logging.set_verbosity(absl_logging.ERROR)
        try:
            if len(arguments) > 1:
                raise ValueError(f'Unexpected argument {arguments[1]!r}; flags start with --.')
            return main()
        except KeyboardInterrupt:
            print('\nStopped.', file=sys.stderr, flush=True)
            if not wait_for_threads:
                sys.stdout.flush()
                os._exit(130)
            return 130
        except Exception as error:
            sentence = user_sentence(error)
            if sentence is None:
                raise
            print(sentence, file=sys.stderr)
            return 1

    app.run(guarded)


def user_sentence(error: Exception) -> str | None:
    """Returns what to tell a user about an error, or None if it is a defect of the program."""
    text, *calls = re.split(r'\n +In call to configurable ', str(error))
    text = text.split('\n  No values supplied by Gin')[0]
    frames = traceback.extract_tb(error.__traceback__)
    raised_in = pathlib.Path(frames[-1].filename if frames else '')
    if file := re.search(r'(.+)\n\s*\[\[.*file_of_prepared_dataset', text):
        reason = re.sub(r'\{\{.*?\}\} ?|Error in user-defined .* iterator: \S+ ', '', file[1])
        return (
            f'A file of a prepared dataset cannot be read: {reason}. Make it readable, or delete '
            'its folder and build it again with wss.prepare.'
        )
    if isinstance(error, tf.errors.OpError):
        if full := re.search(r'.*No space left on device', text):
            return f'The disk is full: {full[0].strip()}.'
        files = re.search(rf'.*(?:{"|".join(_FILE_ERRORS)})', text)
        if files or raised_in.name == 'file_io.py':  # TensorFlow's files, local and `gs://`.
            what = files[0].strip() if files else text.splitlines()[0]
            return f'A file cannot be read or written: {what}.'
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        shape = re.search(r'shape ?[\[(]([\d, ]+)', text)
        what = f' (for an array of {re.sub(", *", " x ", shape[1])} numbers)' if shape else ''
        return (
            f'The memory does not suffice{what}; lower the batch sizes (run.labelled_batch_size, '
            'run.unlabelled_batch_size, run.evaluation_batch_size) or Views.crop_size.'
        )
    if isinstance(error, OSError | FloatingPointError):
        return text
    if text.startswith('in user code:'):  # Out of a graph, with a trace in the text.
        return None
    if isinstance(error, ValueError):
        return text if raised_in.resolve().is_relative_to(_PACKAGE) else None
    missing = re.match(r'(\w+)(?:\.__init__)?\(\) missing \d+ required .*?: (.+)', text)
    if (
        isinstance(error, TypeError)
        and missing
        and calls
        and calls[0].startswith(f"'{missing[1]}'")
    ):
        names = ', '.join(f'{missing[1]}.{name}' for name in re.findall(r"'(\w+)'", missing[2]))
        return f'The configuration does not set {names}.'
    surplus = re.match(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'", text)
    if surplus and calls and calls[0].startswith(f"'{surplus[1]}'"):
        return (
            f'{surplus[1]} stands where the configuration needs a part of another kind: it takes '
            f'no {surplus[2]}; name another in its place.'
        )
    # Errors in the input pipeline come out of TensorFlow with ours inside. Those of `record_ops`
    # never were in Python.
    if record := re.search(r'assertion failed: \[ValueError: (.+\.)\]', text):
        return re.sub(r'\\(.)', r'\1', record[1])
    inner = re.search(r'(?:ValueError|FileNotFoundError|BrokenFileError): (.+)', text)
    if type(error).__module__.startswith('tensorflow') and inner:
        return inner[1]
    return None
