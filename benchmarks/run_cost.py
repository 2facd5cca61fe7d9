"""Counts what a whole run of an experiment costs, without running it.

    python benchmarks/run_cost.py --gin_file experiments/paper/voc_4_pseudoseg_xception_65.gin
    python benchmarks/run_cost.py --gin_file experiments/shapes_pseudoseg.gin --time 10

The training step (forward, backward, optimiser) is traced at the crop of the experiment for one
labelled and one unlabelled image, and TensorFlow's profiler counts its floating-point operations.
All of it but the update of the weights grows with the images, so the run costs that count times the
batch times the steps. Nothing is trained, and no data is read. With `--time` some steps on images
of noise are timed, too, with the batch and the precision of the experiment, without CutMix; with
`--compare_onednn` without the operations of oneDNN, too, each way in a process of its own.
"""

import argparse
import functools
import json
import statistics
import sys

import onednn
from step_cost import count_flops, noise, time_calls

from wss.configuration import gin_files
from wss.configuration.quiet import tf
from wss.experiment import Experiment
from wss.training import building


def batch_spec(info, crop: tuple[int, int], labelled: int = 1, unlabelled: int = 1) -> dict:
    """Describes a batch of labelled and unlabelled images of `crop` pixels."""

    def part(size, names):
        def floats(*shape):
            return tf.TensorSpec([size, *shape], tf.float32)

        images = {name: floats(*crop, 3) for name in names}
        return images | {'valid': floats(*crop), 'image_label': floats(info.num_image_classes)}

    label = tf.TensorSpec([labelled, *crop], tf.int32)
    return {
        'labelled': part(labelled, ['image']) | {'label': label},
        'unlabelled': part(unlabelled, ['weak', 'strong', 'strong_2']),
    }


def measure(files: list[str], params: list[str], timed: int = 0) -> dict:
    """Builds the step of an experiment and counts it; returns what `main` prints.

    Args:
        files: Gin files.
        params: Settings.
        timed: How many steps are timed.
    """
    gin_files.parse(files, params)
    experiment = gin_files.build(Experiment)
    experiment.compute.prepare(tf.distribute.get_strategy())
    info = experiment.data.make_dataset().info
    crop = experiment.data.make_views().crop_size
    make_optimiser = functools.partial(experiment.make_optimiser, steps=experiment.schedule.steps)
    # The variables are the same for every crop.
    method = building.new_method(
        experiment, tf.distribute.get_strategy(), info, (65, 65), make_optimiser
    )
    step = tf.function(method.train_step, autograph=False)
    flops = count_flops(step, batch_spec(info, crop))
    # By the rule of the batch, a run with any other batch sees as many images.
    steps = experiment.schedule.steps
    batch = experiment.schedule.reference_batch_size or experiment.data.labelled.batch_size
    found = {
        'crop': f'{crop[0]}x{crop[1]}',
        'flops_per_image_pair': flops,
        'batch': batch,
        'steps': steps,
        'flops_of_the_run': flops * batch * steps,
    }
    if timed:
        sizes = experiment.data.labelled.batch_size, experiment.data.unlabelled.batch_size
        images = noise(info.num_classes, info.num_image_classes, crop, *sizes)
        seconds = time_calls(lambda: step(images)['loss'], timed)
        found['timed_batch'] = f'{sizes[0]} + {sizes[1]}'
        found['seconds_per_step'] = statistics.median(seconds)
        found['least_seconds'], found['most_seconds'] = min(seconds), max(seconds)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--gin_file', action='append', required=True, help='an experiment')
    parser.add_argument('--gin_param', action='append', default=[], help='a setting')
    parser.add_argument('--time', type=int, default=0, help='steps that are timed')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument(onednn.FLAG, action='store_true', help='time without oneDNN, too')
    arguments = parser.parse_args()
    if arguments.time < 0:
        parser.error('--time must be 0 or more')
    if arguments.compare_onednn and not arguments.time:
        parser.error('--compare_onednn compares times; set --time, too')
    if arguments.compare_onednn:
        results = onednn.compare(__file__, sys.argv[1:])
    else:
        results = measure(arguments.gin_file, arguments.gin_param, arguments.time)
    if arguments.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        shown = f'{value:.3g}' if isinstance(value, float) or 'flops' in name else value
        print(f'{name.replace("_", " "):24}{shown:>16}')


if __name__ == '__main__':
    main()
