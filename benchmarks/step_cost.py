"""What one training step of PseudoSeg costs, compared with the authors' program.

    python benchmarks/step_cost.py --reference NAME.json [--fast] [--crop 129] [--json]
    python benchmarks/step_cost.py --reference NAME.json --method fixmatch
    python benchmarks/step_cost.py --reference NAME.json --compare_onednn

`NAME.json` describes a step of the authors' program: its flag values (`options`) and the
floating-point operations of its training graph at their shapes (`train_flops`, by TensorFlow's
profiler). The same step is built here, forward, backward and optimiser, and counted at the same
shapes by the same profiler; it is then timed, at these shapes or at those of `--crop`. With
`--method` it is the step of another method on the same network. With `--compare_onednn` it is
timed without the operations of oneDNN, too, each way in a process of its own.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

# As the commands have it; TensorFlow reads it when it is imported.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')

import authors
import onednn
import tensorflow as tf
import tf_keras as keras
from tensorflow.python.profiler.model_analyzer import profile
from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

from wss.devices import compute, strategies
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.supervised import Supervised
from wss.methods.unimatch import UniMatch
from wss.training import optimisers

METHODS = {
    'pseudoseg': None,
    'supervised': Supervised,
    'fixmatch': FixMatch,
    'unimatch': UniMatch,
    'mean_teacher': MeanTeacher,
    'cps': CPS,
}
_PEAK_SIDE = 2048  # Of the square matrices whose product measures the machine's peak.


def make_step(options: dict, fast: bool, name: str = 'pseudoseg'):
    """Returns the training step, a `tf.function` of a batch, with its optimiser.

    Args:
        options: See `authors.make_method`.
        fast: Whether PseudoSeg takes the activation map from its training-mode pass.
        name: Which of `METHODS`.
    """
    method = authors.make_method(options, METHODS[name])
    if name == 'pseudoseg':
        method.cam_from_training_pass = fast
    method.compile(optimizer=optimisers.momentum_poly(steps=30_000))
    method.optimizer.build(method.trainable_variables)
    return tf.function(method.train_step, autograph=False)


def make_batch(options: dict, crop: tuple[int, int], size: int) -> dict:
    """Makes a batch of noise: `size` labelled and as many unlabelled images."""
    classes = options['num_classes']
    return noise(classes, classes - 1, crop, size, size)


def noise(
    classes: int, image_classes: int, crop: tuple[int, int], labelled: int, unlabelled: int
) -> dict:
    """Makes a batch of noise, of which all pixels are valid.

    Args:
        classes: Number of classes of label maps.
        image_classes: Number of classes of image-level labels.
        crop: Height and width of the images.
        labelled: Number of labelled images.
        unlabelled: Number of unlabelled images.

    Returns:
        A batch as `Method.train_step` takes it.
    """
    random = tf.random.Generator.from_seed(0)

    def image(size):
        return random.uniform([size, *crop, 3], 0, 255)

    def image_label(size):
        return tf.cast(random.uniform([size, image_classes]) > 0.8, tf.float32)

    return {
        'labelled': {
            'image': image(labelled),
            'label': random.uniform([labelled, *crop], 0, classes, tf.int32),
            'valid': tf.ones([labelled, *crop]),
            'image_label': image_label(labelled),
        },
        'unlabelled': {
            'weak': image(unlabelled),
            'strong': image(unlabelled),
            'strong_2': image(unlabelled),
            'valid': tf.ones([unlabelled, *crop]),
            'image_label': image_label(unlabelled),
        },
    }


def count_flops(step, batch) -> int:
    """Counts the floating-point operations of a step with TensorFlow's profiler."""
    graph = step.get_concrete_function(batch).graph
    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation())
    return profile(graph, options=options.with_empty_output().build()).total_float_ops


def time_calls(call, repeats: int) -> list[float]:
    """Times calls one by one, in seconds, after one that is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        tf.nest.map_structure(lambda value: value.numpy(), call())
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def peak_flops(precision: str) -> float:
    """Times large matrix products, one a core at once: floating-point operations a second."""
    dtype = tf.bfloat16 if precision == 'mixed_bfloat16' else tf.float32
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    matrices = [
        tf.cast(tf.random.stateless_uniform([_PEAK_SIDE] * 2, [0, i]), dtype) for i in range(cores)
    ]
    products = tf.function(lambda: [tf.reduce_sum(tf.matmul(m, m)) for m in matrices])
    return cores * 2 * _PEAK_SIDE**3 / min(time_calls(products, 10))


def measure(arguments) -> dict:
    """Builds, counts and times the step; returns the results by name."""
    description = json.loads(arguments.reference.read_text())
    options = description['options']
    if arguments.intra_op_threads:
        tf.config.threading.set_intra_op_parallelism_threads(arguments.intra_op_threads)
    strategies.set_seed(0)
    keras.mixed_precision.set_global_policy(arguments.precision)
    step = make_step(options, arguments.fast, arguments.method)
    own_crop, own_batch = tuple(options['crop_size']), options['batch']
    flops = count_flops(step, make_batch(options, own_crop, own_batch))
    crop = (arguments.crop, arguments.crop) if arguments.crop else own_crop
    size = arguments.batch or own_batch
    batch = make_batch(options, crop, size)
    timed_flops = count_flops(step, batch)
    # The peak before and after, since the clock of a busy machine moves; the better one counts.
    peak = peak_flops(arguments.precision)
    seconds = time_calls(lambda: step(batch)['loss'], arguments.steps)
    peak = max(peak, peak_flops(arguments.precision))
    median = statistics.median(seconds)
    return {
        'reference': arguments.reference.stem,
        'method': arguments.method,
        'step': 'fast' if arguments.fast else 'faithful',
        'precision': arguments.precision,
        'intra_op_threads': arguments.intra_op_threads or 'as TensorFlow chooses',
        'counted_at': f'{own_crop[0]}x{own_crop[1]}, {own_batch} + {own_batch} images',
        'flops': flops,
        'reference_flops': description['train_flops'],
        'flops_ratio': flops / description['train_flops'],
        'timed_at': f'{crop[0]}x{crop[1]}, {size} + {size} images',
        'timed_flops': timed_flops,
        'seconds_per_step': median,
        'seconds_per_step_min': min(seconds),
        'seconds_per_step_max': max(seconds),
        'images_per_second': 2 * size / median,
        'peak_flops_per_second': peak,
        'peak_share': timed_flops / median / peak,
        'steps': len(seconds),
    }


def show(results: dict) -> None:
    """Prints the results as a table."""
    shown = {int: '{:,}', float: '{:,.4g}', str: '{}'}
    for name, value in results.items():
        print(f'{name.replace("_", " "):24}{shown[type(value)].format(value):>32}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--reference', type=pathlib.Path, required=True, help='NAME.json')
    parser.add_argument('--method', choices=list(METHODS), default='pseudoseg', help='whose step')
    parser.add_argument('--fast', action='store_true', help='CAM from the training-mode pass')
    parser.add_argument('--crop', type=int, help='side of the crops that are timed')
    parser.add_argument('--batch', type=int, help='labelled images that are timed')
    parser.add_argument('--precision', choices=compute.PRECISIONS, default='float32')
    parser.add_argument('--intra_op_threads', type=int, help='threads of one operation')
    parser.add_argument('--steps', type=int, default=10, help='steps that are timed')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument(onednn.FLAG, action='store_true', help='time without oneDNN, too')
    arguments = parser.parse_args()
    if not arguments.reference.is_file():
        parser.error(f'there is no file {arguments.reference}')
    if arguments.steps < 1:
        parser.error('--steps must be 1 or more')
    if arguments.compare_onednn:
        results = onednn.compare(__file__, sys.argv[1:])
    else:
        results = measure(arguments)
    if arguments.json:
        print(json.dumps(results))
    else:
        show(results)


if __name__ == '__main__':
    main()
