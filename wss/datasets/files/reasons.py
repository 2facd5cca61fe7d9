"""The text of other libraries' errors as one plain line, to be part of a sentence."""

import re

_MOST = 300  # Characters of a reason.
# What follows one of these is a trace, not the reason.
_TRACES = re.compile(
    r'\s*(?:\[\[|\bOriginal stack trace|\bErrors may have originated|\bDetected at node|'
    r'\bTraceback \(most recent call last\)|\bStack trace for op|\bDefined at:).*',
    re.S,
)
_MARKS = (
    r'\{\{.*?\}\} ?',  # Nodes of a graph.
    r'\[Op:[^\]]*\](?: name: ?\S*)?',
    r'Error in user-defined .*? iterator: \S+ ?',
    r' ?<[\w.]+ object at 0x[0-9a-fA-F]+>',
)
_BYTES = re.compile(r"""(?<![\w'"])b(?=('[^'\n]*'|"[^"\n]*"))""")


def reason(error: BaseException | str) -> str:
    """Returns why something failed, from the error of another library.

    Args:
        error: An error, such as one of Pillow or of TensorFlow, or its text.

    Returns:
        One line of at most 300 characters, without a full stop at its end.

    Example:
        >>> from wss.datasets.files.reasons import reason
        >>> reason(OSError("broken PNG file (chunk b'IDAT')"))
        "broken PNG file (chunk 'IDAT')"
    """
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        file = '' if error.filename is None else f': {_text(error.filename)}'
        text = f'{error.strerror}{file}'
    text = plain(text).rstrip('. ')
    if len(text) > _MOST:
        text = text[:_MOST].rstrip() + ' ...'
    return text or type(error).__name__


def plain(text: str) -> str:
    """Returns a text as one line, without the traces and marks that TensorFlow puts into it.

    Example:
        >>> from wss.datasets.files.reasons import plain
        >>> plain("{{node Read}} b'a.png' is empty\\n\\t [[Read]] [Op:IteratorGetNext] name: ")
        "'a.png' is empty"
    """
    text = _TRACES.sub('', text.strip()) or text.strip()
    for mark in _MARKS:
        text = re.sub(mark, '', text)
    return re.sub(r'\s*\n\s*', ' ', _BYTES.sub('', text)).replace('\t', ' ').strip()


def _text(name):
    return name.decode(errors='replace') if isinstance(name, bytes) else name
