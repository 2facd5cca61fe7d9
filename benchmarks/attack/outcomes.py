"""What counts as survived."""

from collections.abc import Callable

from wss.configuration import sentences

_MOST_LETTERS = 2000
_TRACES = ('Traceback (most', '{{node', 'Error in user-defined', '\n  File "')


class NotSurvived(Exception):
    """The program did something else than it should."""


def result_or_sentence(call: Callable):
    """Calls a function of the program.

    Returns:
        Its result and None, or None and the sentence with which it refuses the input.

    Raises:
        NotSurvived: If the sentence holds a trace, or is very long.
        Exception: If it fails with something else than a sentence.
    """
    try:
        return call(), None
    except Exception as error:
        sentence = sentences.user_sentence(error)
        if sentence is None:
            raise
        require_sentence(sentence)
        return None, sentence


def require_sentence(text: str) -> None:
    """Raises `NotSurvived` if a text that a user reads is very long, or holds a trace."""
    fits = len(text) <= _MOST_LETTERS and not any(trace in text for trace in _TRACES)
    require(fits, f'This is not a sentence for a user: {text}')


def require(condition: bool, sentence: str) -> None:
    """Raises `NotSurvived` with a sentence unless a condition holds."""
    if not condition:
        raise NotSurvived(sentence)
