"""One step and one evaluation of several methods, on the devices that are asked for.

    python program.py STRATEGY REPLICAS OUT.npz

A process can have one strategy of several devices only, so the tests start this as a program.
"""

import functools
import pathlib
import sys

import numpy as np
import tensorflow as tf
import tf_keras as keras

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.conftest import Squares, make_info
from wss.devices import strategies, workers
from wss.methods.cps import CPS
from wss.methods.fixmatch import FixMatch
from wss.methods.losses import SupervisedLoss
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.unimatch import UniMatch
from wss.methods.update import Update
from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.layers import ConvBatchNorm
from wss.pipeline import batches
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame
from wss.results import scores
from wss.training import monitor
from wss.views import mixing
from wss.views.views import Views

CROP = (33, 33)
PADDING = (127.5, 127.5, 127.5)
BATCH = 4
_mix = mixing.mix
pseudoseg = functools.partial(PseudoSeg, attention_width=8)
# New networks are undecided between classes: above 0, rounding would decide which pixels count.
CONFIDENT = 0.0
# Of networks that `decide` has made sure of some pixels: these count, and others do not.
BETWEEN = 0.8
LOUDER = 10_000.0
# Name: method, whether batch norm is frozen, or else synchronised.
CASES = {
    'supervised': (Supervised, True),
    'fused': (functools.partial(pseudoseg, calibrate_over_replicas=True), True),
    'weak': (functools.partial(pseudoseg, source='att', threshold=0.4, weak_labels=True), True),
    'synchronised': (functools.partial(pseudoseg, calibrate_over_replicas=True), False),
    'fixmatch': (functools.partial(FixMatch, threshold=CONFIDENT), True),
    # Each replica drops channels of its own.
    'unimatch': (functools.partial(UniMatch, threshold=CONFIDENT, dropout=0.0), True),
    'mixed': (functools.partial(UniMatch, threshold=CONFIDENT, dropout=0.0), True),
    'mean_teacher': (functools.partial(MeanTeacher, threshold=CONFIDENT), True),
    'cps': (CPS, True),
    'masked': (functools.partial(FixMatch, threshold=BETWEEN), True),
    'share': (functools.partial(MeanTeacher, threshold=BETWEEN), True),
}
UPDATES = {
    'supervised': Update(
        last_layer_multiplier=2.0,
        bias_multiplier=2.0,
        average_decay=0.9,
        backbone_multiplier=0.5,
    ),
    'naive': Update(weight_decay=0.0),
}
# The views of these have boxes of other images of the replica.
MIXED = ('mixed', 'mixed_in_one', 'masked')
# The networks of these are sure of some pixels.
DECIDED = ('masked', 'share')
# Workers take the cases whose parts meet in other ways only once.
WORKER_CASES = ('supervised', 'fused')


def make_network(info):
    return DeepLabV3Plus(
        info.num_classes,
        info.num_image_classes,
        functools.partial(SmallResNet, filters=(8, 8, 8, 8)),
        aspp_filters=8,
        decoder_filters=8,
        low_level_filters=8,
        aspp_rates=(1, 2, 3),
        aspp_dropout=0.0,
    )


def make_method(case, make, info, frozen, per_replica):
    method = make(make_network(info), info)
    if method.needs_second_network:
        method.second_network = make_network(info)
    method.set_recipe(UPDATES.get(case, Update()), SupervisedLoss())
    if frozen:
        for layer in method.submodules:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    elif not per_replica:
        method.synchronise_batch_norm()
    method.build_variables(CROP)
    if case in DECIDED:
        decide(method)
    method.compile(optimizer=keras.optimizers.SGD(1.0))
    method.optimizer.build(method.trainable_variables)
    return method


def decide(method):
    """Makes new networks certain: their logits differ by units, not by hundredths."""
    for network in filter(None, (method.network, method.second_network)):
        network.logits.kernel.assign(LOUDER * network.logits.kernel)


def values(variables):
    return [variable.read_value().numpy() for variable in variables]


@functools.cache  # Made once for all cases, which takes a fifth off them.
def training_batches(pipeline, cutmix_probability):
    """Returns the batches of one host; `pipeline` is what its `InputContext` says, or None."""
    context = None if pipeline is None else tf.distribute.InputContext(*pipeline)
    train = Squares(make_info(), {'train': 12}).examples('train')
    streams = {name: batches.Stream(train, BATCH) for name in ('labelled', 'unlabelled')}
    views = Views(
        crop_size=CROP,
        cutout_half_size=4,
        strong_views=2,
        jitter_probability=0.8,
        greyscale_probability=0.2,
        blur_probability=0.5,
        cutmix_probability=cutmix_probability,
    )
    return batches.training_batches(streams, views, PADDING, seed=3, context=context)


def run_case(strategy, case, make, frozen, per_replica=False):
    """Returns arrays by name: the gradient, the moving averages, the losses, the counts."""
    strategies.set_seed(5)
    info = make_info()
    with strategy.scope():
        method = make_method(case, make, info, frozen, per_replica)
    validation = Squares(info, {'val': 5}).examples('val')

    replicas = strategy.num_replicas_in_sync
    validation_batches = WholeImages(validation, Frame(8, PADDING), BATCH, replicas)
    means = monitor.Means(method.quality)

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            logs.pop('input_wait')
            means.add(logs)

    before = values(method.trainable_variables)

    def make_batches(context):
        pipeline = (
            context.num_input_pipelines,
            context.input_pipeline_id,
            context.num_replicas_in_sync,
        )
        return training_batches(pipeline, float(case in MIXED))

    method.fit(
        strategy.distribute_datasets_from_function(make_batches),
        steps_per_epoch=1,
        callbacks=[Note()],
        verbose=0,
    )
    after = values(method.trainable_variables)
    found = {f'gradient/{i}': b - a for i, (b, a) in enumerate(zip(before, after, strict=True))}
    found |= {f'averages/{i}': value for i, value in enumerate(values(method.averages))}
    if method.second_network is not None:
        second = values(method.second_network.variables)
        found |= {f'second/{i}': value for i, value in enumerate(second)}
    found |= {f'loss/{name}': value for name, value in means.values().items()}
    kept = ('miou', 'confident', 'precision/mean', 'recall/mean')
    for name, summary in means.quality().items():
        found[f'quality/{name}'] = [summary[key] for key in kept if key in summary]
    statistics = [v for v in method.non_trainable_variables if 'moving' in v.name]
    found |= {f'statistics/{i}': value for i, value in enumerate(values(statistics))}
    for variable in statistics:
        parts = [part.numpy() for part in strategy.experimental_local_results(variable)]
        assert all(np.array_equal(part, parts[0]) for part in parts)
    # A classifier that knows its classes; an untrained one would name the same everywhere.
    method.network.logits.bias.assign([0.0, 0.01, -0.01])
    scored = scores.evaluate(method, validation_batches)
    found['counts'] = method.confusion.result().numpy()
    found['pixels'] = scored['pixels']
    return found


def mix_in_halves(values, boxes, full_size):
    """Mixes each half of a batch for itself, as two replicas do."""
    halves = zip(tf.split(values, 2), tf.split(boxes, 2), strict=True)
    return tf.concat([_mix(half, box, full_size) for half, box in halves], 0)


def by_hand(case, make, parts, only=None):
    """The mean of the gradients of parts of a batch, each normalised by itself, in one process.

    With `only`, the gradient of that loss alone where all pixels are valid.
    """
    info = make_info()
    strategies.set_seed(5)
    method = make_method(case, make, info, True, False)
    batch = next(iter(training_batches(None, 0.0)))
    if only is not None:
        batch['unlabelled']['valid'] = tf.ones_like(batch['unlabelled']['valid'])
    gradients = []
    for rows in parts:
        part = tf.nest.map_structure(lambda value, rows=rows: value[rows], batch)
        with tf.GradientTape() as tape:
            losses = method.compute_losses(part['labelled'], part['unlabelled'])
            total = losses[only] if only else tf.add_n(list(losses.values()))
        gradients.append(
            tape.gradient(total, method.trainable_variables, unconnected_gradients='zero')
        )
    means = [tf.add_n(list(alike)) / len(parts) for alike in zip(*gradients, strict=True)]
    return {f'gradient/{i}': mean.numpy() for i, mean in enumerate(means)}


def pooled(strategy):
    """Batch norm of one value a replica: outputs, gradient and statistics after a step."""
    with strategy.scope():
        layer = ConvBatchNorm(4, 1, activate=False, all_replicas=True)
        layer(tf.zeros([1, 1, 1, 3]))
        layer.batch_norm.count_updates()
    layer.convolution.kernel.assign(tf.reshape(tf.range(12.0), [1, 1, 3, 4]) / 12)
    inputs = tf.random.stateless_normal([2, 1, 1, 1, 3], (1, 2))
    weights = tf.random.stateless_normal([2, 1, 1, 1, 4], (3, 4))

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.GradientTape() as tape:
            outputs = layer(tf.gather(inputs, replica), training=True)
            loss = tf.reduce_sum(outputs * tf.gather(weights, replica))
        gradient = tape.gradient(loss, layer.convolution.kernel)
        return outputs, tf.distribute.get_replica_context().all_reduce('SUM', gradient)

    outputs, gradient = strategy.run(step)
    return {
        'inputs': inputs[:, 0, 0, 0],
        'weights': weights[:, 0, 0, 0],
        'outputs': tf.concat(strategy.experimental_local_results(outputs), axis=0)[:, 0, 0],
        'gradient': strategy.experimental_local_results(gradient)[0][0, 0],
        'mean': layer.batch_norm.moving_mean.read_value(),
        'variance': layer.batch_norm.moving_variance.read_value(),
        'updates': layer.batch_norm.updates.read_value(),
    }


def main(kind, count, out):
    strategy = strategies.make_strategy(strategies.Devices(kind, replicas=int(count) or None))
    found = {}
    if kind == 'one':
        mixed = run_case(strategy, 'mixed_in_one', *CASES['mixed'])
        found |= {f'mixed_in_one/{k}': v for k, v in mixed.items()}
        mixing.mix = mix_in_halves
    for name in WORKER_CASES if kind == 'multi_worker' else CASES:
        found |= {f'{name}/{k}': v for k, v in run_case(strategy, name, *CASES[name]).items()}
    if kind == 'one':
        halves = slice(0, BATCH // 2), slice(BATCH // 2, BATCH)
        share = 'share', CASES['share'][0]
        for name, arrays in (
            ('naive', run_case(strategy, 'naive', Supervised, True)),
            ('naive_halves', by_hand('naive', Supervised, halves)),
            ('alone', by_hand(*share, [slice(0, BATCH)], 'consistency')),
            ('alone_halves', by_hand(*share, halves, 'consistency')),
        ):
            found |= {f'{name}/{k}': v for k, v in arrays.items()}
    if kind == 'mirrored':
        parts = run_case(strategy, 'synchronised', *CASES['synchronised'], per_replica=True)
        found |= {f'per_replica/{k}': v for k, v in parts.items()}
        found |= {f'pooled/{k}': v.numpy() for k, v in pooled(strategy).items()}
    if workers.is_chief():
        np.savez(out, replicas=strategy.num_replicas_in_sync, **found)


if __name__ == '__main__':
    main(*sys.argv[1:])
