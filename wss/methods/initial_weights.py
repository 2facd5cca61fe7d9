"""Sets the initial weights of a method, and notes what was imported."""

import warnings

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
    said = None if initial_weights is None else initial_weights(method)
    _note_statistics(method)
    if before is not None:
        _note_fresh(method, before)
    method.start_averages()
    return said if isinstance(said, str) else None


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
