"""What the parts of an experiment must be; they are checked as soon as they are made.

`docs/extending.md` has the contract of each, with an example.
"""

import inspect
from collections.abc import Mapping

import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.methods.method import Method
from wss.networks import batch_norm
from wss.networks import network as networks


def dataset(part):
    """Returns what `Data.make_dataset` made, if it is a dataset.

    Raises:
        ValueError: If `info` is not a `DatasetInfo`, or `examples` does not take its arguments.
    """
    setting = 'Data.make_dataset'
    _check(part, setting, 'a dataset', ('info', 'examples'))
    made = type(part).__name__
    if not isinstance(part.info, DatasetInfo):
        raise ValueError(
            f'{setting} made a {made} whose info is a {type(part.info).__name__}; it must be a '
            'DatasetInfo (wss/datasets/info.py).'
        )
    try:
        inspect.signature(part.examples).bind('split', labels='required', ids=())
    except TypeError as error:
        raise ValueError(
            f'{setting} made a {made} whose examples must take split, labels and ids: {error}.'
        ) from error
    return part


def views(part):
    """Returns what `Data.make_views` made, if it makes views.

    Raises:
        ValueError: If it lacks something.
    """
    _check(part, 'Data.make_views', 'views', ('crop_size', 'labelled', 'unlabelled'))
    return part


def network(part):
    """Returns what `Experiment.make_network` made, if it is a network.

    Raises:
        ValueError: If it, or its backbone, lacks something.
    """
    _check(part, 'Experiment.make_network', 'a network', networks.NEEDED)
    networks.check_backbone(part.backbone, f'{type(part).__name__}.make_backbone')
    return part


def method(part):
    """Returns what `Experiment.make_method` made, if it is a method.

    Raises:
        ValueError: If it is no `Method`, or has no `compute_losses` of its own.
    """
    setting, made = 'Experiment.make_method', type(part).__name__
    if not isinstance(part, Method):
        raise ValueError(
            f'{setting} must make a method; it made a {made}, which is not a subclass of Method '
            '(wss/methods/method.py).'
        )
    if type(part).compute_losses is Method.compute_losses:
        raise ValueError(
            f'{setting} must make a method; it made a {made}, which has no compute_losses.'
        )
    return part


def batch_norm_values(method: Method, batch_spec, batch_sizes: Mapping[str, int]) -> None:
    """Refuses batches that leave a batch norm one value a channel, of which the variance is 0.

    Such a layer normalises every image to the same value and learns nothing. It sees a map of one
    value an image, as after image pooling, so only batches of one image a replica can leave it one.

    Args:
        method: A compiled `Method` whose variables exist.
        batch_spec: Specification of a batch of one replica.
        batch_sizes: Images a step, of all replicas together, by stream.

    Raises:
        ValueError: If there is such a batch.
    """
    replicas = method.distribute_strategy.num_replicas_in_sync
    small = {name: size for name, size in batch_sizes.items() if size <= replicas}
    if not small:
        return
    layers = batch_norm.layers_of(method)
    for layer in layers:
        layer.least_values = None

    @tf.autograph.experimental.do_not_convert
    def trace(batch):
        return method.compute_losses(batch['labelled'], batch.get('unlabelled'))

    tf.function(trace).get_concrete_function(batch_spec)
    for layer in layers:
        seen = replicas if layer.synchronized else 1
        if layer.least_values == 1 and seen == 1:
            raise ValueError(_one_value(layer, small, replicas))


def _one_value(layer, small, replicas):
    """The sentence about a batch norm that sees one value."""
    sizes = ' and '.join(f'{name.capitalize()}.batch_size is {n}' for name, n in small.items())
    name = layer.moving_mean.name.rsplit('/', 1)[0]
    if replicas == 1:
        return (
            f'{sizes}: batch norm of {name} would see one value a channel, of which the variance '
            "is 0. Set it to 2 or more, or set Update.freeze_batch_norm = 'all'."
        )
    return (
        f'{sizes}, over {replicas} replicas: batch norm of {name} would see one value a channel on '
        f'each, of which the variance is 0. Set it to {2 * replicas} or more, or set '
        "Compute.synchronise_batch_norm = True or Update.freeze_batch_norm = 'all'."
    )


def _check(part, setting, what, names):
    """Refuses a part without an attribute."""
    for name in names:
        if not hasattr(part, name):
            raise ValueError(
                f'{setting} must make {what}; it made a {type(part).__name__}, which has no {name}.'
            )
