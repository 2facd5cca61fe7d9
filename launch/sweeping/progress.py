"""How far a run is, from the lines of its log."""

import dataclasses
import re

HEADER = '# sweep: '  # Begins the line before every start of a run.
_TERMINAL = re.compile(rb'\x1b\[[\d;]*[A-Za-z]')  # Codes, where a host gave the run a terminal.
_STEP = re.compile(r'\bstep +(\d+)/(\d+)')
_LEFT = re.compile(r'([\d:]+) left\b')
_LOSS = re.compile(r'\bloss ([\d.einfa+-]+)')
_SCORE = re.compile(r'validation mIoU ([\d.]+) %')


@dataclasses.dataclass
class Progress:
    """What the log of a run has said since its last start.

    Attributes:
        path: The log.
        position: How many bytes of it were read.
        step: Latest step; None before the first.
        steps: Steps of the run.
        left: Time left, as the log has it.
        loss: Latest loss.
        miou: Latest validation mIoU in percent.
        last_line: The last line that is not empty.
    """

    path: str
    position: int = 0
    step: int | None = None
    steps: int | None = None
    left: str = ''
    loss: str = ''
    miou: str = ''
    last_line: str = ''

    def read(self, to_the_end: bool = False) -> None:
        """Reads what is new, up to the last whole line or `to_the_end`."""
        try:
            with open(self.path, 'rb') as file:
                file.seek(self.position)
                new = file.read()
        except FileNotFoundError:
            return
        if not to_the_end:
            new = new[: max(new.rfind(b'\n'), new.rfind(b'\r')) + 1]
        self.position += len(new)
        text = _TERMINAL.sub(b'', new).decode('utf-8', 'replace')
        for line in re.split(r'[\r\n]+', text):
            if line.strip() and not line.startswith(HEADER):
                self._take(line.strip())

    def _take(self, line):
        self.last_line = line
        if match := _STEP.search(line):
            self.step, self.steps = int(match[1]), int(match[2])
            left, loss = _LEFT.search(line), _LOSS.search(line)
            self.left = left[1] if left else ''
            self.loss = loss[1] if loss else ''
        elif match := _SCORE.search(line):
            self.miou = match[1]
