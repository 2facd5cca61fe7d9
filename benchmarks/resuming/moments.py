"""What a run is doing, as its folder shows it, and the moments at which it is killed."""

import dataclasses
import random

from wss.training.schedule import Schedule

START, BUILDING, STEPS = 'start-up', 'building', 'steps'
PICTURES, CHECKPOINT, EVALUATION, END = 'pictures', 'checkpoint', 'evaluation', 'end'
# Ten kills; more start from the first again.
_AIMS = (
    *(CHECKPOINT, STEPS, EVALUATION, START, CHECKPOINT),
    *(PICTURES, STEPS, BUILDING, CHECKPOINT, END),
)
_LATEST = 0.95  # Share of the time that something usually takes: later it may be over.


@dataclasses.dataclass(frozen=True)
class View:
    """What can be seen of a run at one moment.

    Attributes:
        is_begun: Whether this process has written `run.json`.
        logged: Step of its latest log, -1 for none.
        saved: Step of the newest whole checkpoint, -1 for none.
        is_writing: Whether a checkpoint is half written.
        scored: Steps whose scores are kept.
    """

    is_begun: bool
    logged: int
    saved: int
    is_writing: bool
    scored: frozenset[int]

    @property
    def step(self) -> int:
        """The latest step that is known to be done."""
        return max(self.logged, self.saved, 0)


def phase(view: View, schedule: Schedule) -> str:
    """Returns what a run is doing."""
    if not view.is_begun:
        return START
    if view.is_writing:
        return CHECKPOINT
    if schedule.steps in view.scored:
        return END
    is_unscored = view.saved >= max(view.logged, 1) and view.saved not in view.scored
    if is_unscored and schedule.is_due('evaluate', view.saved):
        return EVALUATION
    if view.logged > max(view.saved, 0) and schedule.is_due('picture', view.logged):
        return PICTURES
    return STEPS if view.logged >= 0 else BUILDING


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill.

    Attributes:
        aim: What the run is doing then.
        after: The step that must be done before.
        share: How far the run is with it, as a share of the time that it usually takes.
    """

    aim: str
    after: int
    share: float

    def has_come(self, doing: str, view: View) -> bool:
        """Whether the run has begun what the moment aims at."""
        if self.aim == START:  # From the start of the process.
            return True
        return doing == self.aim and (self.aim == BUILDING or view.step >= self.after)


def plan(kills: int, schedule: Schedule, seed: int) -> list[Moment]:
    """Samples moments over the whole life of a run, later ones at later steps.

    Args:
        kills: How many.
        schedule: What the run does at which steps.
        seed: Seed of the moments.
    """
    sample = random.Random(seed)
    aims = [_AIMS[number % len(_AIMS)] for number in range(kills)]
    at_end = [aim for aim in aims if aim == END]
    before = [aim for aim in aims if aim != END]
    sample.shuffle(before)
    latest = max(0, schedule.steps - max(1, schedule.checkpoint_every) - 1)
    after = sorted(sample.randint(0, latest) for _ in before)
    every = {PICTURES: schedule.picture_every, EVALUATION: schedule.evaluate_every}
    # What has an interval is waited for from the one before: the next may not come.
    return [
        Moment(aim, step - step % (every.get(aim) or 1), sample.uniform(0, _LATEST))
        for aim, step in zip(before, after, strict=True)
    ] + [Moment(aim, schedule.steps, sample.uniform(0, _LATEST)) for aim in at_end]


def at_start_up(moment: Moment) -> Moment:
    """Returns a moment for a run that finished before this one came: at its next start-up."""
    return Moment(START, 0, moment.share)
