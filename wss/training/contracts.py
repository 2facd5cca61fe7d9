"""What the parts of an experiment must be; they are checked as soon as they are made.

`docs/extending.md` has the contract of each, with an example.
"""

import contextlib
import functools
import inspect
import traceback
from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras

from wss.datasets.info import DatasetInfo
from wss.methods.method import Method
from wss.networks import batch_norm
from wss.networks import network as networks
from wss.settings import callables, ranges


def makers(experiment) -> None:
    """Refuses settings that name something else than a maker of a part, before they are called.

    Args:
        experiment: An `Experiment`.

    Raises:
        ValueError: If one of them does not take what it will be called with.
    """
    data, stand_in = experiment.data, object()
    kinds = {
        'Data.make_dataset': (data.make_dataset, 'a dataset', {}),
        'Data.make_views': (data.make_views, 'views', {}),
        'Experiment.make_network': (
            experiment.make_network,
            'a network from num_classes and num_image_classes',
            {'num_classes': 2, 'num_image_classes': 1},
        ),
        'Experiment.make_optimiser': (
            experiment.make_optimiser,
            'an optimiser from steps',
            {'steps': 1},
        ),
    }
    for setting, (maker, what, named) in kinds.items():
        callables.check(setting, maker, f'a class or a function that makes {what}', **named)
    callables.check(
        'Experiment.make_method',
        experiment.make_method,
        'a method: a subclass of Method (wss/methods/method.py), or a function that makes one',
        stand_in,
        stand_in,
        kind=Method,
    )
    weights = experiment.initial_weights
    if weights is not None:
        what = 'a function of a method that sets its weights, or None'
        if inspect.isclass(weights):
            ranges.refuse('Experiment.initial_weights', weights, what)
        callables.check('Experiment.initial_weights', weights, what, stand_in)


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
    made = type(part).__name__
    _check_constructed(part)
    _check(part, 'Experiment.make_network', 'a network', networks.NEEDED)
    networks.check_backbone(part.backbone, f'{made}.make_backbone')
    for name in ('logits', 'classifier'):
        dtype = getattr(getattr(part, name), 'compute_dtype', 'float32')
        if dtype != 'float32':
            raise ValueError(
                f'{made}.{name} computes in {dtype}, which is too coarse for logits; make the '
                "layer with dtype='float32'."
            )
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
    _check_constructed(part)
    for name in ('network', 'info'):
        if not hasattr(part, name):
            raise ValueError(
                f'{made} has no {name}: its __init__ must call super().__init__(network, info).'
            )
    return part


def optimiser_for(make_optimiser, rate_factor: float | None = None, first_step: int = 0):
    """Returns what makes the optimiser of a run from `steps`.

    Args:
        make_optimiser: `Experiment.make_optimiser`.
        rate_factor: Factor of its learning rates; None for what the run does not scale.
        first_step: Step at which the run was extended; 0 for the start of the run. It is passed
            wherever it is taken, so that it is never among the settings of a run.

    Raises:
        ValueError: If it does not take what the run needs.
    """
    given = {'first_step': (first_step, 'Schedule.extend')}
    if rate_factor is not None:
        given['rate_factor'] = (rate_factor, 'Schedule.reference_batch_size')
    taken = {}
    for name, (value, setting) in given.items():
        takes = _takes(make_optimiser, name)
        if takes is False and value:
            raise ValueError(
                f'Experiment.make_optimiser takes no {name}, which {setting} needs; add it, as '
                'momentum_poly has it, or leave that setting out.'
            )
        if takes or value:
            taken[name] = value
    return functools.partial(make_optimiser, **taken) if taken else make_optimiser


def _takes(function, name):
    """Whether a function takes an argument; None if nothing is known of its arguments."""
    try:
        inspect.signature(function).bind_partial(**{name: None})
    except TypeError:
        return False
    except ValueError:
        return None
    return True


@contextlib.contextmanager
def constructors():
    """Turns Keras' error about a constructor that does not call its base class into a sentence.

    Raises:
        ValueError: If a part that is made inside the `with` forgets it.
    """
    try:
        yield
    except RuntimeError as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        made = [f.f_locals.get('self') for f in frames if f.f_code.co_name == '__init__']
        made = [part for part in made if isinstance(part, keras.layers.Layer)]
        if 'super().__init__()' not in str(error) or not made:
            raise
        _refuse_constructor(made[-1], error)


def optimiser(part):
    """Returns what `Experiment.make_optimiser` made, if it is an optimiser.

    Raises:
        ValueError: If it is not.
    """
    _check(part, 'Experiment.make_optimiser', 'an optimiser', ('apply_gradients', 'build'))
    return part


def losses(method, batch_spec) -> None:
    """Tries `compute_losses` of a method that is not of this package, without computing anything.

    Args:
        method: A `Method` with variables and optimiser.
        batch_spec: `element_spec` of the training batches.

    Raises:
        ValueError: If it returns something else than losses, or reads unlabelled images and does
            not ask for them.
    """
    is_own = type(method).compute_losses.__module__.startswith('wss.methods.')
    if is_own or tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return
    tf.function(method.step_losses, autograph=False).get_concrete_function(batch_spec)


def strong_views(method: Method, batch_spec) -> None:
    """Refuses strong views that a method does not learn from, or lacks.

    Args:
        method: A `Method`.
        batch_spec: Specification of a batch of one replica.

    Raises:
        ValueError: If there are boxes of CutMix and the method does not mix, or a batch has one
            image, or there are fewer strong views than it needs.
    """
    unlabelled, made = batch_spec.get('unlabelled'), type(method).__name__
    if unlabelled is None:
        return
    if method.strong_views == 2 and 'strong_2' not in unlabelled:
        raise ValueError(f'{made} learns from two strong views: set Views.strong_views = 2.')
    if 'box' not in unlabelled:
        return
    if not method.mixes:
        raise ValueError(
            f'Views.cutmix_probability is above 0, but {made} does not mix images: set it to 0, or '
            f'mix what boxes show in {made}.compute_losses and set mixes = True there.'
        )
    if unlabelled['strong'].shape[0] == 1:
        raise ValueError(
            'Views.cutmix_probability is above 0, but a batch has one unlabelled image a replica '
            'and none to mix it with: set Unlabelled.batch_size to twice the number of replicas or '
            'more, or Views.cutmix_probability = 0.0.'
        )


def _check_constructed(part):
    # Keras sets this in the constructor that all layers share.
    if isinstance(part, keras.layers.Layer) and not hasattr(part, 'compute_dtype'):
        _refuse_constructor(part)


def _refuse_constructor(part, cause=None):
    made = type(part).__name__
    raise ValueError(
        f'{made}.__init__ must call super().__init__(...) before it sets anything.'
    ) from cause


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

    def replica(batch):
        return method.compute_losses(batch['labelled'], batch.get('unlabelled'))

    def trace(batch):
        # As in a step: the counts of a replica cannot change outside of one.
        return method.distribute_strategy.run(replica, (batch,))

    tf.function(trace, autograph=False).get_concrete_function(batch_spec)
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
