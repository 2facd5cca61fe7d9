"""Draws the figures of docs/evidence.md from the runs: quality over training, and test photos."""

import os
import pathlib

import numpy as np
from PIL import Image

from evidencing import chart, quality, rows
from wss.configuration import gin_files
from wss.configuration.quiet import tf
from wss.datasets.files import whole
from wss.experiment import Experiment
from wss.results import pictures

SPLIT = 'test'
PHOTOS = 6  # At even distances in the list of the split, whatever they show.
HEIGHT = 104  # Of a picture in the panel.
CURVES = {'pseudoseg': 'PseudoSeg', 'weak': 'PseudoSeg, true image labels'}
PANEL = (
    *('supervised', 'pseudoseg', 'weak'),
    *('fixmatch', 'unimatch_warm', 'mean_teacher', 'cps_warm'),
)


def draw(home: str | os.PathLike, out: str | os.PathLike) -> list[str]:
    """Draws what the runs of seed 0 allow.

    Args:
        home: Folder of the runs.
        out: Folder for the figures.

    Returns:
        The paths of the files that were written.
    """
    written = []
    for name, title in CURVES.items():
        lines = quality.curves(_run(home, name)) if _is_finished(home, name) else {}
        if lines:
            path = os.path.join(out, f'evidence_{name}.svg')
            heading = f'{title}: labels of the unlabelled crops, seed 0'
            whole.write(path, chart.line_chart(lines, heading, 'step', 'mIoU, %'))
            written.append(path)
        else:
            print(f'There is no curve of {name!r}: {_run(home, name)} has no points.')
    found = [name for name in PANEL if _is_finished(home, name)]
    for name in PANEL:
        if name not in found:
            print(f'The photos leave out {name!r}: {_run(home, name)} is no finished run.')
    if found:
        path = os.path.join(out, 'evidence_photos.png')
        _write_small(path, photos({name: _run(home, name) for name in found}))
        written.append(path)
    return written


def photos(workdirs: dict[str, str]) -> np.ndarray:
    """Draws test photos, their masks and what the last weights of each run predict."""
    titles = {row.name: row.title for row in rows.ROWS}
    columns, info = {}, None
    for name, workdir in workdirs.items():
        gin_files.parse_run(workdir)
        experiment = gin_files.build(Experiment)
        info = experiment.data.make_dataset().info
        examples = _examples(experiment)
        if not columns:
            columns['photo'] = [example['image'].numpy() for example in examples]
            columns['truth'] = [_coloured(example['label'], info) for example in examples]
        predictor = experiment.predictor(workdir, 'last')
        columns[titles[name]] = [
            _coloured(predictor.predict(example['image'].numpy()), info) for example in examples
        ]
    sheet = pictures.panel(
        {title: np.stack(_same_size(tiles)) for title, tiles in columns.items()}, HEIGHT
    )
    return pictures.with_legend(sheet, info)


def _examples(experiment):
    examples = experiment.data.make_dataset().examples(SPLIT)
    number = len(examples.ids)
    return [examples.load(tf.constant(i * number // PHOTOS, tf.int64)) for i in range(PHOTOS)]


def _coloured(labels, info):
    return pictures.colour_labels(np.asarray(labels), info.colours, info.ignore_value)


def _same_size(tiles):
    """Scales pictures to one height and centres them on grey of one width."""
    scaled = [
        np.asarray(Image.fromarray(tile).resize((tile.shape[1] * HEIGHT // tile.shape[0], HEIGHT)))
        for tile in tiles
    ]
    width = HEIGHT * 3 // 2
    canvases = [np.full((HEIGHT, width, 3), 230, np.uint8) for _ in scaled]
    for canvas, tile in zip(canvases, scaled, strict=True):
        tile = tile[:, :width]
        left = (width - tile.shape[1]) // 2
        canvas[:, left : left + tile.shape[1]] = tile
    return canvases


def _write_small(path, sheet):
    """Writes a PNG of 255 colours, a third as large."""
    image = Image.fromarray(sheet).quantize(255, dither=Image.Dither.NONE)
    image.save(pathlib.Path(path), optimize=True)


def _run(home, name):
    return os.path.join(home, name, 'seed_0')


def _is_finished(home, name):
    return os.path.isfile(os.path.join(_run(home, name), 'result.json'))
