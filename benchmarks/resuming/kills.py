"""The kills of a run: what each interrupted, how the run resumed, and what went wrong."""

import dataclasses
import signal

from resuming import moments

_STOPPED = 143
HEADER = (
    f'{"kill":>4}  {"after s":>7}  {"in":<10}  {"step":>5}  {"statuses":<9}  {"others s":>8}  '
    f'{"resumes at":>10}  {"after s":>7}  left half written'
)


@dataclasses.dataclass
class Kill:
    """One end of a run, and how it resumed.

    Attributes:
        age: Seconds since the start of the processes.
        doing: What the run was doing, a phase of `moments`.
        step: The last step that is known to be done.
        victim: Index of the process that was killed.
        statuses: Exit statuses; None for a process that did not end by itself.
        seconds: Seconds until all processes had ended.
        last_lines: The last lines of the other processes.
        left: Files that were left half written.
        saved: Step of the newest whole checkpoint afterwards, -1 for none.
        saved_at: Step at which the run reported that it was saved; None if it did not.
        resumed: Step at which the next start resumed, and after how many seconds; None if that was
            killed before.
    """

    age: float
    doing: str
    step: int
    victim: int
    statuses: list[int | None]
    seconds: float
    last_lines: list[str]
    left: list[str]
    saved: int
    saved_at: int | None
    resumed: tuple[int, float] | None = None

    def row(self, number: int) -> str:
        """Returns the row of this kill in the table."""
        running = 'waits' if self.doing == moments.START else 'hung'
        statuses = ' '.join(running if status is None else str(status) for status in self.statuses)
        step, seconds = (str(self.resumed[0]), f'{self.resumed[1]:.1f}') if self.resumed else '--'
        others = f'{self.seconds:.1f}' if len(self.statuses) > 1 else '-'
        return (
            f'{number:>4}  {self.age:>7.1f}  {self.doing:<10}  {self.step:>5}  '
            f'{statuses:<9}  {others:>8}  {step:>10}  {seconds:>7}  {" ".join(self.left)}'
        ).rstrip()

    def faults(self, number: int) -> list[str]:
        """Lists what went wrong with a kill by the signal `number`."""
        # Before and after its steps a run leaves SIGTERM to Python, which ends at once.
        expected = {signal.SIGKILL: (-9,), signal.SIGTERM: (_STOPPED, -15)}[number]
        expected += (0,) if self.doing == moments.END else ()  # It may have ended just before.
        others = [status for i, status in enumerate(self.statuses) if i != self.victim]
        found = []
        if self.statuses[self.victim] not in expected:
            found.append(f'the status was {self.statuses[self.victim]}, not {expected[0]}')
        # A worker that has met no other yet waits for it, as one does that is started first.
        if None in others and self.doing != moments.START:
            found.append('the other process hung')
        if 0 in others and self.doing != moments.END:
            found.append('the other process ended as if it had finished')
        if self.statuses[self.victim] == _STOPPED and self.saved_at != self.saved:
            found.append(f'it reported step {self.saved_at} as saved, but step {self.saved} is')
        if self.resumed and self.resumed[0] != max(0, self.saved):
            found.append(f'it resumed at step {self.resumed[0]}, though {self.saved} was saved')
        return found


def faults(found: list[Kill], number: int) -> list[str]:
    """Lists what went wrong with kills by the signal `number`."""
    return [
        f'kill {i}: {fault}'
        for i, kill in enumerate(found, start=1)
        for fault in kill.faults(number)
    ]
