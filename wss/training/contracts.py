"""What the parts of an experiment must be; they are checked as soon as they are made.

`docs/extending.md` has the contract of each, with an example.
"""

import functools
import inspect

from wss.datasets.info import DatasetInfo
from wss.methods.method import Method
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


def optimiser_for(make_optimiser, **given):
    """Returns what makes the optimiser of a run from `steps`.

    Args:
        make_optimiser: `Experiment.make_optimiser`.
        given: What else it must take, by name; None for what this run does not need.

    Raises:
        ValueError: If it does not take one of them.
    """
    needs = {'rate_factor': 'Schedule.reference_batch_size', 'first_step': 'Schedule.extend'}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        try:
            inspect.signature(make_optimiser).bind_partial(**{name: value})
        except TypeError as error:
            raise ValueError(
                f'Experiment.make_optimiser takes no {name}, which {needs[name]} needs; add it, as '
                'momentum_poly has it, or leave that setting out.'
            ) from error
        except ValueError:  # Nothing is known of its arguments.
            break
    return functools.partial(make_optimiser, **given) if given else make_optimiser


def _check(part, setting, what, names):
    """Refuses a part without an attribute."""
    for name in names:
        if not hasattr(part, name):
            raise ValueError(
                f'{setting} must make {what}; it made a {type(part).__name__}, which has no {name}.'
            )
