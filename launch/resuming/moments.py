"""What a run is doing, as its folder and its log tell, and the moments at which it is killed."""

import dataclasses
import random

START, BUILDING, STEPS = 'start-up', 'building', 'steps'
PICTURES, CHECKPOINT, EVALUATION, END = 'pictures', 'checkpoint', 'evaluation', 'end'
# Ten kills; more begin anew.
_AIMS = (
    *(CHECKPOINT, STEPS, EVALUATION, START, CHECKPOINT),
    *(PICTURES, STEPS, BUILDING, CHECKPOINT, END),
)
_LATEST = 0.95  # Of how long something usually takes: later it may be over.


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What a run does how often, as `experiment.run` has it."""

    steps: int
    evaluate_every: int
    checkpoint_every: int
    picture_every: int


@dataclasses.dataclass(frozen=True)
class View:
    """What can be seen of a run at one moment.

    Attributes:
        is_begun: Whether this process has written `run.json`.
        told: Step of its latest log line, -1 for none.
        saved: Step of the newest whole checkpoint, -1 for none.
        is_writing: Whether a checkpoint is half written.
        scored: Steps whose scores are kept.
    """

    is_begun: bool
    told: int
    saved: int
    is_writing: bool
    scored: frozenset[int]

    @property
    def step(self) -> int:
        """The latest step that is known to be done."""
        return max(self.told, self.saved, 0)


def phase(view: View, schedule: Schedule) -> str:
    """Says what a run is doing."""
    if not view.is_begun:
        return START
    if view.is_writing:
        return CHECKPOINT
    if schedule.steps in view.scored:
        return END
    if _is_due(view.saved, schedule.evaluate_every, schedule.steps) and (
        view.saved >= view.told and view.saved not in view.scored
    ):
        return EVALUATION
    if view.told > view.saved and _is_due(view.told, schedule.picture_every, schedule.steps):
        return PICTURES
    return STEPS if view.told >= 0 else BUILDING


def _is_due(step, every, steps):
    return step > 0 and (step == steps or (every > 0 and step % every == 0))


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill.

    Attributes:
        aim: What the run is doing then.
        after: The step that must be done before.
        share: How far it is with it, of how long that usually takes.
    """

    aim: str
    after: int
    share: float

    def has_come(self, doing: str, view: View) -> bool:
        """Whether what it waits for has begun."""
        if self.aim == START:  # From the start of the process.
            return True
        return doing == self.aim and (self.aim == BUILDING or view.step >= self.after)


def plan(kills: int, schedule: Schedule, seed: int) -> list[Moment]:
    """Draws moments over the whole life of a run, later ones at later steps.

    Args:
        kills: How many.
        schedule: What the run does how often.
        seed: Seed of the draw.
    """
    draw = random.Random(seed)
    aims = [_AIMS[number % len(_AIMS)] for number in range(kills)]
    at_end = [aim for aim in aims if aim == END]
    before = [aim for aim in aims if aim != END]
    draw.shuffle(before)
    latest = max(0, schedule.steps - max(1, schedule.checkpoint_every) - 1)
    after = sorted(draw.randint(0, latest) for _ in before)
    every = {PICTURES: schedule.picture_every, EVALUATION: schedule.evaluate_every}
    # What happens now and then is waited for from the time before, or it may have been the last.
    return [
        Moment(aim, step - step % (every.get(aim) or 1), draw.uniform(0, _LATEST))
        for aim, step in zip(before, after, strict=True)
    ] + [Moment(aim, schedule.steps, draw.uniform(0, _LATEST)) for aim in at_end]


def again(moment: Moment) -> Moment:
    """Returns a moment for a run that was finished before this one came: at its start-up."""
    return Moment(START, 0, moment.share)
