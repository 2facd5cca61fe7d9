"""Sets the initial weights of a method, and notes what was imported."""

import warnings

import numpy as np

from wss.devices import replicas
from wss.methods.update import unchanged
from wss.networks import batch_norm


def import_into(method, initial_weights) -> str | None:
    """Sets initial weights; see `Method.import_weights`.

    Args:
        method: A `Method` with its variables.
        initial_weights: What is called with the method, or None.
    """
    with method.distribute_strategy.scope():
        before = None if method.fresh is None else [replicas.local(v) for v in method.variables]
        first = None
        if method.second_network is not None:
            first = [replicas.local(v) for v in method.network.variables]
    said = None if initial_weights is None else initial_weights(method)
    if first is not None:
        _start_second_network(method, first)
    _note_statistics(method)
    if before is not None:
        _note_fresh(method, before)
    method.start_averages()
    return said if isinstance(said, str) else None


def _start_second_network(method, before):
    """Lets the second network start, from which the first may have got imported weights."""
    with method.distribute_strategy.scope():
        pairs = zip(method.network.variables, before, strict=True)
        imported = [not np.array_equal(replicas.local(v), value) for v, value in pairs]
        method.start_second_network(imported)


def _note_statistics(method):
    """Notes which moving statistics were imported."""
    with method.distribute_strategy.scope():
        for layer in batch_norm.layers_of(method):
            layer.note_imported()
        backbone = batch_norm.layers_of(method.network.backbone)
        if method.update.freeze_batch_norm and any(layer.is_fresh() for layer in backbone):
            warnings.warn(
                f'Update.freeze_batch_norm is {method.update.freeze_batch_norm!r}, but batch norm '
                'of the backbone starts fresh, so it would never normalise; set '
                'Experiment.initial_weights.',
                stacklevel=5,
            )


def _note_fresh(method, before):
    """Notes which variables still have the values that they had before the import."""
    with method.distribute_strategy.scope():
        fresh = unchanged(method, method.trainable_variables, before)
    method.running.is_fresh = fresh
    method.fresh.assign([int(f) for f in fresh])
    if all(fresh):
        warnings.warn(
            f'Update.fresh_multiplier is {method.update.fresh_multiplier}, but no layer has '
            'imported weights, so it multiplies every step; set Experiment.initial_weights.',
            stacklevel=4,
        )
