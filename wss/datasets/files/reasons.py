"""Text of others (errors of libraries, names of files and ids) as a part of a sentence."""

import re

_MOST = 300  # Characters of a reason.
_LONG = 300  # Characters; a path has rarely more.
_NAMED = 5  # Names that are listed.
# What follows one of these is a trace, not the reason.
_TRACES = re.compile(
    r'\s*(?:\n\s*\[\[|\[\[\{\{|\bOriginal stack trace|\bErrors may have originated|'
    r'\bDetected at node|\bTraceback \(most recent call last\)|\bStack trace for op|'
    r'\bDefined at:).*',
    re.S,
)
# Nodes of a graph, operations and transformations.
_MARKS = re.compile(
    r'\{\{\w*node .*?\}\} ?|\[Op:[^\]]*\](?: name: ?\S*)?|Error in user-defined .*? iterator: \S+ ?'
)
_OBJECT = re.compile(r' ?<[\w.]+ object at 0x[0-9a-fA-F]+>')
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
    """Returns the text of another library's error as one line; `one_line` does less.

    Example:
        >>> from wss.datasets.files.reasons import plain
        >>> plain("{{node Read}} b'a.png' is empty\\n\\t [[Read]] [Op:IteratorGetNext] name: ")
        "'a.png' is empty"
    """
    return one_line(_BYTES.sub('', _OBJECT.sub('', text)))


def one_line(text: str) -> str:
    """Returns a text as one line, without the traces and marks that TensorFlow puts into it."""
    text = _MARKS.sub('', _TRACES.sub('', text.strip()) or text.strip())
    return re.sub(r'\s*\n\s*', ' ', text).replace('\t', ' ').strip()


def short(name: str) -> str:
    """Returns a name, cut off after 300 characters: a line of a wrong list can have thousands."""
    return name if len(name) <= _LONG else f'{name[:_LONG]} ...'


def list_some(names) -> str:
    """Returns the first few names as text, with dots if there are more.

    Example:
        >>> from wss.datasets.files.reasons import list_some
        >>> list_some(f'image{i}' for i in range(7))
        'image0, image1, image2, image3, image4, ...'
    """
    names = list(names)
    return ', '.join(map(short, names[:_NAMED])) + (', ...' if len(names) > _NAMED else '')


def _text(name):
    return name.decode(errors='replace') if isinstance(name, bytes) else name
