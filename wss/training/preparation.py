"""What a run needs before anything is written: dataset, lists, weights, and batches that fit."""

import contextlib
import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.lists import selection
from wss.devices import tpu_input, workers
from wss.settings.missing import Missing
from wss.training import contracts


@dataclasses.dataclass(frozen=True)
class Streams:
    """The examples of a run.

    Attributes:
        training: Examples by stream: `labelled`, and `unlabelled` if the method needs it.
        validation: Examples of the validation split, not scaled; None without one.
        lists: Where the ids of each stream come from, as `runs.lists` records it.
    """

    training: Mapping[str, Examples]
    validation: Examples | None
    lists: dict

    @property
    def examples(self) -> dict[str, Examples]:
        """Examples by stream, those of `validation` too."""
        own = {} if self.validation is None else {'validation': self.validation}
        return {**self.training, **own}


def find(data, initial_weights):
    """Makes the dataset and finds the lists; one error names all that is missing.

    Args:
        data: A `Data`.
        initial_weights: `Experiment.initial_weights`.

    Returns:
        The dataset, and the choices of `Data.choices`.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If what was made is no dataset.
    """
    missing, dataset, choices = Missing(), None, None
    with missing.noted():
        dataset = contracts.dataset(data.make_dataset())
    with missing.noted():
        choices = data.choices()
    for choice in (choices or {}).values():
        with missing.noted():
            choice.check_list()
    if missing and getattr(initial_weights, '__module__', '').startswith('wss.'):
        # Without classes there is no method; but these look for their files first.
        with missing.noted(), contextlib.suppress(AttributeError):
            initial_weights(None)
    missing.refuse()
    return dataset, choices


def import_weights(method, initial_weights, select, resumes: bool) -> str | None:
    """Sets the initial weights, if there are any.

    Args:
        method: A `Method` with its variables.
        initial_weights: `Experiment.initial_weights`.
        select: Selects the examples. It is called if weights are missing, so that one error names
            what else is.
        resumes: Whether the run has a checkpoint, which has the weights.

    Returns:
        What the function says about the weights.

    Raises:
        FileNotFoundError: If files are missing.
    """
    missing, said = Missing(), None
    with missing.noted():
        said = method.import_weights(initial_weights)
    if missing and not resumes:
        with missing.noted():
            select()
        missing.refuse()
    return said


def select(data, dataset, method, choices: Mapping, crop_size: tuple[int, int]) -> Streams:
    """Selects the examples of a run.

    Args:
        data: A `Data`.
        dataset: The dataset.
        method: A `Method`.
        choices: From `find`.
        crop_size: Height and width of the crops.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a choice does not fit the dataset, or masks do not fit its classes.
    """
    training, validation = data.select(dataset, method, choices)
    if workers.is_chief():
        data.warn_of_small_crops(training['labelled'], crop_size)
    lists = {name: (choices[name], part.ids, part.held_out) for name, part in training.items()}
    if validation is not None:
        lists['validation'] = selection.Choice(data.validation.split), validation.ids
    return Streams(training, validation, lists)


def check_batches(strategy, method, inputs, batch_sizes: Mapping[str, int], steps: int) -> None:
    """Refuses what the devices or the method cannot compute, without computing anything.

    Args:
        strategy: What distributes the steps.
        method: A compiled `Method` whose variables exist.
        inputs: `Inputs` of the run.
        batch_sizes: Images a step by stream.
        steps: Steps of the run.

    Raises:
        ValueError: If there is such a batch or loss.
    """
    context = tf.distribute.InputContext(num_replicas_in_sync=strategy.num_replicas_in_sync)
    batches = inputs.make_batches(0, cache_bytes=0, context=context)
    tpu_input.check(strategy, batches)
    contracts.strong_views(method, batches.element_spec)
    contracts.losses(method, batches.element_spec)
    if steps:
        contracts.batch_norm_values(method, batches.element_spec, batch_sizes)
    if inputs.make_validation is not None:
        tpu_input.check_shapes(strategy, inputs.make_validation(context))
