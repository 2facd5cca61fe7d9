"""What batch norm in training mode costs on a CPU, forward and backward.

    python benchmarks/batch_norm.py

The fused operation of TensorFlow is compared with batch norm by matrix products, each without and
with oneDNN: sums over pixels are products with a row of ones, and the backward pass is one formula.
Shapes are those of DeepLabv3+ on MobileNetV2 with 8 crops of 161 pixels. One thread; milliseconds,
median.
"""

import argparse
import functools
import json
import statistics

import onednn
import tensorflow as tf
from step_cost import time_calls

SHAPES = ((8, 81, 81, 96), (8, 41, 41, 144), (8, 11, 11, 960), (8, 41, 41, 256))
EPSILON = 1e-3


@tf.custom_gradient
def by_products(x, gamma, beta):
    """Batch norm by matrix products: float32 `[N, H, W, C]`, as `x` is; the others are `[C]`."""
    pixels = tf.reshape(x, [-1, x.shape[-1]])
    number = tf.cast(tf.shape(pixels)[0], tf.float32)
    ones = tf.ones([1, tf.shape(pixels)[0]])
    mean = tf.matmul(ones, pixels) / number
    variance = tf.matmul(ones, tf.square(pixels)) / number - tf.square(mean)
    inverse = tf.math.rsqrt(variance + EPSILON)
    scale = gamma * inverse
    outputs = pixels * scale + (beta - mean * scale)

    def gradient(upstream):
        upstream = tf.reshape(upstream, [-1, x.shape[-1]])
        of_beta = tf.matmul(ones, upstream)
        of_gamma = (tf.matmul(ones, upstream * pixels) - mean * of_beta) * inverse
        slope = -scale * of_gamma * inverse / number
        shift = -scale * of_beta / number - slope * mean
        of_x = scale * upstream + pixels * slope + shift
        return tf.reshape(of_x, tf.shape(x)), of_gamma[0], of_beta[0]

    return tf.reshape(outputs, tf.shape(x)), gradient


def fused(x, gamma, beta):
    """Batch norm by the fused operation of TensorFlow, of the same shapes."""
    return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=EPSILON, is_training=True)[0]


def step_of(normalise, x, upstream):
    """Returns the outputs, and the gradients of `x`, `gamma` and `beta` for that of the outputs."""
    gamma, beta = tf.ones(x.shape[-1]), tf.zeros(x.shape[-1])
    with tf.GradientTape() as tape:
        tape.watch([x, gamma, beta])
        outputs = normalise(x, gamma, beta)
    return outputs, *tape.gradient(outputs, [x, gamma, beta], upstream)


def measure(repeats: int) -> dict[str, list[float]]:
    """Times both functions on all shapes in this process: milliseconds by name."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = {}
    for normalise in (fused, by_products):
        step = tf.function(functools.partial(step_of, normalise), autograph=False)
        times = []
        for shape in SHAPES:
            x, upstream = (tf.random.stateless_normal(shape, (0, i)) for i in (1, 2))
            seconds = time_calls(lambda s=step, x=x, u=upstream: s(x, u)[2], repeats)
            times.append(1000 * statistics.median(seconds))
        found[normalise.__name__] = times
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=20, help='how often each is timed')
    parser.add_argument('--child', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error('--repeats must be 1 or more')
    if arguments.child:
        print(json.dumps(measure(arguments.repeats)))
        return
    ways = {}
    found = onednn.both_ways(__file__, ['--child', '--repeats', str(arguments.repeats)])
    for name, times in zip(('without oneDNN', 'with oneDNN'), found, strict=True):
        ways |= {f'{way}, {name}': values for way, values in times.items()}
    print(f'{"":28}' + ''.join(f'{"x".join(map(str, shape)):>14}' for shape in SHAPES))
    for way, values in ways.items():
        print(f'{way.replace("_", " "):28}' + ''.join(f'{value:>14.1f}' for value in values))


if __name__ == '__main__':
    main()
