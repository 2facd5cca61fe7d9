"""The grid of a sweep: from its lines to runs, each with its settings and a name."""

import ast
import dataclasses
import hashlib
import itertools
import pathlib
import re
from collections.abc import Sequence

from sweeping import settings

GIN_FILE = 'gin_file'  # The axis whose values are files.
MOST_RUNS = 10_000
_LONGEST_VALUE, _LONGEST_NAME = 40, 150  # Characters.


@dataclasses.dataclass(frozen=True)
class Axis:
    """A setting and the values it takes.

    Attributes:
        name: Name of the setting, or `gin_file`.
        values: The values as gin writes them.
    """

    name: str
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of a sweep.

    Attributes:
        name: Name of its folder, which says what differs.
        files: Its gin files.
        params: Its settings, lines of `name = value`.
        values: From axis to value, as gin writes it.
        seed: Its seed.
    """

    name: str
    files: tuple[str, ...]
    params: tuple[str, ...]
    values: dict[str, str]
    seed: int


def parse_axis(line: str) -> Axis:
    """Reads a line `name = [value, value]`.

    Raises:
        ValueError: If it cannot be read, has no values, or one of them twice.
    """
    what = f'--grid {line!r}'
    example = "write it like --grid 'PseudoSeg.temperature = [0.5, 0.7]'"
    if '=' not in line:
        raise ValueError(f'{what} has no values; {example}.')
    found = settings.bindings(line.strip(), what)
    if len(found) != 1:
        raise ValueError(f'{what} must be one setting, and sets {len(found)}; {example}.')
    name, values = found[0]
    if not isinstance(values, list):
        raise ValueError(f'{what} has no list of values in square brackets; {example}.')
    if not values:
        raise ValueError(f'{what} has an empty list of values; {example}.')
    if name == GIN_FILE and not all(type(value) is str for value in values):
        raise ValueError(f'{what} names gin files, which are texts in quotes.')
    texts = tuple(map(repr, values))
    for text in texts:
        settings.bindings(f'{name} = {text}', what)  # Infinity cannot be written.
        if texts.count(text) > 1:
            raise ValueError(f'{what} has the value {text} twice; leave one out.')
    return Axis(name, texts)


def make_runs(
    files: Sequence[str],
    params: Sequence[str],
    axes: Sequence[Axis],
    seeds: int,
    seed_settings: Sequence[str],
) -> list[Planned]:
    """Makes the runs of a sweep, the first seed of every configuration first.

    Args:
        files: Gin files of all runs.
        params: Settings of all runs, lines of `name = value`.
        axes: What differs.
        seeds: How many seeds, from 0.
        seed_settings: Settings that the seed is given to.

    Raises:
        ValueError: If a setting is set twice, two values have the same name, there are too many
            runs, or no gin file.
    """
    _check_names(params, axes, seed_settings)
    count = seeds
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_RUNS:
        raise ValueError(f'The grid has {count} runs; it can have {MOST_RUNS}: name fewer values.')
    if not files and not any(axis.name == GIN_FILE for axis in axes):
        raise ValueError(
            'No gin file is named; give a --gin_file, such as one of gin_configs/experiments.'
        )
    labels = _labels(axes)
    parts = {axis.name: _value_names(axis) for axis in axes}
    runs = []
    for seed in range(seeds):
        for texts in itertools.product(*(axis.values for axis in axes)):
            values = dict(zip((axis.name for axis in axes), texts, strict=True))
            differs = [f'{labels[name]}={parts[name][text]}' for name, text in values.items()]
            own = [ast.literal_eval(text) for name, text in values.items() if name == GIN_FILE]
            lines = [f'{name} = {seed}' for name in seed_settings]
            lines += [f'{name} = {text}' for name, text in values.items() if name != GIN_FILE]
            name = _shortened(','.join([*differs, f'seed={seed}']), _LONGEST_NAME)
            runs.append(Planned(name, (*files, *own), (*params, *lines), values, seed))
    return runs


def _check_names(params, axes, seed_settings):
    """Refuses a setting that would be set from two sides."""
    for name in seed_settings:
        if not settings.is_name(name):
            raise ValueError(
                f'--seed_settings names {name!r}, which is no setting; write it like '
                '--seed_settings run.seed,run.labelled_seed.'
            )
    by_hand = [
        name for line in params for name, _ in settings.bindings(line, f'--gin_param {line!r}')
    ]
    sources = [(name, '--seed_settings') for name in seed_settings]
    sources += [(axis.name, '--grid') for axis in axes]
    for index, (name, source) in enumerate(sources):
        others = [*sources[:index], *((other, '--gin_param') for other in by_hand)]
        for other, other_source in others:
            if settings.same(name, other):
                both = 'twice' if source == other_source else f'and by {other_source}'
                raise ValueError(f'{name} is set by {source} {both}; it can be set by one alone.')


def _labels(axes):
    """Returns short names of the axes: the last part, or more where that is not unique."""
    names = [axis.name.replace('/', '.') for axis in axes]
    labels = {}
    for axis, name in zip(axes, names, strict=True):
        parts = name.split('.')
        for length in range(1, len(parts) + 1):
            label = '.'.join(parts[-length:])
            alike = [other for other in names if f'.{other}'.endswith(f'.{label}')]
            if len(alike) == 1 and label != 'seed':
                break
        labels[axis.name] = label
    return labels


def _value_names(axis):
    """Returns what the values of an axis are called in the names of folders."""
    names = {}
    for text in axis.values:
        plain = text
        if text[0] in '\'"':
            plain = ast.literal_eval(text)
            plain = pathlib.PurePosixPath(plain).stem if axis.name == GIN_FILE else plain
        name = re.sub(r'[^A-Za-z0-9.+-]+', '_', plain).strip('_')
        name = _shortened(name, _LONGEST_VALUE) if name.strip('.') else _digest(text)
        for other, other_name in names.items():
            if name.casefold() == other_name.casefold():  # Some disks take them for the same.
                raise ValueError(
                    f'The values {other} and {text} of {axis.name} would both be called {name} '
                    'in the names of folders; leave one out, or give it another name.'
                )
        names[text] = name
    return names


def _shortened(name, longest):
    if len(name) <= longest:
        return name
    return f'{name[: longest - 9]}-{_digest(name)}'


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]
