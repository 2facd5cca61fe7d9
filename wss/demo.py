"""Compares supervised training and PseudoSeg on generated scenes: python -m wss.demo [--quick].

Both learn from the same few labelled images, start from the same weights and take equally many
steps; PseudoSeg also sees unlabelled images. Scores are those of the last weights on test scenes.
"""

import os
from collections.abc import Sequence

import numpy as np
from absl import flags

from wss.configuration import binary, gin_files
from wss.configuration.quiet import tf
from wss.datasets.files import whole
from wss.experiment import Experiment
from wss.pipeline.data import Data
from wss.results import comparison, pictures

METHODS = {'supervised': 'supervised', 'pseudoseg': 'PseudoSeg'}
SPLIT = 'test'
ROWS = 5
# On two cores.
TIME, QUICK_TIME = 'about four minutes', 'about two minutes'
QUICK_SETTINGS = (
    'Schedule.steps = 100',
    'Schedule.log_every = 20',
    "Shapes.counts = {'train': 1000, 'val': 40, 'test': 100}",
)
_INTRODUCTION = (
    'The demo trains two networks on generated scenes, compares them on test scenes, and draws '
    'what they predict.'
)

SEEDS = flags.DEFINE_integer(
    'seeds', 1, 'How many seeds to run; each has its own labelled images and initial weights.'
)
QUICK = flags.DEFINE_boolean(
    'quick', False, 'Fewer steps and test scenes: to see that everything works, not for scores.'
)
flags.adopt_module_key_flags(binary)


def main() -> None:
    """Runs the comparison."""
    is_quick = QUICK.value
    folder = binary.workdir() or os.path.join('runs', 'demo_quick' if is_quick else 'demo')
    if is_quick:
        print(f'{_INTRODUCTION} The short version takes {QUICK_TIME}.', flush=True)
    else:
        print(f'{_INTRODUCTION} It takes {TIME} a seed; --quick takes {QUICK_TIME}.', flush=True)
    settings = [*(QUICK_SETTINGS if is_quick else ()), *binary.GIN_PARAM.value]
    compare(folder, SEEDS.value, settings)
    if is_quick:
        print(
            'These scores are of a few steps and few test scenes; they say little about the '
            'methods. Without --quick the demo compares them.'
        )


def compare(folder: str, seeds: int, settings: Sequence[str] = ()) -> None:
    """Trains and scores both methods for every seed.

    Args:
        folder: Where `results.json` and `panel.png` go; with several seeds a subfolder each has
            them, and `seeds.json` has all scores.
        seeds: How many, from 0.
        settings: Lines `name = value` that take precedence over the configurations.

    Raises:
        ValueError: If there are not 1 to 10 seeds.
    """
    if not 1 <= seeds <= 10:
        raise ValueError(f'--seeds is {seeds}; it must be 1 to 10.')
    results = []
    for seed in range(seeds):
        runs = folder if seeds == 1 else os.path.join(folder, f'seed_{seed}')
        print(f'Seed {seed}: supervised and PseudoSeg on the same labelled scenes, in {runs}.')
        scores = {name: _train_and_score(name, runs, seed, settings) for name in METHODS}
        _print_scores(scores)
        results.append({name: score['miou'] for name, score in scores.items()})
        whole.write_json(os.path.join(runs, 'results.json'), results[-1])
        panel = os.path.join(runs, 'panel.png')
        pictures.write_picture(panel, _panel(runs))
        print(f'Wrote {os.path.join(runs, "results.json")} and {panel}.\n')
    if seeds > 1:
        summary = comparison.paired(results, *METHODS)
        whole.write_json(os.path.join(folder, 'seeds.json'), {'runs': results, **summary})
        print(comparison.table(results, summary, METHODS))


def _train_and_score(name: str, folder: str, seed: int, settings: Sequence[str]) -> dict:
    workdir = os.path.join(folder, name)
    seeds = [f'Experiment.seed = {seed}', f'Labelled.seed = {seed}']
    gin_files.parse([f'experiments/shapes_{name}.gin'], [*seeds, *settings])
    experiment = gin_files.build(Experiment)
    print(f'Training {METHODS[name]}.', flush=True)
    experiment.train(workdir, gin_files.operative)
    return experiment.evaluate(workdir, 'last', SPLIT)


def _print_scores(scores: dict[str, dict]) -> None:
    """Prints both scores by class side by side."""
    supervised, pseudoseg = scores.values()
    rows = [(name, value, pseudoseg['iou'][name]) for name, value in supervised['iou'].items()]
    rows.append(('mIoU', supervised['miou'], pseudoseg['miou']))
    print(f'\n{"IoU %, test":<12}' + ''.join(f'{title:>12}' for title in METHODS.values()))
    for name, *values in rows:
        shown = ('-' if value is None else f'{100 * value:.1f}' for value in values)
        print(f'{name:<12}' + ''.join(f'{text:>12}' for text in shown))
    print()


def _panel(folder: str) -> np.ndarray:
    """Draws test scenes: image, truth, both predictions and the pseudo label."""
    methods = {}
    for name in METHODS:
        workdir = os.path.join(folder, name)
        gin_files.parse_run(workdir)
        methods[name] = gin_files.build(Experiment).load(workdir, 'last')
    examples = gin_files.built(Data, 'make_dataset').examples(SPLIT)
    scenes = [examples.load(tf.constant(i, tf.int64)) for i in range(ROWS)]
    images = tf.cast(tf.stack([scene['image'] for scene in scenes]), tf.float32)
    labels = tf.stack([scene['label'] for scene in scenes])
    batch = {'weak': images, 'strong': images, 'valid': tf.ones(labels.shape), 'label': labels}
    shown = methods['pseudoseg'].pictures(None, batch)
    info = methods['pseudoseg'].info
    columns = {
        'image': pictures.as_picture(images.numpy()),
        'truth': pictures.colour_labels(labels.numpy(), info.colours),
    }
    for name, title in METHODS.items():
        predicted = methods[name].predict_labels(images).numpy()
        columns[title] = pictures.colour_labels(predicted, info.colours)
    pseudo_label = shown['scores']['pseudo label'].numpy()
    columns['pseudo label'] = pictures.colour_scores(pseudo_label, info.colours)
    sheet = pictures.panel(columns, height=2 * images.shape[1])
    return pictures.with_legend(sheet, info)


def command() -> None:
    """Runs the command line; also the script `wss-demo`."""
    binary.run_main(main, required=[])


if __name__ == '__main__':
    command()
