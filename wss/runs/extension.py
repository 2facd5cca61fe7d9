"""More steps for a run: which steps it has, and from where its learning rate started again."""

import dataclasses
import os

from wss.datasets.files import whole
from wss.networks.weights.readable import whole_steps
from wss.runs import folder as run_folder
from wss.runs import record
from wss.runs.configuration import Configuration, is_steps, settings


@dataclasses.dataclass(frozen=True)
class Extent:
    """The steps of a run.

    Attributes:
        steps: Steps of the whole run.
        restarts: Steps from which the schedule of the learning rate started again, with the steps
            of the whole run that were planned then.
        is_new: Whether this process adds steps.
    """

    steps: int
    restarts: tuple[tuple[int, int], ...] = ()
    is_new: bool = False

    @property
    def first_step(self) -> int:
        """Step from which the present schedule of the learning rate counts."""
        return self.restarts[-1][0] if self.restarts else 0

    def report(self, workdir) -> None:
        """Prints that this process adds steps, if it does."""
        if self.is_new:
            print(
                f'{workdir} is extended to {self.steps} steps; the learning rate starts again from '
                f'step {self.first_step}.',
                flush=True,
            )

    def noted(self) -> dict:
        """Returns what `run.json` keeps."""
        restarts = [{'step': step, 'steps': steps} for step, steps in self.restarts]
        return {'steps': self.steps, 'restarts': restarts}


def plan(workdir: str | os.PathLike, steps: int, extend: str | None) -> Extent:
    """Returns the steps of a run, which are more than before if its schedule allows that.

    Args:
        workdir: Folder of the run; need not exist.
        steps: Steps that are wanted now.
        extend: `Schedule.extend`.

    Raises:
        ValueError: If the record of a run that may be extended is damaged.
    """
    last = os.path.join(workdir, run_folder.CHECKPOINTS, 'last')
    reached = max(whole_steps(last), default=None)
    if reached is None:
        return Extent(steps)
    path = os.path.join(workdir, record.FILE)
    before = _recorded(whole.read_json(path))
    if before is None and extend is None:
        return Extent(steps)
    if before is None:
        raise ValueError(
            f'{path} is missing or damaged, so the steps of the run are unknown, which '
            'Schedule.extend needs; restore it, or start another run from this one '
            '(run_weights.load_run).'
        )
    if extend is None or steps <= before.steps:
        return dataclasses.replace(before, steps=steps)
    return Extent(steps, (*before.restarts, (reached, steps)), is_new=True)


def allowed(configuration: Configuration, extent: Extent) -> Configuration:
    """Returns a configuration that may change the steps, if they are extended."""
    if not extent.is_new:
        return configuration
    names = {name for name in settings(configuration.text) if is_steps(name)}
    return dataclasses.replace(configuration, may_change=configuration.may_change | names)


def _recorded(content):
    """Returns the steps that a `run.json` tells of; None if it tells none."""
    if not isinstance(content, dict):
        return None
    if 'steps' in content:
        try:
            restarts = tuple((one['step'], one['steps']) for one in content['restarts'])
            numbers = [content['steps'], *(number for pair in restarts for number in pair)]
        except (KeyError, TypeError):
            return None
        fits = all(type(number) is int and number >= 0 for number in numbers)
        return Extent(content['steps'], restarts) if fits else None
    # Version 0.2 noted the steps of a run in its result, or as a setting.
    result, given = content.get('result'), content.get('configuration')
    steps = result.get('steps') if isinstance(result, dict) else None
    for name, value in given.items() if isinstance(given, dict) and steps is None else ():
        digits = str(value)
        if is_steps(name) and digits.isdecimal() and len(digits) < 19:
            steps = int(digits)
    return Extent(steps) if type(steps) is int and steps >= 0 else None
