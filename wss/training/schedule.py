"""How many steps a run takes, and what happens after which of them."""

import dataclasses

from wss.datasets.info import MAY_CHANGE
from wss.settings import ranges
from wss.training import optimisers

_MOST = ranges.MOST_STEPS


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The steps of a run, and the intervals of evaluations, checkpoints, logs and pictures.

    Attributes:
        steps: Steps of the whole run; 0 saves and evaluates the initial weights as they are.
        reference_batch_size: Labelled images a step for which `steps` and the learning rates are
            meant. With another `Labelled.batch_size`, the run takes as many steps as see the same
            number of images, and its rates are in proportion to the batch. The intervals below do
            not change. None leaves steps and rates as they are.
        evaluate_every: Steps between evaluations; 0 for the end alone.
        checkpoint_every: Steps between checkpoints to resume from; 0 for the end alone.
        log_every: Steps between log lines and TensorBoard scalars.
        picture_every: Steps between pictures of training images; 0 for no pictures, of validation
            images neither, which otherwise come with every evaluation.
        extend: How a run trains on whose `steps` are raised, before or after its end. `restart`:
            the learning rate starts again, without slow steps, and falls to its end over the steps
            that are left. None refuses other `steps`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from wss.training.schedule import Schedule
        >>> schedule = Schedule(steps=1000, evaluate_every=250)
        >>> schedule.is_due('evaluate', 500), schedule.is_due('evaluate', 600)
        (True, False)
        >>> Schedule(steps=30000, reference_batch_size=64).for_batch(8)[0].steps
        240000
    """

    steps: int
    reference_batch_size: int | None = None
    evaluate_every: int = dataclasses.field(default=500, metadata=MAY_CHANGE)
    checkpoint_every: int = dataclasses.field(default=500, metadata=MAY_CHANGE)
    log_every: int = dataclasses.field(default=50, metadata=MAY_CHANGE)
    picture_every: int = dataclasses.field(default=500, metadata=MAY_CHANGE)
    extend: str | None = dataclasses.field(default=None, metadata=MAY_CHANGE)

    def __post_init__(self):
        least = {'log_every': 1, 'reference_batch_size': 1}
        most = {'reference_batch_size': ranges.MOST_IN_BATCH}
        ranges.choice('Schedule.extend', self.extend, (None, 'restart'))
        for field in dataclasses.fields(self):
            if field.name == 'extend':
                continue
            value, lowest = getattr(self, field.name), least.get(field.name, 0)
            if value is None and field.name == 'reference_batch_size':
                continue
            ranges.whole(f'Schedule.{field.name}', value, lowest, most.get(field.name, _MOST))

    def for_batch(self, batch_size: int) -> tuple['Schedule', float | None]:
        """Returns the schedule for a batch of labelled images, and the factor of its rates.

        Without a `reference_batch_size` that is this schedule, and None.
        """
        if self.reference_batch_size is None:
            return self, None
        sizes = batch_size, self.reference_batch_size
        steps = optimisers.steps_for_batch(self.steps, *sizes)
        factor = optimisers.rate_factor_for_batch(*sizes)
        return dataclasses.replace(self, steps=steps, reference_batch_size=None), factor

    def is_due(self, what: str, step: int) -> bool:
        """Whether something happens after a step.

        Args:
            what: `evaluate`, `checkpoint`, `log` or `picture`. All of them happen after the last
                step too; pictures only if they have an interval.
            step: Steps of the whole run so far.
        """
        every = getattr(self, f'{what}_every')
        if what == 'picture' and not every:
            return False
        return step == self.steps or bool(every and step % every == 0)

    def intervals(self) -> list[int]:
        """Returns all numbers of steps after which something happens, once or repeatedly."""
        every = self.evaluate_every, self.checkpoint_every, self.log_every, self.picture_every
        return [self.steps, *(number for number in every if number < self.steps)]
