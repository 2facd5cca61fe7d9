"""Collects what is missing, so that one error names all of it."""

import contextlib


class Missing:
    """Sentences about missing files.

    Example:
        >>> from wss.settings.missing import Missing
        >>> missing = Missing()
        >>> for name in ('a', 'b'):
        ...     with missing.noted():
        ...         raise FileNotFoundError(f'There is no {name}.')
        >>> missing.refuse()
        Traceback (most recent call last):
        FileNotFoundError: There is no a. There is no b.
    """

    def __init__(self):
        self.sentences = []

    def __bool__(self):
        return bool(self.sentences)

    @contextlib.contextmanager
    def noted(self):
        """Notes a file that is missing inside a `with`, or cannot be fetched, and goes on."""
        try:
            yield
        except OSError as error:
            if str(error) not in self.sentences:
                self.sentences.append(str(error))

    def refuse(self) -> None:
        """Raises FileNotFoundError about all that was noted, if anything was."""
        if self.sentences:
            raise FileNotFoundError(' '.join(self.sentences))
