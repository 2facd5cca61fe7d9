"""The grid of a sweep: settings and their values become runs, each with a folder of its own."""

import ast
import dataclasses
import hashlib
import itertools
import pathlib
import re
from collections.abc import Sequence

FILE_AXIS = 'gin_file'  # The axis whose values are gin files.
_LONGEST_VALUE, _LONGEST_NAME = 40, 150  # Characters.
_NAME = re.compile(r'([A-Za-z_]\w*[./])*[A-Za-z_]\w*', re.ASCII)
_REFERENCE = re.compile(r'[@%][\w./]+(?:\(\))?', re.ASCII)  # @Supervised, @a.B(), %size
_EXAMPLE = "write it like --grid 'PseudoSeg.temperature = [0.5, 0.7]'"


@dataclasses.dataclass
class Run:
    """One run of a sweep.

    Attributes:
        name: Name of its folder, made of what differs between the runs.
        values: From axis to value, as text.
        seed: Its seed.
        files: Its gin files.
        params: Its settings, lines of `name = value`.
        workdir: Its folder.
        state: `waiting`, `running`, `finished`, `failed`, `interrupted` (too often), `stopped` (by
            a signal) or `left out` (of this command, but not of an earlier one).
        reason: Why it has no result.
        result: Content of its `result.json`.
        started: When it was last started, in seconds since 1970.
        progress: What its `progress.json` has since then; empty before its first step.
        interruptions: How often it was interrupted.
    """

    name: str
    values: dict[str, str]
    seed: int
    files: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    workdir: str = ''
    state: str = 'waiting'
    reason: str = ''
    result: dict | None = None
    started: float = 0.0
    progress: dict = dataclasses.field(default_factory=dict)
    interruptions: int = 0


def parse_axis(line: str) -> tuple[str, tuple[str, ...]]:
    """Reads a line `name = [value, value]` into the name and the values as text.

    Raises:
        ValueError: If it cannot be read or has no values.
    """
    what = f'--grid {line!r}'
    name, _, text = (part.strip() for part in line.partition('='))
    if not _NAME.fullmatch(name):
        raise ValueError(f'{what} does not start with the name of a setting; {_EXAMPLE}.')
    try:
        # References are not Python, so names of the same length stand in for them.
        tree = ast.parse(_REFERENCE.sub(lambda found: '_' * len(found[0]), text), mode='eval')
    except SyntaxError as error:
        raise ValueError(f'{what} cannot be read ({error.msg}); {_EXAMPLE}.') from error
    if not isinstance(tree.body, ast.List) or not tree.body.elts:
        raise ValueError(f'{what} has no list of values in square brackets; {_EXAMPLE}.')
    values = tuple(ast.get_source_segment(text, value) for value in tree.body.elts)
    if name == FILE_AXIS and not all(value[0] in '\'"' for value in values):
        raise ValueError(f'{what} must name gin files, in quotes.')
    return name, values


def make_runs(
    files: Sequence[str],
    params: Sequence[str],
    axes: dict[str, tuple[str, ...]],
    seeds: int,
    seed_settings: Sequence[str],
) -> list[Run]:
    """Makes the runs of a sweep, the first seed of every configuration first.

    Args:
        files: Gin files of all runs.
        params: Settings of all runs, lines of `name = value`.
        axes: From setting to its values.
        seeds: How many seeds, from 0.
        seed_settings: Settings that are set to the seed.

    Raises:
        ValueError: If a setting is set twice, two values have the same name, or no gin file is
            named.
    """
    _check_set_once(params, axes, seed_settings)
    if not files and FILE_AXIS not in axes:
        raise ValueError('No gin file is named; give --gin_file, such as one of gin_configs.')
    labels = _labels(axes)
    parts = {axis: _folder_names(axis, values) for axis, values in axes.items()}
    runs = []
    for seed, texts in itertools.product(range(seeds), itertools.product(*axes.values())):
        values = dict(zip(axes, texts, strict=True))
        differs = [f'{labels[axis]}={parts[axis][text]}' for axis, text in values.items()]
        own = [ast.literal_eval(text) for axis, text in values.items() if axis == FILE_AXIS]
        lines = [f'{setting} = {seed}' for setting in seed_settings]
        lines += [f'{axis} = {text}' for axis, text in values.items() if axis != FILE_AXIS]
        name = _shortened(','.join([*differs, f'seed={seed}']), _LONGEST_NAME)
        runs.append(Run(name, values, seed, (*files, *own), (*params, *lines)))
    return runs


def _check_set_once(params, axes, seed_settings):
    """Refuses a setting that has two sources, since one of them would be ignored."""
    for name in seed_settings:
        if not _NAME.fullmatch(name):
            raise ValueError(f'--seed_settings names {name!r}, which is not a setting.')
    sources = [(name, '--seed_settings') for name in seed_settings]
    sources += [(axis, '--grid') for axis in axes]
    sources += [(line.partition('=')[0].strip(), '--gin_param') for line in params]
    for (name, source), (other, other_source) in itertools.combinations(sources, 2):
        # Names may be shortened: Experiment.seed is experiment.Experiment.seed.
        shorter, longer = sorted((name, other), key=len)
        is_same = name == other or ('.' in shorter and longer.endswith(f'.{shorter}'))
        if is_same and (source, other_source) != ('--gin_param', '--gin_param'):
            raise ValueError(f'{name} is set by {source} and by {other_source}; remove one.')


def _labels(axes):
    """Returns the last part of the name of each axis, or all of it where that is not unique."""
    last = {axis: re.split('[./]', axis)[-1] for axis in axes}
    taken = ['seed', *last.values()]
    return {
        axis: axis.replace('/', '.') if taken.count(part) > 1 else part
        for axis, part in last.items()
    }


def _folder_names(axis, values):
    """Returns what the values of an axis are called in names of folders."""
    names = {}
    for text in values:
        plain = ast.literal_eval(text) if text[0] in '\'"' else text
        plain = pathlib.PurePosixPath(plain).stem if axis == FILE_AXIS else plain
        name = re.sub(r'[^A-Za-z0-9.+-]+', '_', plain).strip('_')
        name = _shortened(name, _LONGEST_VALUE) if name.strip('.') else _digest(text)
        for other, other_name in names.items():
            if name.casefold() == other_name.casefold():  # Some disks do not tell them apart.
                raise ValueError(
                    f'The values {other} and {text} of {axis} would have the same folder name, '
                    f'{name}; remove or rename one.'
                )
        names[text] = name
    return names


def _shortened(name, longest):
    return name if len(name) <= longest else f'{name[: longest - 9]}-{_digest(name)}'


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]
