"""Measures the time and the memory in which a large image is predicted, above the loaded model.

    python benchmarks/large_image.py --workdir runs/demo/pseudoseg --size 12000x9000 --window 513

It makes a JPEG file of that size, predicts it into a folder as `wss.predict` does, mask and overlay
included, and deletes both. Linux tells a process the most memory that it had; elsewhere only the
time is printed. The model is loaded and has predicted one window before the memory is read first.
"""

import argparse
import os
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image

import wss
from wss.configuration import quiet  # noqa: F401 (before the library)
from wss.inference.averaging import Averaging

_STATUS = pathlib.Path('/proc/self/status')
_PEAK = pathlib.Path('/proc/self/clear_refs')


def main() -> None:
    """Prints what `measure` returns."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--workdir', required=True, help='folder of a run')
    parser.add_argument('--checkpoint', default='last', help='best or last')
    parser.add_argument('--size', default='12000x9000', help='width x height in pixels')
    parser.add_argument('--window', type=int, help='pixels of a window; none for whole images')
    parser.add_argument('--overlap', type=float, default=0.33)
    flags = parser.parse_args()
    width, height = (int(side) for side in flags.size.split('x'))
    trained = wss.load(flags.workdir, flags.checkpoint)
    how = Averaging(window=flags.window, overlap=flags.overlap)
    for name, value in measure(trained, (height, width), how).items():
        print(f'{name:<12} {value:.2f}')


def measure(trained, size: tuple[int, int], how: Averaging) -> dict[str, float]:
    """Predicts an image of a size.

    Args:
        trained: A `Predictor`.
        size: Height and width.
        how: How it is predicted.

    Returns:
        `seconds`, and `gigabytes` (10^9 bytes) above what the process had before, where the system
        tells.
    """
    trained.predict_images(np.zeros([1, *how.seen(size), 3], np.uint8), how)
    with tempfile.TemporaryDirectory() as place:
        source = os.path.join(place, 'large.jpg')
        _write(source, size)
        before = _start_of_peak()
        started = time.perf_counter()
        done = trained.predict_folder(source, os.path.join(place, 'out'), how)
        found = {'seconds': time.perf_counter() - started}
        if done.failed:
            raise SystemExit(1)
        if before is not None:
            found['gigabytes'] = (_memory('VmHWM') - before) / 1e9
    return found


def _write(path, size):
    """Writes a picture of slopes and edges."""
    rows, columns = (np.arange(side, dtype=np.uint32) for side in size)
    pixels = np.empty([*size, 3], np.uint8)
    for channel, (down, across) in enumerate(((1, 2), (3, 1), (2, 5))):
        pixels[..., channel] = (rows[:, np.newaxis] * down + columns * across) // 8 % 256
    Image.fromarray(pixels).save(path)


def _start_of_peak():
    """Returns the bytes that this process has, from which the peak is counted; None if unknown."""
    try:
        _PEAK.write_text('5')
    except OSError:
        return None
    return _memory('VmRSS')


def _memory(name):
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f'{name}:'))
    return int(line.split()[1]) * 1024


if __name__ == '__main__':
    main()
