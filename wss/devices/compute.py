"""How steps are computed: precision, batch norm over replicas, steps per execution, XLA."""

import dataclasses

import tensorflow as tf
import tf_keras as keras

from wss.datasets.info import MAY_CHANGE, OF_HOST
from wss.settings import ranges

PRECISIONS = ('float32', 'mixed_bfloat16')
# Signals are noticed only between executions. At half a second a step, this is well within the 30
# seconds that a preempted machine has left.
_MOST_STEPS_PER_EXECUTION = 20


@dataclasses.dataclass(frozen=True)
class Compute:
    """How steps are computed.

    Attributes:
        precision: What layers compute in: `float32`, or `mixed_bfloat16` for TPUs and for GPUs and
            CPUs that have it. Weights, statistics, losses and pseudo labels stay float32.
        synchronise_batch_norm: Whether batch norm takes its statistics over the batches of all
            replicas, not over that of each replica as in the authors' program.
        steps_per_execution: Steps that run in one call. Values and signals are seen only between
            calls, so every interval of `Schedule` must be a multiple of it. None for 1 on a CPU,
            and for up to 20 on GPUs and TPUs.
        jit_compile: Whether XLA compiles the step; for one GPU. On TPUs it always does.
        input_workers: Threads that make views, at most 256; None for one a core. The views do not
            depend on it.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> from wss.devices.compute import Compute
        >>> Compute(precision='mixed_bfloat16').precision
        'mixed_bfloat16'
        >>> strategy = tf.distribute.get_strategy()
        >>> Compute(steps_per_execution=10).steps_an_execution(strategy, [100, 50])
        10
    """

    precision: str = 'float32'
    synchronise_batch_norm: bool = False
    steps_per_execution: int | None = dataclasses.field(default=None, metadata=MAY_CHANGE)
    jit_compile: bool = dataclasses.field(default=False, metadata=MAY_CHANGE)
    input_workers: int | None = dataclasses.field(default=None, metadata=OF_HOST)

    def __post_init__(self):
        ranges.choice('Compute.precision', self.precision, PRECISIONS)
        for name in ('synchronise_batch_norm', 'jit_compile'):
            ranges.switch(f'Compute.{name}', getattr(self, name))
        most = {'steps_per_execution': 10000, 'input_workers': 256}
        for name, highest in most.items():
            if getattr(self, name) is not None:
                ranges.whole(f'Compute.{name}', getattr(self, name), 1, highest)

    def prepare(self, strategy: tf.distribute.Strategy) -> None:
        """Sets the precision of the layers that are built from now on.

        Raises:
            ValueError: If `jit_compile` is set for several devices, or if the CPU that computes has
                no bfloat16.
        """
        if self.jit_compile and strategy.num_replicas_in_sync > 1:
            raise ValueError('Compute.jit_compile is for one device; on TPUs XLA always compiles.')
        if self.precision == 'mixed_bfloat16' and _is_on_cpu(strategy):
            _check_bfloat16()
        keras.mixed_precision.set_global_policy(self.precision)

    def steps_an_execution(self, strategy: tf.distribute.Strategy, intervals) -> int:
        """Returns how many steps run in one call.

        Args:
            strategy: Where steps run.
            intervals: Numbers of steps after which something happens, once or repeatedly.

        Raises:
            ValueError: If an interval is not a multiple of `steps_per_execution`.
        """
        intervals = [interval for interval in intervals if interval]
        wanted = self.steps_per_execution
        if wanted is not None:
            odd = [interval for interval in intervals if interval % wanted]
            if odd:
                raise ValueError(
                    f'Compute.steps_per_execution is {wanted}, but something happens at step '
                    f'{odd[0]}, which is not a multiple of it. Change it, or Schedule.steps, '
                    'log_every, evaluate_every, checkpoint_every or picture_every.'
                )
            return wanted
        if _is_on_cpu(strategy):
            return 1
        numbers = range(_MOST_STEPS_PER_EXECUTION, 0, -1)
        return next(n for n in numbers if not any(interval % n for interval in intervals))


def _is_on_cpu(strategy):
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    return not is_tpu and not tf.config.list_logical_devices('GPU')


def _check_bfloat16():
    """Refuses bfloat16 where oneDNN is on and has none for this CPU, as on those with AVX2 only."""
    image, kernel = tf.zeros([1, 3, 3, 1], tf.bfloat16), tf.zeros([3, 3, 1, 1], tf.bfloat16)
    try:
        tf.nn.conv2d(image, kernel, 1, 'SAME')
    except tf.errors.AbortedError as error:
        raise ValueError(
            "Compute.precision is 'mixed_bfloat16', which oneDNN does not have for this CPU. Set "
            "Compute.precision = 'float32', or start the command with TF_ENABLE_ONEDNN_OPTS=0, "
            'which is slower.'
        ) from error
