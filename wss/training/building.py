"""Builds network and method of an experiment: for a new run, or with the weights of one."""

import dataclasses
import os
from collections.abc import Callable

from wss.devices import lost
from wss.methods.method import Method
from wss.networks import network as networks
from wss.runs import checkpoints
from wss.runs import folder as run_folder
from wss.training import contracts, optimisers


def new_method(
    experiment, strategy, info, crop_size: tuple[int, int], make_optimiser: Callable
) -> Method:
    """Builds a method to be trained, with its optimiser.

    Args:
        experiment: An `Experiment`.
        strategy: What distributes the steps.
        info: Classes of the dataset.
        crop_size: Height and width of the crops.
        make_optimiser: Makes the optimiser.

    Raises:
        ValueError: If a part is not what it must be, or parts do not fit each other.
    """
    # Workers share the initial values of variables, so one may be missed here already.
    with lost.exits_when_lost(strategy), strategy.scope():
        method = _build(experiment, info, crop_size, experiment.update)
        _refuse_unused_averages(method)
        method.compile(optimizer=contracts.optimiser(make_optimiser()))
        if isinstance(method.optimizer, optimisers.AdamW):
            _refuse_two_decays(method)
            method.optimizer.decay_only(method.decayed_kernels())
        method.optimizer.build(method.trainable_variables)
    return method


def method_of_run(
    experiment, strategy, workdir: str | os.PathLike, checkpoint: str
) -> tuple[Method, int]:
    """Builds the method of a run, without an optimiser; returns it, and its step.

    Args:
        experiment: An `Experiment`.
        strategy: What distributes the steps.
        workdir: Folder of the run.
        checkpoint: `best` or `last`.

    Raises:
        FileNotFoundError: If the folder is not that of a run or has no such checkpoint.
        ValueError: If its files are damaged or of another configuration.
    """
    info = run_folder.read_description(workdir).info
    # What only loads a run needs no counts of updates, nor what was fresh.
    update = dataclasses.replace(experiment.update, statistics_warm_up=False, fresh_multiplier=1.0)
    with lost.exits_when_lost(strategy), strategy.scope():
        # The size of photos must not matter: attention over a large one fills the memory.
        method = _build(experiment, info, None, update)
    step = checkpoints.Checkpoints(workdir, method).restore(checkpoint)
    method.use_averages()
    return method, step


def _refuse_unused_averages(method):
    if method.update.average_decay and method.evaluated_network not in method.trained_networks:
        raise ValueError(
            f'Update.average_decay is {method.update.average_decay}, but '
            f'{type(method).__name__} is evaluated by a network that is an average already. Set '
            'Update.average_decay = None.'
        )


def _refuse_two_decays(method):
    if method.update.weight_decay and method.optimizer.weight_decay:
        raise ValueError(
            f'Update.weight_decay is {method.update.weight_decay} and adamw_poly.weight_decay is '
            f'{method.optimizer.weight_decay}: weights would decay twice. Set '
            'Update.weight_decay = 0.0; the decay of AdamW is its own.'
        )


def _build(experiment, info, crop_size, update):
    """Builds network and method with all their variables; call it in a strategy's scope.

    Args:
        experiment: An `Experiment`.
        info: The classes.
        crop_size: The crops of training; None for the smallest that the network takes.
        update: Options of the update of the weights.
    """
    network = _network(experiment, info)
    crop_size = crop_size or networks.smallest_crop(network.backbone)
    network.check_crop_size(crop_size)
    with contracts.constructors():
        method = experiment.make_method(network, info)
    contracts.method(method)
    if method.needs_second_network:
        method.second_network = _network(experiment, info)
        if method.second_network is network:
            raise ValueError(
                f'{type(method).__name__} has two networks, but Experiment.make_network returned '
                'the same one twice; make a new one at each call.'
            )
    method.set_recipe(update, experiment.supervised_loss)
    if experiment.compute.synchronise_batch_norm:
        method.synchronise_batch_norm()
    method.build_variables(crop_size)
    return method


def _network(experiment, info):
    with contracts.constructors():
        network = experiment.make_network(
            num_classes=info.num_classes, num_image_classes=info.num_image_classes
        )
    return contracts.network(network)
