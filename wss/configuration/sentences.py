"""Turns errors into sentences for users."""

import pathlib
import re
import traceback

from wss.configuration.quiet import tf

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
    """Returns the sentence for a user's error, or None if the error is a defect of the program."""
    text, *calls = re.split(r'\n +In call to configurable ', str(error))
    text = text.split('\n  No values supplied by Gin')[0]
    frames = traceback.extract_tb(error.__traceback__)
    raised_in = pathlib.Path(frames[-1].filename if frames else '')
    is_ours = raised_in.resolve().is_relative_to(_PACKAGE)
    if layer := re.match(
        r'Exception encountered when calling .*?\n\n(.+?)\n\nCall arg', text, re.S
    ):
        text = layer[1]  # Keras has put its own lines around it.
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
            f'The memory does not suffice{what}; lower the batch sizes (Labelled.batch_size, '
            'Unlabelled.batch_size, Validation.batch_size) or Views.crop_size.'
        )
    if isinstance(error, OSError | FloatingPointError):
        return text
    if text.startswith('in user code:'):  # Out of a graph, with a trace in the text.
        # Frames of TensorFlow are hidden: only a `raise` in the last line tells that it is ours.
        inner = re.search(r'\n    ValueError: (.+)', text)
        raised = inner and is_ours and frames[-1].line.startswith('raise ')
        return inner[1] if raised else None
    if isinstance(error, ValueError):
        return text if is_ours else None
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
            f'{surplus[1]} stands where the configuration needs another part: it takes no '
            f'{surplus[2]}. Name a part that does.'
        )
    # TensorFlow's errors in the input pipeline contain ours. Those of `records/reading.py` are not
    # raised in Python.
    if record := re.search(r'assertion failed: \[ValueError: (.+\.)\]', text):
        return re.sub(r'\\(.)', r'\1', record[1])
    inner = re.search(r'(?:ValueError|FileNotFoundError|BrokenFileError): (.+)', text)
    if type(error).__module__.startswith('tensorflow') and inner:
        return inner[1]
    return None
