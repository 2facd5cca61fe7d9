"""Which value a setting has when several gin files give it one.

The order of files and of includes never decides. The settings of a file override those of the files
that it includes, directly or through others. Two files of which neither includes the other must
agree, unless a file that includes both gives the setting itself.

Files of one kind (a network, a method, a dataset) are alternatives: the one that is named nearer to
the command line replaces the others whole, where both cannot hold.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from wss.configuration import alternatives

Setting = tuple[str, str, str]  # Scope, selector and name.


@dataclasses.dataclass
class Sources:
    """What gin files set and include.

    Attributes:
        settings: The settings that stand in a file itself, by file.
        includes: The files that a file includes itself, by file.
        kinds: The kind of a file, by file; files without one replace nothing.
        roots: The files that no file includes.
        decided: The file that gives each setting its value, after `settle`.
        replaced: The files of which nothing counts, after `settle`.
    """

    settings: dict[str, dict[Setting, Any]] = dataclasses.field(default_factory=dict)
    includes: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    kinds: dict[str, str] = dataclasses.field(default_factory=dict)
    roots: list[str] = dataclasses.field(default_factory=list)
    decided: dict[Setting, str] = dataclasses.field(default_factory=dict)
    replaced: set[str] = dataclasses.field(default_factory=set)
    _open: list[str] = dataclasses.field(default_factory=list)

    def clear(self) -> None:
        """Forgets all files."""
        self.settings.clear()
        self.includes.clear()
        self.kinds.clear()
        self.roots.clear()
        self.decided.clear()
        self.replaced.clear()
        self._open.clear()

    @contextlib.contextmanager
    def reading(self, file: str, take: Callable[[], dict[Setting, Any]]):
        """Notes which settings are read inside a `with`: those of one file, includes apart.

        Args:
            file: Name of the file.
            take: Returns the settings that were read since its last call.

        Yields:
            Whether the file is new; its settings are known if it is not.

        Raises:
            RecursionError: If the file includes itself.
        """
        if file in self._open:
            raise RecursionError(file)
        if self._open:
            self.settings[self._open[-1]].update(take())
            self.includes[self._open[-1]].add(file)
        else:
            self.roots.append(file)
        is_new = file not in self.settings
        self.settings.setdefault(file, {})
        self.includes.setdefault(file, set())
        self._open.append(file)
        yield is_new
        self.settings[self._open.pop()].update(take())

    def settle(self, given: dict[Setting, Any], describe: Callable) -> dict[Setting, Any]:
        """Returns the value of every setting in files.

        Args:
            given: Settings that take precedence, about which the files need not agree.
            describe: Makes the text of a setting, for errors.

        Raises:
            ValueError: If files contradict each other.
        """
        below = {file: self._below(file) for file in self.settings}
        gone, said = alternatives.replaced(self, below)
        self.replaced |= gone
        self.replaced |= alternatives.of_another_backbone(self, below, given)
        values = {}
        for file, settings in self.settings.items():
            for setting, value in settings.items():
                if file not in self.replaced and (file, setting) not in said:
                    values.setdefault(setting, {})[file] = value
        return {
            setting: self._decided(setting, by_file, below, setting in given, describe)
            for setting, by_file in values.items()
        }

    def _below(self, file):
        """Returns the files that a file includes, directly or through others."""
        found, waiting = set(), [file]
        while waiting:
            new = self.includes[waiting.pop()] - found
            found |= new
            waiting.extend(new)
        return found

    def _decided(self, setting, by_file, below, is_given, describe):
        """Returns the value that no file overrides."""
        overridden = set().union(*(below[file] for file in by_file))
        first, *others = sorted(file for file in by_file if file not in overridden)
        value = by_file[first]
        self.decided[setting] = first
        for other in others:
            if is_given or alternatives.same(by_file[other], value):
                continue
            raise ValueError(
                f'{first} sets {describe(setting)} = {value!r} and {other} sets it to '
                f'{by_file[other]!r}. The order of the files does not decide: leave one of them '
                'out, give the setting with --gin_param, or set it in a file that includes both.'
            )
        return value
