"""Gradients of a step: averaged over the replicas, with weight decay, and factors."""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from wss.devices import replicas


def over_replicas(gradients: Sequence, values: dict, variables: Iterable[tf.Variable]):
    """Averages gradients, values and the moving statistics of batch norm over the replicas.

    The mean of moving averages is the moving average of means. Since they are averaged at every
    step, every replica reads the same statistics, which are those of a checkpoint.

    Args:
        gradients: Tensors; None for a variable without one.
        values: Tensors by name.
        variables: The variables that are not trained; those of them that replicas average are set.

    Returns:
        Gradients and values of the whole batch.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return gradients, values
    statistics = [v for v in variables if v.aggregation == tf.VariableAggregation.MEAN]
    given = [g for g in gradients if g is not None]
    given, values, means = replicas.mean(
        (given, values, [tf.convert_to_tensor(v) for v in statistics])
    )
    for variable, value in zip(statistics, means, strict=True):
        variable.assign(value)
    given = iter(given)
    return [g if g is None else next(given) for g in gradients], values


def add_decay(gradients: Sequence, variables: Sequence, kernels: Iterable, factor: float) -> list:
    """Adds the gradient of the weight decay, `factor * w`, to those of its kernels.

    Args:
        gradients: Of each variable; None where there is none.
        variables: The trainable variables.
        kernels: Those of them that decay.
        factor: `Update.weight_decay`.
    """
    decayed = {kernel.ref() for kernel in kernels}

    def add(gradient, variable):
        if variable.ref() not in decayed:
            return gradient
        decay = factor * variable
        return decay if gradient is None else gradient + decay

    return [add(g, v) for g, v in zip(gradients, variables, strict=True)]


def multipliers(method, variables: Sequence[tf.Variable]) -> list[float]:
    """Returns the factor of the gradient of each variable.

    Args:
        method: A `Method`.
        variables: Its trainable variables.
    """
    networks = method.trained_networks
    last_layers = [layer for one in networks for layer in (one.logits, one.classifier)]
    last = {v.ref() for layer in last_layers for v in layer.variables}
    biases = [getattr(layer, 'bias', None) for layer in method.submodules]
    biases = {bias.ref() for bias in biases if isinstance(bias, tf.Variable)}
    return [method.update.multiplier(v.ref() in last, v.ref() in biases) for v in variables]


def step_factors(method, variables: Sequence[tf.Variable]) -> list[float]:
    """Returns the factor of the step of each variable.

    Args:
        method: A `Method`.
        variables: Its trainable variables.
    """
    networks = method.trained_networks
    backbone = {v.ref() for network in networks for v in network.backbone.variables}
    fresh = method.running.is_fresh or [True] * len(variables)
    update, own = method.update, method.own_multipliers()
    return [
        (update.fresh_multiplier if is_fresh else 1.0)
        * (update.backbone_multiplier if v.ref() in backbone else 1.0)
        * own.get(v.ref(), 1.0)
        for v, is_fresh in zip(variables, fresh, strict=True)
    ]
