"""Compares supervised training and PseudoSeg on generated scenes: python -m wss.demo [--seeds 5].

Both learn from the same few labelled images, start from the same weights and take equally many
steps; PseudoSeg also sees unlabelled images. Scores are those of the last weights on test scenes.
"""

# ruff: noqa: I001
import os
from collections.abc import Sequence

from wss import config  # Before TensorFlow, which it keeps quiet.

import numpy as np
import tensorflow as tf
from absl import flags

from wss import experiment, pictures, run_folder
from wss.datasets import shapes

# Two-sided 95 % quantiles of Student's t for 2 to 10 runs.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

METHODS = {'supervised': 'supervised', 'pseudoseg': 'PseudoSeg'}
SPLIT = 'test'
ROWS = 5

SEEDS = flags.DEFINE_integer(
    'seeds', 1, 'How many seeds to run; each draws other labelled images and other fresh weights.'
)
flags.adopt_module_key_flags(config)


def main() -> None:
    """Runs the comparison."""
    compare(
        config.WORKDIR.value or os.path.join('runs', 'demo'), SEEDS.value, config.GIN_PARAM.value
    )


def compare(folder: str, seeds: int, settings: Sequence[str] = ()) -> None:
    """Trains and scores both methods for every seed.

    Args:
        folder: Where `results.json` and `panel.png` go; with several seeds a subfolder each has
            them, and `seeds.json` has all scores.
        seeds: How many, from 0.
        settings: Lines `name = value` that go before the configurations.

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
        _say_scores(scores)
        results.append({name: score['miou'] for name, score in scores.items()})
        run_folder.write_json(os.path.join(runs, 'results.json'), results[-1])
        panel = os.path.join(runs, 'panel.png')
        pictures.write_picture(panel, _panel(runs))
        print(f'Wrote {os.path.join(runs, "results.json")} and {panel}.\n')
    if seeds > 1:
        summary = summarise(results)
        run_folder.write_json(os.path.join(folder, 'seeds.json'), {'runs': results, **summary})
        _say_summary(results, summary)


def _train_and_score(name: str, folder: str, seed: int, settings: Sequence[str]) -> dict:
    workdir = os.path.join(folder, name)
    seeds = [f'run.seed = {seed}', f'run.labelled_seed = {seed}']
    config.parse([f'experiments/shapes_{name}.gin'], [*seeds, *settings])
    run = config.configured(experiment.run)
    print(f'Training {METHODS[name]}.', flush=True)
    run(workdir, experiment.Train(config.operative_text))
    return run(workdir, experiment.Evaluate(checkpoint='last', split=SPLIT))


def _say_scores(scores: dict[str, dict]) -> None:
    """Prints both scores by class side by side."""
    supervised, pseudoseg = scores.values()
    rows = [(name, value, pseudoseg['iou'][name]) for name, value in supervised['iou'].items()]
    rows.append(('mIoU', supervised['miou'], pseudoseg['miou']))
    print(f'\n{"IoU %, test":<12}' + ''.join(f'{title:>12}' for title in METHODS.values()))
    for name, *values in rows:
        print(f'{name:<12}' + ''.join(f'{100 * (value or 0):>12.1f}' for value in values))
    print()


def _panel(folder: str) -> np.ndarray:
    """Draws test scenes: image, truth, both predictions and the pseudo label."""
    methods = {}
    for name in METHODS:
        workdir = os.path.join(folder, name)
        config.parse_run(workdir)
        methods[name] = config.configured(experiment.run)(workdir, experiment.Load('last'))
    examples = config.configured(shapes.Shapes)().examples(SPLIT)
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
    return np.concatenate([sheet, pictures.legend(info.class_names, info.colours, sheet.shape[1])])


def summarise(results: list[dict[str, float]]) -> dict[str, float]:
    """Means, and the 95 % interval of the mean paired difference by Student's t."""
    scores = np.array([[result[name] for name in METHODS] for result in results])
    difference = scores[:, 1] - scores[:, 0]
    half = _T95[len(results) - 2] * difference.std(ddof=1) / np.sqrt(len(results))
    return {
        **dict(zip(METHODS, scores.mean(axis=0).tolist(), strict=True)),
        'difference': float(difference.mean()),
        'low': float(difference.mean() - half),
        'high': float(difference.mean() + half),
    }


def _say_summary(results, summary) -> None:
    print('| seed | supervised | PseudoSeg | difference |\n|---|---|---|---|')
    for seed, result in enumerate(results):
        low, high = (100 * result[name] for name in METHODS)
        print(f'| {seed} | {low:.1f} | {high:.1f} | {high - low:+.1f} |')
    low, high = (100 * summary[name] for name in METHODS)
    interval = f'{100 * summary["low"]:+.1f} to {100 * summary["high"]:+.1f}'
    print(f'| mean | {low:.1f} | {high:.1f} | {high - low:+.1f} (95 %: {interval}) |')


if __name__ == '__main__':
    config.run_main(main, required=[])
