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
    before = None
    if method.fresh is not None or method.second_network is not None:
        with method.distribute_strategy.scope():
            before = [replicas.local(v) for v in method.variables]
    said = None if initial_weights is None else initial_weights(method)
    said = said if isinstance(said, str) else None
    if method.second_network is not None:
        of_second = _start_second_network(method, before)
        said = ' '.join(filter(None, (said, of_second))) if said else None
    _note_statistics(method)
    if method.fresh is not None:
        _note_fresh(method, before)
    method.start_averages()
    return said


def _start_second_network(method, before):
    """Starts the second network from what was imported; returns a sentence about it."""
    with method.distribute_strategy.scope():
        pairs = zip(method.variables, before, strict=True)
        imported = {v.ref() for v, old in pairs if not np.array_equal(replicas.local(v), old)}
        return method.start_second_network(imported)


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
