"""Turns errors into sentences for users."""

import pathlib
import re
import traceback

from wss.configuration.quiet import tf
from wss.datasets.files import reasons

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
# How operations that save weights or events name errors of the file system.
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


def user_sentence(error: Exception) -> str | None:
    """Returns the sentence for a user's error, or None if the error is a defect of the program.

    It is one line, whatever text of other libraries is part of it.
    """
    sentence = _sentence(error)
    return None if sentence is None else reasons.one_line(sentence)


def _sentence(error):
    text, *calls = re.split(r'\n +In call to configurable ', str(error))
    text = text.split('\n  No values supplied by Gin')[0]
    frames = traceback.extract_tb(error.__traceback__)
    raised_in = pathlib.Path(frames[-1].filename if frames else '')
    is_ours = raised_in.resolve().is_relative_to(_PACKAGE)
    if layer := re.match(
        r'Exception encountered when calling .*?\n\n(.+?)\n\nCall arg', text, re.S
    ):
        text = layer[1]  # Keras has put its own lines around it.
    sentence = _of_a_file(error, text, raised_in.name) or _of_memory(error, text)
    if sentence:
        return sentence
    if isinstance(error, OSError) and error.strerror:  # Raised by Python, not by us.
        return f'A file cannot be read or written: {reasons.reason(error)}.'
    if isinstance(error, OSError | FloatingPointError):
        return text
    if text.startswith('in user code:'):  # Out of a graph, with a trace in the text.
        # Frames of TensorFlow are hidden: only a `raise` in the last line tells that it is ours.
        inner = re.search(r'\n    ValueError: (.+)', text)
        raised = inner and is_ours and frames[-1].line.startswith('raise ')
        return inner[1] if raised else None
    if isinstance(error, ValueError):
        return text if is_ours else None
    return _of_a_setting(error, text, calls) or _of_the_input(error, text)


def _of_a_file(error, text, raised_in):
    """Returns the sentence about a file that cannot be read or written, None for other errors."""
    if file := re.search(r'(.+)\n\s*\[\[.*file_of_prepared_dataset', text):
        return (
            f'A file of a prepared dataset cannot be read: {reasons.plain(file[1])}. '
            'Make it readable, or delete its folder and build it again with wss.prepare.'
        )
    if not isinstance(error, tf.errors.OpError):
        return None
    if full := re.search(r'.*No space left on device', text):
        return f'The disk is full: {reasons.plain(full[0])}.'
    files = re.search(rf'.*(?:{"|".join(_FILE_ERRORS)})', text)
    if files or raised_in == 'file_io.py':  # TensorFlow's files, local and `gs://`.
        what = reasons.plain(files[0] if files else text).rstrip('.')
        return f'A file cannot be read or written: {what}.'
    return None


def _of_memory(error, text):
    """Returns the sentence about memory that does not suffice, None for other errors."""
    if not isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return None
    shape = re.search(r'shape ?[\[(]([\d, ]+)', text)
    what = f' (for an array of {re.sub(", *", " x ", shape[1])} numbers)' if shape else ''
    return (
        f'The memory does not suffice{what}; lower the batch sizes (Labelled.batch_size, '
        'Unlabelled.batch_size, Validation.batch_size) or Views.crop_size, or scale photos down '
        'with Data.long_side.'
    )


def _of_a_setting(error, text, calls):
    """Returns the sentence about a setting that gin passes or lacks, None for other errors."""
    called = calls[0] if calls else ''
    missing = re.match(r'(\w+)(?:\.__init__)?\(\) missing \d+ required .*?: (.+)', text)
    if isinstance(error, TypeError) and missing and called.startswith(f"'{missing[1]}'"):
        names = ', '.join(f'{missing[1]}.{name}' for name in re.findall(r"'(\w+)'", missing[2]))
        return f'The configuration does not set {names}.'
    surplus = re.match(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'", text)
    if surplus and called.startswith(f"'{surplus[1]}'"):
        return (
            f'{surplus[1]} stands where the configuration needs another part: it takes no '
            f'{surplus[2]}. Name a part that does.'
        )
    return None


def _of_the_input(error, text):
    """Returns our sentence in an error of TensorFlow's input pipeline, None for other errors."""
    # Those of `records/reading.py` are not raised in Python.
    if record := re.search(r'assertion failed: \[ValueError: (.+\.)\]', text):
        return re.sub(r'\\(.)', r'\1', record[1])
    inner = re.search(r'(?:ValueError|FileNotFoundError|BrokenFileError): (.+)', text)
    return inner[1] if inner and type(error).__module__.startswith('tensorflow') else None
