"""The kills of a run: what each met, how the run went on, and what was not as it must be."""

import dataclasses
import signal

from resuming import moments

_STOPPED = 143
HEADER = (
    f'{"kill":>4}  {"after s":>7}  {"in":<10}  {"step":>5}  {"statuses":<9}  {"others s":>8}  '
    f'{"goes on at":>10}  {"after s":>7}  left half written'
)


@dataclasses.dataclass
class Kill:
    """One end of a run, and how it went on.

    Attributes:
        number: Which one, from 1.
        age: Seconds since the start of the processes.
        doing: What the run was doing.
        step: The last step that is known to be done.
        victim: Which process.
        statuses: Exit statuses, None for a process that did not end by itself and was killed.
        seconds: Until all processes had ended.
        words: The last lines of the other processes.
        left: What was left half written.
        saved: Step of the newest whole checkpoint then, -1 for none.
        saved_at: Step at which the run said that it was saved, if it did.
        resumed: Step at which the next start went on, and after how many seconds; None if it
            was killed before.
    """

    number: int
    age: float
    doing: str
    step: int
    victim: int
    statuses: list[int | None]
    seconds: float
    words: list[str]
    left: list[str]
    saved: int
    saved_at: int | None
    resumed: tuple[int, float] | None = None

    def row(self) -> str:
        """Returns its line of the table."""
        waits = 'waits' if self.doing == moments.START else 'hung'
        statuses = ' '.join(waits if status is None else str(status) for status in self.statuses)
        step, seconds = (str(self.resumed[0]), f'{self.resumed[1]:.1f}') if self.resumed else '--'
        others = f'{self.seconds:.1f}' if len(self.statuses) > 1 else '-'
        return (
            f'{self.number:>4}  {self.age:>7.1f}  {self.doing:<10}  {self.step:>5}  '
            f'{statuses:<9}  {others:>8}  {step:>10}  {seconds:>7}  {" ".join(self.left)}'
        ).rstrip()

    def faults(self, number: int) -> list[str]:
        """Lists what was not as it must be."""
        # Before and after its steps a run leaves SIGTERM to Python, which ends at once.
        ends = {signal.SIGKILL: (-9,), signal.SIGTERM: (_STOPPED, -15)}[number]
        ends += (0,) if self.doing == moments.END else ()  # The end was faster.
        others = [status for i, status in enumerate(self.statuses) if i != self.victim]
        found = []
        if self.statuses[self.victim] not in ends:
            found.append(f'the status was {self.statuses[self.victim]}, not {ends[0]}')
        # A worker that has met no other yet waits for it, as one does that is started first.
        if None in others and self.doing != moments.START:
            found.append('the other process hung')
        if 0 in others and self.doing != moments.END:
            found.append('the other process ended as if it had finished')
        if self.statuses[self.victim] == _STOPPED and self.saved_at != self.saved:
            found.append(f'it said that it was saved at {self.saved_at}, and {self.saved} is')
        if self.resumed and self.resumed[0] != max(0, self.saved):
            found.append(f'it went on at step {self.resumed[0]}, though {self.saved} was saved')
        return [f'kill {self.number}: {text}' for text in found]


def faults(found: list[Kill], number: int) -> list[str]:
    """Lists what was not as it must be in kills by the signal `number`."""
    return [fault for kill in found for fault in kill.faults(number)]
