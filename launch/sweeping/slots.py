"""Slots: where a run of a sweep can be, and the command that starts it there."""

import contextlib
import dataclasses
import importlib.util
import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from sweeping import folder, grid, progress, settings

_COMMAND, _FLAGS = '{command}', '{flags}'


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for one run at a time.

    Attributes:
        name: What the slot was given as, with a number where there are several of it.
        kind: What it was given as.
        program: The words that start training there.
        flags: Further flags of the training command.
        environment: Variables that are set for it.
        template: The words of the command around it, one of which holds `{command}` or `{flags}`.
        cores: The cores that its run is kept to; None for all.
    """

    name: str
    kind: str
    program: tuple[str, ...]
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    template: tuple[str, ...] = ()
    cores: tuple[int, ...] | None = None


def make_slots(kinds: Sequence[str], jobs: int, program: str | None) -> list[Slot]:
    """Makes the slots of a sweep.

    Args:
        kinds: `local`, `gpu=0` (or `gpu=0,1`), `tpu=NAME`, or a command with `{command}` or
            `{flags}` in it.
        jobs: How many local slots there are besides.
        program: What starts training; by default `python -m wss.train`, on this machine with the
            Python of the sweep.

    Raises:
        ValueError: If one is none of these, or its program is not there.
    """
    kinds = [*kinds, *['local'] * jobs]
    words = _words(program, '--train_command') if program else None
    slots = []
    for index, kind in enumerate(kinds):
        number = f' {kinds[: index + 1].count(kind)}' if kinds.count(kind) > 1 else ''
        name = (kind if len(kind) <= 30 else f'{kind[:27]}...') + number
        slots.append(_make_slot(kind, name, words))
    here = [slot for slot in slots if slot.kind == 'local' or slot.kind.startswith('gpu=')]
    shares = iter(_shares(len(here)))
    return [dataclasses.replace(s, cores=next(shares)) if s in here else s for s in slots]


def _make_slot(kind, name, words):
    here = words or (sys.executable, '-m', 'wss.train')
    is_template = _COMMAND in kind or _FLAGS in kind
    if not is_template:
        _check_program(here[0], '--train_command')
    key, _, value = kind.partition('=')
    if kind == 'local':
        return Slot(name, kind, here, environment=_path_of_package())
    if re.fullmatch(r'gpu=\d+(,\d+)*', kind):
        return Slot(
            name, kind, here, environment={**_path_of_package(), 'CUDA_VISIBLE_DEVICES': value}
        )
    if key == 'tpu' and value and not value.isspace():
        return Slot(name, kind, here, ('--tpu', value), _path_of_package())
    if is_template:
        template = _words(kind, '--slot')
        _check_program(template[0], f'--slot {kind!r}')
        return Slot(name, kind, words or ('python', '-m', 'wss.train'), template=template)
    raise ValueError(
        f'--slot {kind!r} is none; it can be local, gpu=NUMBER, tpu=NAME, or a command with '
        '{command} in it, such as "ssh host \'cd wss && {command}\'".'
    )


def _words(text, flag):
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f'{flag} {text!r} has a quotation mark that is not closed.') from error
    if not words:
        raise ValueError(f'{flag} is empty; leave it out, or give a command.')
    return words


def _check_program(program, source):
    if shutil.which(program) is None:
        raise ValueError(f'{source} starts {program}, which is not there or not on the PATH.')


def _path_of_package():
    """Returns what must be set for `wss` to be that of this checkout."""
    found = importlib.util.find_spec('wss')
    if found and found.origin and pathlib.Path(found.origin).parents[1] == settings.ROOT:
        return {}
    paths = [str(settings.ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {'PYTHONPATH': os.pathsep.join(paths)}


def _shares(count):
    """Splits the cores that this process may use into `count` equal parts, if there are enough."""
    if not hasattr(os, 'sched_getaffinity'):  # macOS
        return [None] * count
    cores = sorted(os.sched_getaffinity(0))
    if count < 2 or len(cores) < count:
        return [None] * count
    ends = [len(cores) * index // count for index in range(count + 1)]
    return [tuple(cores[a:b]) for a, b in itertools.pairwise(ends)]


def command(slot: Slot, run: grid.Planned, workdir: str) -> list[str]:
    """Returns the words of the command that trains a run in a slot."""
    flags = ['--workdir', workdir]
    flags += [word for path in run.files for word in ('--gin_file', path)]
    flags += [word for line in run.params for word in ('--gin_param', line)]
    flags += slot.flags
    words = [*slot.program, *flags]
    if not slot.template:
        return words
    # One word, whatever the template puts around it: quotes in it and around it cannot mix.
    parts = {_COMMAND: shlex.join(words), _FLAGS: shlex.join(flags)}
    filled = []
    for word in slot.template:
        if word == _FLAGS:
            filled += flags
            continue
        for name, part in parts.items():
            word = word.replace(name, part)
        filled.append(word)
    return filled


def command_text(slot: Slot, run: grid.Planned, workdir: str) -> str:
    """Returns the same as a line for a shell."""
    environment = [f'{name}={shlex.quote(value)}' for name, value in slot.environment.items()]
    return ' '.join([*environment, shlex.join(command(slot, run, workdir))])


def start(slot: Slot, run: grid.Planned, workdir: str, log: str, lock: int) -> subprocess.Popen:
    """Starts a run in a slot; what it says is added to the file `log`.

    The process leads a group of its own, so that Ctrl-C reaches it through the sweep alone, once.
    """
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, 'a', encoding='utf-8') as file:
        now = time.strftime('%Y-%m-%d %H:%M:%S')
        file.write(f'{progress.HEADER}{now}, {slot.name}: {command_text(slot, run, workdir)}\n')
        file.flush()
        with _kept_to(slot.cores):
            process = subprocess.Popen(
                command(slot, run, workdir),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **slot.environment},
                start_new_session=True,
                pass_fds=[lock],
            )
    folder.note_process(lock, run.name, process.pid)
    return process


@contextlib.contextmanager
def _kept_to(cores):
    """Keeps this process to some cores for as long as it takes to start another, which inherits."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
