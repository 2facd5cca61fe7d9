"""The configuration of a run: its settings, and whether a folder holds the same run."""

import dataclasses
import os
import re

import tensorflow as tf

from wss.datasets.files import whole
from wss.runs import folder as run_folder


@dataclasses.dataclass(frozen=True)
class Configuration:
    """The settings of a run.

    Attributes:
        text: Lines of `name = value`, for `config.gin`; may be empty.
        may_change: Names of the settings that a resumed run may change.
        of_host: Names of the settings that may differ between workers.
    """

    text: str = ''
    may_change: frozenset[str] = frozenset()
    of_host: frozenset[str] = frozenset()

    def shared(self) -> dict[str, str]:
        """Returns the settings that all workers must have alike, by name."""
        return {n: value for n, value in settings(self.text).items() if n not in self.of_host}


def settings(text: str) -> dict[str, str]:
    """Returns `{name: value}` of the text of a configuration, values over several lines joined."""
    joined = re.sub(r'\\\n\s*|\n[ \t]+', ' ', text)
    lines = [line for line in joined.splitlines() if ' = ' in line and not line.startswith('#')]
    return {name.strip(): value.strip() for name, value in (line.split(' = ', 1) for line in lines)}


def check(workdir: str | os.PathLike, configuration: Configuration) -> None:
    """Refuses a folder whose checkpoints come from another configuration. Changes nothing.

    Args:
        workdir: Folder of the run; need not exist.
        configuration: The present one.

    Raises:
        ValueError: If the folder holds a run of another configuration, or is a file.
    """
    if not str(workdir):
        raise ValueError('The workdir is empty; name a folder.')
    if tf.io.gfile.exists(workdir) and not tf.io.gfile.isdir(workdir):
        raise ValueError(f'The workdir {workdir} is a file; name a folder.')
    path = os.path.join(workdir, run_folder.CONFIG_FILE)
    if not tf.io.gfile.exists(path) or not run_folder.holds_checkpoints(workdir):
        return
    try:
        there = settings(whole.read(path).decode())
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is damaged: it is not UTF-8 text; restore it, or give another --workdir.'
        ) from error
    here = settings(configuration.text)
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    names = [name for name in names if name not in configuration.may_change]
    if names:
        raise ValueError(
            f'{workdir} holds a run of another configuration: {_differences(names, there, here)}. '
            'Give another --workdir, or the settings of that run to resume it.'
            f'{_how_to_extend(names, there, here)}'
        )


def is_steps(name: str) -> bool:
    """Whether a setting, by its full name, is `Schedule.steps`."""
    return name.split('.')[-2:] == ['Schedule', 'steps']


def _how_to_extend(names, there, here):
    """Returns what a user who wants more steps must set; '' if that is not all that differs."""
    steps = list(filter(is_steps, names))
    if steps != names:  # More steps alone would not resume this run.
        return ''
    values = [str(settings.get(name)) for name in steps for settings in (there, here)]
    if not values or not all(map(str.isdecimal, values)) or int(values[0]) >= int(values[1]):
        return ''
    return (
        " To train that run for more steps, set Schedule.extend = 'restart' too: the learning rate "
        'then starts again from the step that it has reached.'
    )


def _differences(names, there, here):
    """Lists up to five settings that differ, as readers of an error want them."""
    unset = 'not set'
    shown = [f'{n} is {there.get(n, unset)} there and {here.get(n, unset)} here' for n in names[:5]]
    more = [f'and {len(names) - 5} more'] if len(names) > 5 else []
    return '; '.join([*shown, *more])
