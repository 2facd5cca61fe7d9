"""What is measured between two log lines: means of values, pseudo labels, speed and memory."""

import itertools
import json
import sys

import numpy as np
import tensorflow as tf

from wss.results import metrics

try:
    import resource
except ImportError:  # Windows has none.
    resource = None


class Means(tf.train.experimental.PythonState):
    """Means of step values, and the measures of pseudo labels, since the last log.

    Checkpoints keep them, so that a resumed run logs the same means as one that never stopped.

    Args:
        quality: Running measures by name (`Method.quality`).
    """

    def __init__(self, quality: dict[str, metrics.PseudoLabelQuality | metrics.ImageLabelQuality]):
        self._quality = quality
        self.clear()

    def clear(self) -> None:
        """Forgets what was added."""
        self._sums, self._count = {}, 0
        self._earlier = {}  # Totals of the process before, by name.
        for measure in self._quality.values():
            measure.reset_state()

    def add(self, values: dict[str, np.ndarray]) -> None:
        """Adds values of some steps, `[steps]` by name."""
        for name, column in values.items():
            for value in np.atleast_1d(column):  # One by one: sums do not depend on their number.
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._count += len(np.atleast_1d(next(iter(values.values()))))

    def values(self) -> dict[str, float]:
        """Returns the means by name."""
        return {name: total / self._count for name, total in self._sums.items()}

    def quality(self) -> dict[str, dict[str, float]]:
        """Returns the summaries of the measures by name, without those that counted nothing."""
        summaries = {n: self._quality[n].summarise(*t) for n, t in self._totals().items()}
        return {name: summary for name, summary in summaries.items() if summary}

    def quality_tags(self) -> dict[str, float]:
        """Returns the values of `quality` by their names in TensorBoard."""
        summaries = self.quality().items()
        return {t: v for name, one in summaries for t, v in self._quality[name].tags(one).items()}

    def _totals(self):
        return {
            name: [
                here + np.asarray(there, np.int64)
                for here, there in itertools.zip_longest(
                    measure.totals(), self._earlier.get(name, ()), fillvalue=0
                )
            ]
            for name, measure in self._quality.items()
        }

    def serialize(self) -> str:
        """Returns the state as text, for a checkpoint."""
        totals = {name: [t.tolist() for t in pair] for name, pair in self._totals().items()}
        return json.dumps({'sums': self._sums, 'count': self._count, 'quality': totals})

    def deserialize(self, text) -> None:
        """Restores a state."""
        self.clear()
        state = json.loads(text)
        self._sums, self._count = state['sums'], state['count']
        self._earlier = state['quality']


class Speed:
    """Steps a second, and the share of the time that input took, since the last log.

    Only the time of steps counts, not that of evaluations, pictures and checkpoints between them.
    The first call of a process builds its graph; it counts only until there is another.

    Args:
        images_per_step: Images that a step learns from.
    """

    def __init__(self, images_per_step: int):
        self._images = images_per_step
        self._calls = 0
        self.clear()

    def clear(self) -> None:
        """Forgets what was added."""
        self._steps, self._seconds, self._waited = 0, 0.0, 0.0

    def add(self, steps: int, seconds: float, waited: float) -> None:
        """Adds a call of some steps, and how long it waited for input."""
        self._calls += 1
        if self._calls == 2:
            self.clear()
        self._steps += steps
        self._seconds += seconds
        self._waited += waited

    def values(self) -> dict[str, float]:
        """Returns scalars by name; the share is in 0..1."""
        if not self._seconds:
            return {}
        rate = self._steps / self._seconds
        return {
            'speed/steps_per_second': rate,
            'speed/images_per_second': rate * self._images,
            'speed/input_wait_share': min(1.0, self._waited / self._seconds),
        }


def memory() -> dict[str, float]:
    """Returns the highest use of memory so far in GiB: of the process, and of accelerators."""
    used = {}
    if resource is not None:
        unit = 1 if sys.platform == 'darwin' else 1024  # Bytes there, KiB elsewhere.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        used['memory/process_gib'] = peak / 2**30
    for kind in ('GPU', 'TPU'):
        peaks = []
        for device in tf.config.list_logical_devices(kind):
            try:
                name = f'{kind}:{device.name.rsplit(":", 1)[1]}'
                peaks.append(tf.config.experimental.get_memory_info(name)['peak'])
            except (ValueError, tf.errors.OpError):  # Not every device reports it.
                continue
        if peaks:
            used['memory/device_gib'] = max(peaks) / 2**30
    return used
