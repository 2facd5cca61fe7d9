"""The share of every batch that one host makes."""

import tensorflow as tf


class Share:
    """The share of every batch that this host makes: `size` elements from `offset` on.

    Attributes:
        size: Elements of this host.
        offset: Number of its first one in the batch.
        replicas: Replicas of this host.
        replica_size: Elements of each of them.

    Args:
        name: What messages call the batch size.
        batch_size: Elements a batch, of all replicas together.
        context: Which of several hosts this is; None for the only one, with one replica.

    Raises:
        ValueError: If the batch cannot be divided evenly.
    """

    def __init__(
        self, name: str, batch_size: int, context: tf.distribute.InputContext | None = None
    ):
        context = context or tf.distribute.InputContext()
        replicas, hosts = context.num_replicas_in_sync, context.num_input_pipelines
        if batch_size % replicas:
            raise ValueError(
                f'{name} = {batch_size} cannot be divided among {replicas} replicas; take a '
                'multiple.'
            )
        self.size = batch_size // hosts
        self.offset = self.size * context.input_pipeline_id
        self.replicas = replicas // hosts
        self.replica_size = batch_size // replicas
        self._batch_size = batch_size

    def numbers(self, first_step) -> tf.data.Dataset:
        """Returns the numbers of this host's elements in their stream, from a step on."""
        here = tf.data.Dataset.counter(start=first_step * self.size)
        return here.map(lambda n: n // self.size * self._batch_size + self.offset + n % self.size)
