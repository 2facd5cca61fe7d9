"""What a whole run of an experiment costs, counted and not run.

    python benchmarks/run_cost.py --gin_file experiments/paper/voc_4_pseudoseg_xception_65.gin

The training step of the experiment (forward, backward, optimiser) is traced at its crop for one
labelled and one unlabelled image, and its floating-point operations are counted by TensorFlow's
profiler. All but the update of the weights grows with the images, so the run costs that count times
the batch times the steps. Nothing is trained, and no data is read.
"""

import argparse
import json

import gin
import tensorflow as tf
from step_cost import count_flops

from wss.configuration import gin_files


def batch_spec(info, crop: tuple[int, int], labelled: int = 1, unlabelled: int = 1) -> dict:
    """Describes a batch of so many labelled and unlabelled images of `crop` pixels."""

    def part(size, names):
        def floats(*shape):
            return tf.TensorSpec([size, *shape], tf.float32)

        images = {name: floats(*crop, 3) for name in names}
        return images | {'valid': floats(*crop), 'image_label': floats(info.num_image_classes)}

    label = tf.TensorSpec([labelled, *crop], tf.int32)
    return {
        'labelled': part(labelled, ['image']) | {'label': label},
        'unlabelled': part(unlabelled, ['weak', 'strong']),
    }


def measure(files: list[str], params: list[str]) -> dict:
    """Builds the step of an experiment and counts it; returns what is to be printed."""
    gin_files.parse(files, params)
    settings = gin.get_bindings('experiment.run')
    info = settings['make_dataset']().info
    crop = settings['make_views']().crop_size
    network = settings['make_network'](
        num_classes=info.num_classes, num_image_classes=info.num_image_classes
    )
    method = settings['make_method'](network, info)
    method.build_variables((65, 65))  # The variables are the same for every crop.
    # By the rule of the batch, a run of any other batch sees as many images.
    steps = settings['steps']
    batch = settings.get('reference_batch_size') or settings['labelled_batch_size']
    method.compile(optimizer=settings['make_optimizer'](steps=steps))
    method.optimizer.build(method.trainable_variables)
    step = tf.function(method.train_step, autograph=False)
    flops = count_flops(step, batch_spec(info, crop))
    return {
        'crop': f'{crop[0]}x{crop[1]}',
        'flops_per_image_pair': flops,
        'batch': batch,
        'steps': steps,
        'flops_of_the_run': flops * batch * steps,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--gin_file', action='append', required=True, help='an experiment')
    parser.add_argument('--gin_param', action='append', default=[], help='a setting')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    arguments = parser.parse_args()
    results = measure(arguments.gin_file, arguments.gin_param)
    if arguments.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        shown = f'{value:.3g}' if 'flops' in name else value
        print(f'{name.replace("_", " "):24}{shown:>16}')


if __name__ == '__main__':
    main()
