"""Estimates the memory that a prediction needs, and finds how much there is."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

import tensorflow as tf

# Bytes a pixel of the image as it is decoded, labelled and drawn.
ARRAYS = 20
# Bytes a pixel of what the network sees at a time: float32 copies of it, scaled and padded.
_FLOATS = 28
# Convolutions keep copies of their inputs in other layouts, and branches run at the same time:
# measured were 1.3 to 1.6 times the tensors.
_COPIES = 1.8
# No network that can be trained needs more for each pixel.
_SURELY_ENOUGH = 50_000
# Of the memory that is free; the rest is left to the program itself and to others.
_SHARE = 0.8
# Where the system does not tell.
_UNKNOWN = 2 * 2**30
_SIDES = (512, 1024)
_GROUPS = pathlib.Path('/sys/fs/cgroup')
_NO_TENSORS = (tf.resource, tf.variant, tf.string)


class TooLargeError(ValueError):
    """An image needs more memory than there is."""


def _nothing(size):
    del size
    return 0


def _itself(size):
    return size


def _of_arrays(size):
    return ARRAYS * size[0] * size[1]


@dataclasses.dataclass(frozen=True)
class Needed:
    """The memory that a prediction needs, by the height and width of the image.

    Attributes:
        arrays: From the size of the image to the bytes of its arrays: pixels, labels, drawings.
        seen: From the size of the image to the size that the network sees.
        network: From the size that the network sees to the bytes of its tensors (`network_bytes`).
        at_once: How many images, or windows of them, the network sees at a time.
    """

    arrays: Callable[[tuple[int, int]], float] = _of_arrays
    seen: Callable[[tuple[int, int]], tuple[int, int]] = _itself
    network: Callable[[tuple[int, int]], float] = _nothing
    at_once: int = 1

    def about(self, size: tuple[int, int]) -> float:
        """Returns the estimate in bytes; the first one of a network takes a second."""
        height, width = self.seen(size)
        of_network = _FLOATS * height * width + self.network((height, width))
        return self.arrays(size) + self.at_once * of_network

    def at_most(self, size: tuple[int, int]) -> float:
        """Returns a bound of `about`, without looking at the network."""
        height, width = self.seen(size)
        return self.arrays(size) + self.at_once * _SURELY_ENOUGH * height * width


def fits(size: tuple[int, int], needed: Needed, file_bytes: int = 0) -> bool:
    """Whether the memory suffices for a prediction; see `check`."""
    usable = _SHARE * available() - file_bytes
    return needed.at_most(size) <= usable or needed.about(size) <= usable


def check(size: tuple[int, int], file_bytes: int, needed: Needed, name: str) -> None:
    """Refuses an image whose prediction would need more memory than there is.

    Args:
        size: Height and width of the image.
        file_bytes: Size of its file.
        needed: What its prediction needs.
        name: Name of the image in messages.

    Raises:
        TooLargeError: If the memory would not suffice (a ValueError).
    """
    if fits(size, needed, file_bytes):
        return
    about = (needed.about(size) + file_bytes) / 1e9
    raise TooLargeError(
        f'{name} is too large for the memory: {size[1]}x{size[0]} pixels (width x height) need '
        f'about {about:.1f} GB, and {_SHARE * available() / 1e9:.1f} GB can be used; '
        'predict it in windows, or scale it down.'
    )


def network_bytes(method, predict: Callable | None = None) -> Callable[[tuple[int, int]], float]:
    """Returns a function from height and width to the bytes in which a method predicts.

    It counts the tensors of the graph at two sizes, when it is called first, and takes their sum
    to have a part that grows with the pixels and one that grows with their square, as attention
    does. It computes nothing. With a GPU it returns 0, because the memory of a GPU that does not
    suffice ends no program.

    Args:
        method: The `Method`.
        predict: From images, float32 `[1, H, W, 3]`, to tensors; None for `method.predict_labels`.

    Returns:
        From the height and width that the network sees, which are rounded up to the next ones that
        its output stride fits.
    """
    stride, growth = method.network.backbone.output_stride, []

    def estimate(size):
        if tf.config.list_logical_devices('GPU'):
            return 0
        if not growth:
            growth.extend(_growth(predict or method.predict_labels, stride))
        height, width = (_fitting(int(side), stride) for side in size)
        pixels = height * width
        return _COPIES * (growth[0] + growth[1] * pixels) * pixels

    return estimate


def _fitting(side, stride):
    """Returns the side to which a network pads one, with three features at least."""
    side = max(side, 2 * stride + 1)
    return -(-(side - 1) // stride) * stride + 1


def _growth(predict, stride):
    """Returns the bytes for each pixel, and those for each pair of pixels."""
    points = []
    for side in _SIDES:
        side = _fitting(side, stride)
        function = tf.function(predict, autograph=False)
        spec = tf.TensorSpec([1, side, side, 3], tf.float32)
        points.append((side**2, _peak(function.get_concrete_function(spec).graph) / side**2))
    (few, first), (many, second) = points
    square = max(0.0, (second - first) / (many - few))
    return max(first - square * few, 0.0), square


def _peak(graph) -> int:
    """Returns the most bytes that tensors of a graph hold at a time, in the order of the graph."""
    last_use = {}
    for op in graph.get_operations():
        for tensor in op.inputs:
            last_use[tensor.ref()] = op
    ends = {}
    for reference, op in last_use.items():
        ends.setdefault(op, []).append(reference)
    held, live, most = {}, 0, 0
    for op in graph.get_operations():
        if op.type in ('ReadVariableOp', 'Const'):
            continue
        for tensor in op.outputs:
            if tensor.dtype not in _NO_TENSORS:
                held[tensor.ref()] = (tensor.shape.num_elements() or 0) * tensor.dtype.size
                live += held[tensor.ref()]
        most = max(most, live)
        unused = [tensor.ref() for tensor in op.outputs if tensor.ref() not in last_use]
        live -= sum(held.pop(reference, 0) for reference in (*ends.get(op, ()), *unused))
    return most


def available() -> int:
    """Returns the bytes of memory that this process can still take.

    That is the least of what the system has free, what the limits of its control groups (those of
    containers) leave, and what its own limits (`ulimit`) leave. 2 GiB where nothing tells.
    """
    found = [*_system(), *_control_groups(), *_process()]
    return max(0, min(found, default=_UNKNOWN))


def _system():
    for line in _lines('/proc/meminfo'):
        if line.startswith('MemAvailable:'):
            return [int(line.split()[1]) * 1024]
    try:
        # Not what is free, where the system tells only what it has: half of it.
        return [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 2]
    except (AttributeError, ValueError, OSError):
        return []


def _control_groups():
    """Yields what the limits of the control groups of this process leave, versions 1 and 2."""
    for line in _lines('/proc/self/cgroup'):
        _, controllers, inside = line.strip().split(':', 2)
        if controllers == '':
            root, names = _GROUPS, ('memory.max', 'memory.current')
        elif 'memory' in controllers.split(','):
            root = _GROUPS / 'memory'
            names = ('memory.limit_in_bytes', 'memory.usage_in_bytes')
        else:
            continue
        group = root / inside.lstrip('/')
        # In a container the group's own folder is the root.
        for folder in {root, group, *(p for p in group.parents if p.is_relative_to(root))}:
            limit, used = (_number(folder / name) for name in names)
            if limit is not None and used is not None:
                yield limit - used + _reclaimable(folder)


def _reclaimable(folder):
    """Returns the bytes of cached files in a control group, which make room when it is needed."""
    statistics = dict(line.split() for line in _lines(folder / 'memory.stat'))
    return int(statistics.get('total_inactive_file', statistics.get('inactive_file', 0)))


def _process():
    """Yields what the limits of this process leave."""
    try:
        import resource
    except ImportError:  # Windows.
        return
    used = {}
    for line in _lines('/proc/self/status'):
        if line.startswith(('VmSize:', 'VmData:')):
            used[line.split(':')[0]] = int(line.split()[1]) * 1024
    for limit, name in ((resource.RLIMIT_AS, 'VmSize'), (resource.RLIMIT_DATA, 'VmData')):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY and name in used:
            yield soft - used[name]


def _number(path):
    try:
        return int(pathlib.Path(path).read_text())
    except (OSError, ValueError):  # `max` is no limit.
        return None


def _lines(path):
    try:
        return pathlib.Path(path).read_text().splitlines()
    except (OSError, ValueError):
        return []
