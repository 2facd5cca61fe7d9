"""What the commands share: flags, exit status, and errors as sentences."""

import logging
import os
import shlex
import sys
import sysconfig
import warnings
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging

from wss.configuration import sentences
from wss.datasets.files import whole

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INSTALLED = tuple(
    os.path.join(sysconfig.get_path(name), '')
    for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')
)


def _print_stopped(kind, error, trace):
    """Replaces the trace that Ctrl-C would print outside of `run_main`."""
    if not issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    print('\nStopped.', file=sys.stderr)
    sys.exit(130)


sys.excepthook = _print_stopped  # The import of the library takes a second.


class _PathParser(flags.ArgumentParser):
    """Replaces a leading `~`, which shells leave as it is in `--workdir=~/runs`."""

    syntactic_help = 'a path'

    def parse(self, argument):
        """Returns the path."""
        return whole.expanded(argument)

    def flag_type(self):
        """Returns what --help prints."""
        return 'path'


def define_path(name: str, default: str | None, help_text: str) -> flags.FlagHolder:
    """Defines a flag that is the path of a file or folder."""
    serializer = flags.ArgumentSerializer()
    return flags.DEFINE(_PathParser(), name, default, help_text, serializer=serializer)


def define_multi_path(name: str, help_text: str) -> flags.FlagHolder:
    """Defines a flag that can be given several times, a path each time; [] without it."""
    return flags.DEFINE_multi(_PathParser(), flags.ArgumentSerializer(), name, [], help_text)


_WORKDIRS = define_multi_path('workdir', 'Folder of the run.')

GIN_PARAM = flags.DEFINE_multi_string(
    'gin_param',
    [],
    "A setting that takes precedence over those of the files, such as 'Schedule.steps = 9'.",
)


def workdirs() -> list[str]:
    """Returns the folders of --workdir, which `wss.evaluate` takes several times."""
    return _WORKDIRS.value


def workdir() -> str | None:
    """Returns the folder of --workdir, or None; the last one, as of every flag given again."""
    return _WORKDIRS.value[-1] if _WORKDIRS.value else None


def define_checkpoint_flag() -> flags.FlagHolder:
    """Defines --checkpoint for a command that uses a trained run."""
    return flags.DEFINE_enum('checkpoint', 'best', ['best', 'last'], 'Which weights to use.')


def define_images_flag() -> flags.FlagHolder:
    """Defines --images, which can be given several times."""
    return define_multi_path(
        'images',
        'Folder of images of any size, or one image; also a pattern such as "trip/*.jpg" or a '
        '.txt file with one of these on each line. Can be given several times.',
    )


def define_device_flags() -> Callable[[], dict]:
    """Defines the flags of `strategies.Devices`; returns a function that reads them, by name."""
    holders = (
        flags.DEFINE_enum(
            'strategy',
            'auto',
            ['auto', 'one', 'mirrored', 'multi_worker', 'tpu'],
            'Where to compute. auto: a TPU if one is named, the workers of TF_CONFIG, or all GPUs.',
        ),
        flags.DEFINE_string('tpu', None, 'Name or address of a TPU, or "local".'),
        flags.DEFINE_integer(
            'replicas', None, 'How many GPUs; without a GPU, parts of the CPU (to try things out).'
        ),
        flags.DEFINE_float(
            'wait_minutes', 10.0, 'How long a worker waits for the other workers to start.'
        ),
    )
    return lambda: {holder.name: holder.value for holder in holders}


def define_window_flags() -> Callable[[], dict]:
    """Defines the flags of the windows of a large image; returns a function that reads them."""
    holders = (
        flags.DEFINE_integer(
            'window',
            None,
            'See an image with a longer side than these pixels in windows of this size, so that '
            'its memory does not grow with its height; by default each image is seen as a whole.',
        ),
        flags.DEFINE_float(
            'overlap', 0.33, 'Share of a window that the next one shows again, 0 to 0.9.'
        ),
    )
    return lambda: {holder.name: holder.value for holder in holders}


def define_averaging_flags() -> Callable[[], dict]:
    """Defines the flags of an `averaging.Averaging`; returns a function that reads them by name."""
    scales = flags.DEFINE_list(
        'scales',
        ['1'],
        'Average the predictions of copies of each image, scaled by these factors, such as '
        '0.5,0.75,1,1.25,1.5,1.75.',
    )
    flip = flags.DEFINE_bool('flip', False, 'Average over mirrored copies, too.')
    windows = define_window_flags()
    veto = flags.DEFINE_float(
        'veto',
        0.0,
        'Leave out classes that the image-level classifier gives a lower probability, 0 to 1.',
    )

    def read():
        try:
            factors = tuple(float(scale) for scale in scales.value)
        except ValueError as error:
            raise ValueError(
                f'--scales is {",".join(scales.value)!r}; it must be numbers, divided by commas, '
                'such as 0.5,1,1.5.'
            ) from error
        return {
            'scales': factors,
            'flip': flip.value,
            **windows(),
            'veto': veto.value,
        }

    return read


def define_output_flags() -> Callable[[], dict]:
    """Defines the flags of an `outputs.Outputs`; returns a function that reads them, by name."""
    holders = (
        flags.DEFINE_enum(
            'probabilities',
            None,
            ['npz', 'png16'],
            'Also write the probabilities of the classes: npz for one NumPy file of an image, '
            'png16 for a grey PNG file of 16 bits of each class.',
        ),
        flags.DEFINE_enum(
            'polygons', None, ['coco'], 'Also write annotations.json, in the format of COCO.'
        ),
        flags.DEFINE_bool('skip_existing', False, 'Skip images whose files are there already.'),
    )
    return lambda: {holder.name: holder.value for holder in holders}


def show_warnings() -> None:
    """Prints each warning of the library and of a user's parts once, as `Warning: sentence`.

    Those of other libraries are hidden.
    """
    shown = set()

    def show(message, category, filename, lineno, file=None, line=None):
        del category, filename, lineno, file, line
        if str(message) not in shown and _is_ours(sys._getframe(1)):
            shown.add(str(message))
            print(f'Warning: {message}', file=sys.stderr, flush=True)

    warnings.simplefilter('ignore')
    # Python's own filter hides other sentences of one line: a dataset may warn of each split.
    warnings.simplefilter('always', UserWarning)
    warnings.showwarning = show


def _is_ours(frame):
    """Whether a warning comes from the package, or from a file that is not installed."""
    while frame and frame.f_globals.get('__name__') in ('warnings', '_py_warnings'):
        frame = frame.f_back
    file = os.path.abspath(frame.f_code.co_filename) if frame else ''
    return file.startswith(os.path.join(_PACKAGE, '')) or not file.startswith(_INSTALLED)


def show_any_name() -> None:
    """Makes output that the console cannot encode, such as a class name, appear escaped.

    Without this, a `print` on a console of another encoding (ASCII, cp1252) ends the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


def run_main(
    main: Callable[[], int | None], required: Sequence[str], wait_for_threads: bool = True
) -> None:
    """Runs a command: its result is the exit status; a user's error is one sentence and status 1.

    Args:
        main: The command.
        required: Names of the flags that must be given.
        wait_for_threads: Whether Ctrl-C waits for threads that still run, such as downloads.
    """
    show_any_name()
    logger = logging.getLogger('wss')
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.setLevel(logging.INFO)
    logger.propagate = False

    def guarded(arguments):
        show_warnings()
        absl_logging.set_verbosity(absl_logging.ERROR)
        try:
            if len(arguments) > 1:
                raise ValueError(f'Unexpected argument {arguments[1]!r}; flags start with --.')
            _check_required(required)
            return main()
        except KeyboardInterrupt:
            print('\nStopped.', file=sys.stderr, flush=True)
            if not wait_for_threads:
                sys.stdout.flush()
                os._exit(130)
            return 130
        except Exception as error:
            sentence = sentences.user_sentence(error)
            if sentence is None:
                raise
            print(sentence, file=sys.stderr)
            return 1

    app.run(guarded, flags_parser=_parse)


def _parse(arguments):
    """Parses the command line; a flag that is wrong is one sentence."""
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, ValueError) as error:  # ValueError: a switch with a value.
        what = ' '.join(str(error).split()).removesuffix('.').replace(' ?', '?')
        end = '' if what.endswith('?') else '.'
        sentence = f'{what[0].upper()}{what[1:]}{end} See --help for the flags of this command.'
        print(sentence, file=sys.stderr)
        sys.exit(1)


def _check_required(names):
    """Refuses a command line without a flag that must be given."""
    missing = [name for name in names if not flags.FLAGS[name].value]
    if missing:
        described = [
            f'--{name} ({flags.FLAGS[name].help.split(";")[0].rstrip(".")})' for name in missing
        ]
        raise ValueError(f'Give {" and ".join(described)}.')


def next_commands(workdir: str, is_scored: bool) -> str:
    """Returns the commands that follow training, one a line.

    Args:
        workdir: Folder of the run.
        is_scored: Whether there are best weights, chosen on a validation split.
    """
    own = f'--workdir {shlex.quote(workdir)}{"" if is_scored else " --checkpoint last"}'
    commands = (
        f'python -m wss.evaluate {own}{"" if is_scored else " --split SPLIT"}',
        f'python -m wss.predict {own} --images FOLDER --out FOLDER',
        f'python -m wss.export {own} --out FOLDER',
        f'tensorboard --logdir {shlex.quote(workdir)}',
    )
    return '\n'.join(['Next commands:', *(f'    {command}' for command in commands)])
